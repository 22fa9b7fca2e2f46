// Package secret holds values that must never be printed: provider keys,
// internal tokens, signing secrets.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
)

// Redacted is what every printed form of a String shows.
const Redacted = "[redacted]"

// String is a secret text. Printing, formatting, marshalling and logging it
// gives Redacted; only Reveal gives the text. The text sits behind a pointer
// so that printers which walk struct fields by reflection find an address,
// never the text. The zero value is "no secret".
type String struct {
	text *string
}

// New wraps s. An empty s gives the zero value.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{text: &s}
}

// Reveal returns the text. Call it only where the secret leaves for its
// destination, such as the header of an upstream request.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s String) IsZero() bool { return s.text == nil }

// Equal compares two secrets in time that depends only on their lengths.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String implements fmt.Stringer.
func (s String) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (s String) GoString() string { return Redacted }

// Format implements fmt.Formatter, so that no verb (%x, %q, %#v, %d) prints
// the text.
func (s String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// LogValue implements slog.LogValuer.
func (s String) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON implements json.Marshaler.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (s String) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalYAML keeps a dumped configuration free of secrets.
func (s String) MarshalYAML() (any, error) { return Redacted, nil }

var errRedacted = errors.New("is the redacted form of a secret, not a secret")

// UnmarshalText implements encoding.TextUnmarshaler. The YAML and JSON
// decoders use it too, so that configuration can hold a secret. It refuses
// Redacted, which can only come from a printed configuration.
func (s *String) UnmarshalText(text []byte) error {
	if string(text) == Redacted {
		return errRedacted
	}
	*s = New(string(text))
	return nil
}
