package packed

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

const limit = 4 << 20

func TestPackedValuesAreSmallerAndBounded(t *testing.T) {
	long := []byte(strings.Repeat("the same words again. ", 10_000))
	written, err := Write(long)
	if err != nil || len(written) > len(long)/10 {
		t.Errorf("%d bytes became %d (%v)", len(long), len(written), err)
	}
	if got, err := Read(written, len(long)); err != nil || !bytes.Equal(got, long) {
		t.Errorf("%d bytes are read as %d (%v)", len(long), len(got), err)
	}
	bomb, err := Write(make([]byte, limit+1))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Read(bomb, limit); err == nil {
		t.Errorf("unpacked %d bytes", len(got))
	}
	for _, value := range []string{"", "x", "zz", string(written[:len(written)/2])} {
		if got, err := Read([]byte(value), limit); err == nil {
			t.Errorf("%.10q is read as %.10q", value, got)
		}
	}
}

// What counts is what is sent, not what it holds.
func TestLargeValuesAreNotSent(t *testing.T) {
	noise := make([]byte, most+1)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	if written, err := Write(noise); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d bytes are sent as %d (%v)", len(noise), len(written), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("pvalue"))
	written, _ := Write(bytes.Repeat([]byte("ab"), packFrom))
	f.Add(written)
	f.Fuzz(func(t *testing.T, value []byte) {
		if got, err := Read(value, limit); err == nil && (got == nil || len(got) > max(limit, len(value))) {
			t.Errorf("%d bytes gave %d", len(value), len(got))
		}
	})
}
