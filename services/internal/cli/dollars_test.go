package cli

import "testing"

func TestDollars(t *testing.T) {
	for nano, want := range map[int64]string{
		0:                    "$0.00",
		1:                    "$0.000000001",
		1_500_000:            "$0.0015",
		1_000_000_000:        "$1.00",
		12_340_000_000:       "$12.34",
		-250_000_000:         "-$0.25",
		-9223372036854775807: "-$9223372036.854775807",
	} {
		if got := dollars(nano); got != want {
			t.Errorf("dollars(%d) = %s, want %s", nano, got, want)
		}
	}
}
