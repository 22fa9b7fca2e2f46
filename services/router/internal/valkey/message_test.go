package valkey

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

func TestMessagesAreRead(t *testing.T) {
	m, err := parseMessage("1700000000123 me open " + field("east 1", "org/model v1"))
	want := message{time.UnixMilli(1700000000123), "me", health.Open, "east 1", "org/model v1"}
	if err != nil || m != want {
		t.Errorf("%+v %v", m, err)
	}
	for _, bad := range []string{"", "x me open a b", "1 me ajar a b", "1 me open a", "1 me open a b c", "1 me open %zz b", "1 me open a %zz"} {
		if m, err := parseMessage(bad); err == nil {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add("1700000000123 me open east gpt-4o")
	f.Add("1 me closed %20 +")
	f.Add(strings.Repeat(" ", 4))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMessage(text)
		if err != nil {
			return
		}
		again, err := parseMessage("1 x " + m.state.String() + " " + field(m.target, m.model))
		if err != nil || again.target != m.target || again.model != m.model || again.state != m.state {
			t.Errorf("%q reads as %+v, and that as %+v: %v", text, m, again, err)
		}
	})
}

func FuzzDecodeRow(f *testing.F) {
	f.Add(string(encode(&quota.Window{At: 1_700_000_000})))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := row(text).Decode(); ok != (len(text) == rowBytes) {
			t.Errorf("%d bytes: %v", len(text), ok)
		}
	})
}

// What is written is what is read.
func TestRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := quota.Window{At: rapid.Int64Range(0, 1<<40).Draw(t, "at")}
		for i := range w.Used {
			w.Used[i] = quota.Rates{Requests: rapid.Int64Range(0, quota.Most).Draw(t, "requests"), Tokens: rapid.Int64Range(0, quota.Most).Draw(t, "tokens")}
		}
		got, ok := encode(&w).Decode()
		if !ok || got != w {
			t.Fatalf("%+v became %+v", w, got)
		}
	})
}

func TestReadTime(t *testing.T) {
	if at, err := readTime([]string{"1700000000", "250000"}); err != nil || at.UnixMicro() != 1700000000250000 {
		t.Errorf("%v %v", at, err)
	}
	for _, bad := range [][]string{nil, {"1"}, {"x", "1"}, {"1", "x"}} {
		if _, err := readTime(bad); err == nil {
			t.Errorf("%q is a time", bad)
		}
	}
}
