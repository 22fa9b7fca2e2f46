// Package money holds exact amounts and rates. An Amount counts nano-USD
// (10⁻⁹ US dollars) in an int64; a Rate counts nano-USD per one million units
// (tokens, searches). No floating point takes part anywhere.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Currency is the only currency in which amounts are kept.
const Currency = "USD"

const (
	// unitsPerRate is the number of units that a Rate prices.
	unitsPerRate = 1_000_000
	nanoPerUSD   = 1_000_000_000
	nanoDigits   = 9
)

// Errors of arithmetic and parsing; test with errors.Is.
var (
	// ErrOverflow means that a result does not fit into int64 nano-USD (about 9.2 billion US dollars).
	ErrOverflow = errors.New("money: overflow")
	// ErrNegative means that a rate or a count of units is below zero.
	ErrNegative = errors.New("money: negative")
	// ErrSyntax means that a text is no plain decimal number.
	ErrSyntax = errors.New("money: not a decimal number")
	// ErrPrecision means that a text has more than nine decimals, which nano-USD cannot hold.
	ErrPrecision = errors.New("money: more than nine decimals")
)

// Amount is a sum of money in nano-USD; it may be negative (a credit).
type Amount int64

// Rate is a price in nano-USD per one million units, never negative.
type Rate int64

// Times prices a count of units: rate × units ÷ 10⁶ in 128 bits, rounded half
// to even once. It fails with ErrNegative or ErrOverflow.
func (r Rate) Times(units int64) (Amount, error) {
	if r < 0 || units < 0 {
		return 0, ErrNegative
	}
	hi, lo := bits.Mul64(uint64(r), uint64(units))
	if hi >= unitsPerRate {
		return 0, ErrOverflow
	}
	quotient, rest := bits.Div64(hi, lo, unitsPerRate)
	const half = unitsPerRate / 2
	if rest > half || (rest == half && quotient&1 == 1) {
		quotient++
	}
	if quotient > math.MaxInt64 {
		return 0, ErrOverflow
	}
	return Amount(quotient), nil
}

// Add returns a+b or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	sum := a + b
	if (b > 0 && sum < a) || (b < 0 && sum > a) {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Sum adds amounts and fails with ErrOverflow when any partial sum does.
func Sum(amounts ...Amount) (Amount, error) {
	var total Amount
	for _, amount := range amounts {
		var err error
		if total, err = total.Add(amount); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// String gives US dollars with nine decimals, for example "$0.000150000".
func (a Amount) String() string {
	magnitude, sign := uint64(a), ""
	if a < 0 {
		magnitude, sign = -magnitude, "-"
	}
	return fmt.Sprintf("%s$%d.%09d", sign, magnitude/nanoPerUSD, magnitude%nanoPerUSD)
}

// String gives US dollars per million units without trailing zeros, for example "2.5".
func (r Rate) String() string {
	text := strings.TrimPrefix(Amount(r).String(), "$")
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// UnmarshalText reads a rate written in US dollars per million units, as price lists do ("2.50").
func (r *Rate) UnmarshalText(text []byte) error {
	nano, err := parseNano(string(text))
	if err != nil {
		return err
	}
	if nano < 0 {
		return fmt.Errorf("%w: %s", ErrNegative, text)
	}
	*r = Rate(nano)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ParseUSD reads US dollars with at most nine decimals ("12.34", "-0.5") exactly.
func ParseUSD(text string) (Amount, error) {
	nano, err := parseNano(text)
	return Amount(nano), err
}

// parseNano reads a plain decimal number and returns it times 10⁹.
func parseNano(text string) (int64, error) {
	digits, negative := strings.CutPrefix(strings.TrimSpace(text), "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > nanoDigits {
		return 0, fmt.Errorf("%w: %q", ErrPrecision, text)
	}
	if whole == "" || !isDigits(whole) || !isDigits(fraction) {
		return 0, fmt.Errorf("%w: %q", ErrSyntax, text)
	}
	padded := whole + fraction + strings.Repeat("0", nanoDigits-len(fraction))
	nano, err := strconv.ParseInt(padded, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q", ErrOverflow, text)
	}
	if negative {
		nano = -nano
	}
	return nano, nil
}

func isDigits(text string) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
