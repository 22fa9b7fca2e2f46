package cache

import (
	"bytes"
	"strings"
	"testing"
)

func TestPackedValuesAreSmallerAndBounded(t *testing.T) {
	long := []byte(strings.Repeat("the same words again. ", 10_000))
	written, err := pack(long)
	if err != nil || len(written) > len(long)/10 {
		t.Errorf("%d bytes became %d (%v)", len(long), len(written), err)
	}
	bomb, err := pack(make([]byte, maxValue+1))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unpack(bomb); err == nil {
		t.Errorf("unpacked %d bytes", len(got))
	}
	for _, value := range []string{"", "x", "zz", string(written[:len(written)/2])} {
		if got, err := unpack([]byte(value)); err == nil {
			t.Errorf("%.10q is read as %.10q", value, got)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("pvalue"))
	written, _ := pack(bytes.Repeat([]byte("ab"), packFrom))
	f.Add(written)
	f.Fuzz(func(t *testing.T, value []byte) {
		if got, err := unpack(value); err == nil && (got == nil || len(got) > max(maxValue, len(value))) {
			t.Errorf("%d bytes gave %d", len(value), len(got))
		}
	})
}
