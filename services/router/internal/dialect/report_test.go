package dialect

import (
	"net/http"
	"strings"
	"testing"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

func TestWhatWasDroppedIsListed(t *testing.T) {
	long := make([]string, 1000)
	for i := range long {
		long[i] = "metadata"
	}
	for name, c := range map[string]struct {
		names []string
		want  string
	}{
		"nothing":          {nil, ""},
		"one":              {[]string{"seed"}, "seed"},
		"several":          {[]string{"logit_bias", "tools[1]"}, "logit_bias, tools[1]"},
		"a client's names": {[]string{"a\r\nx-evil: 1", "grüß"}, "a??x-evil: 1, gr??"},
	} {
		h := http.Header{}
		SetReport(h, &routerv1.RequestReport{Dropped: c.names})
		if got := h.Get("x-tollgate-dropped"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	h := http.Header{}
	SetReport(h, &routerv1.RequestReport{Dropped: long})
	if got := h.Get("x-tollgate-dropped"); len(got) > 2*maxDropped || !strings.HasSuffix(got, "more)") {
		t.Errorf("a long list has %d bytes and ends in %q", len(got), got[len(got)-20:])
	}
}
