package money

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// roundHalfEven is the definition, written with unbounded integers.
func roundHalfEven(rate, units int64) *big.Int {
	product := new(big.Int).Mul(big.NewInt(rate), big.NewInt(units))
	quotient, rest := new(big.Int).QuoRem(product, big.NewInt(unitsPerRate), new(big.Int))
	switch rest.Cmp(big.NewInt(unitsPerRate / 2)) {
	case 1:
		quotient.Add(quotient, big.NewInt(1))
	case 0:
		if quotient.Bit(0) == 1 {
			quotient.Add(quotient, big.NewInt(1))
		}
	}
	return quotient
}

func TestTimesAgreesWithUnboundedIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(0, math.MaxInt64).Draw(t, "rate")
		units := rapid.Int64Range(0, math.MaxInt64).Draw(t, "units")
		if rapid.Bool().Draw(t, "small") {
			rate, units = rate%100_000_000_000, units%10_000_000
		}
		want := roundHalfEven(rate, units)
		got, err := Rate(rate).Times(units)
		if !want.IsInt64() {
			if !errors.Is(err, ErrOverflow) {
				t.Fatalf("%d × %d = %s: got %v, %v, want overflow", rate, units, want, got, err)
			}
			return
		}
		if err != nil || int64(got) != want.Int64() {
			t.Fatalf("%d × %d: got %d, %v, want %s", rate, units, got, err, want)
		}
	})
}

func TestTimes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rate  Rate
		units int64
		want  Amount
		err   error
	}{
		{"nothing", 2_500_000_000, 0, 0, nil},
		{"one token at 2.50 USD per million", 2_500_000_000, 1, 2_500, nil},
		{"tie goes down to even", 500_000, 1, 0, nil},
		{"tie goes up to even", 1_500_000, 1, 2, nil},
		{"next tie goes down to even", 2_500_000, 1, 2, nil},
		{"just above a tie", 500_001, 1, 1, nil},
		{"negative units", 1, -1, 0, ErrNegative},
		{"negative rate", -1, 1, 0, ErrNegative},
		{"largest that fits", math.MaxInt64, unitsPerRate, math.MaxInt64, nil},
		{"one unit more", math.MaxInt64, unitsPerRate + 1, 0, ErrOverflow},
		{"rounding up past the end", math.MaxInt64, math.MaxInt64, 0, ErrOverflow},
	} {
		got, err := tc.rate.Times(tc.units)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: got %d, %v, want %d, %v", tc.name, got, err, tc.want, tc.err)
		}
	}
}

func TestAddDetectsOverflow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		got, err := Amount(a).Add(Amount(b))
		if want.IsInt64() != (err == nil) || (err == nil && int64(got) != want.Int64()) {
			t.Fatalf("%d + %d: got %d, %v, want %s", a, b, got, err, want)
		}
	})
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Amount{
		"0": 0, "2.50": 2_500_000_000, "-0.5": -500_000_000, "0.000000001": 1,
		"9223372036.854775807": math.MaxInt64, "1.0000000000000": 1_000_000_000,
	} {
		if got, err := ParseUSD(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"": ErrSyntax, ".5": ErrSyntax, "1e-6": ErrSyntax, "NaN": ErrSyntax, "Inf": ErrSyntax, "--1": ErrSyntax,
		"0.0000000001": ErrPrecision, "9223372036.854775808": ErrOverflow,
	} {
		if _, err := ParseUSD(text); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
	var rate Rate
	if err := rate.UnmarshalText([]byte("-1")); !errors.Is(err, ErrNegative) {
		t.Errorf("negative rate: got %v", err)
	}
}

func TestRateTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate(rapid.Int64Range(0, math.MaxInt64).Draw(t, "rate"))
		var back Rate
		if err := back.UnmarshalText([]byte(rate.String())); err != nil || back != rate {
			t.Fatalf("%d → %q → %d, %v", rate, rate, back, err)
		}
	})
}

func FuzzParseUSD(f *testing.F) {
	f.Add("2.50")
	f.Add("-0.000000001")
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := ParseUSD(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			return // surrounding space is ours alone
		}
		if want.Cmp(big.NewRat(int64(amount), nanoPerUSD)) != 0 {
			t.Fatalf("%q read as %s", text, amount)
		}
	})
}

func TestTimesDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = Rate(2_500_000_000).Times(1234) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
