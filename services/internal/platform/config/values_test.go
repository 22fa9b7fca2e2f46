package config_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"3s", 3 * time.Second, true},
		{" 1h30m ", 90 * time.Minute, true},
		{"0", 0, true},
		{"300ms", 300 * time.Millisecond, true},
		{"3", 0, false},
		{"-1s", 0, false},
		{"", 0, false},
		{"1d", 0, false},
	}
	for _, tt := range tests {
		var d config.Duration
		if err := d.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || d.Std() != tt.want {
			t.Errorf("%q: %v %v", tt.text, d, err)
		}
	}
}

func TestBytes(t *testing.T) {
	tests := []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"512", 512, true},
		{"64KiB", 65536, true},
		{"1.5 MiB", 3 << 19, true},
		{"2kB", 2000, true},
		{"3GB", 3e9, true},
		{"7B", 7, true},
		{"-1", 0, false},
		{"-1KiB", 0, false},
		{"9e18GiB", 0, false},
		{"NaNMiB", 0, false},
		{"InfMiB", 0, false},
		{"MiB", 0, false},
		{"ten", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || b.Int64() != tt.want {
			t.Errorf("%q: %d %v", tt.text, b, err)
		}
	}
}

func TestValuesSurviveTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := config.Bytes(rapid.Int64Range(0, 1<<62).Draw(t, "bytes"))
		var b2 config.Bytes
		if err := b2.UnmarshalText([]byte(b.String())); err != nil || b2 != b {
			t.Fatalf("%d → %s → %d %v", b.Int64(), b, b2.Int64(), err)
		}
		d := config.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "duration"))
		var d2 config.Duration
		if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d {
			t.Fatalf("%d → %s → %d %v", d, d, d2, err)
		}
	})
}

func TestValidatorPaths(t *testing.T) {
	v := config.NewValidator()
	v.At("a").Index(2).Key("b").Key("c.d").At("e.f").Fail("g", "wrong %d", 1)
	v.Fail("", "whole")
	v.Fail("", "whole")
	want := "a[2].b[\"c.d\"].e.f.g: wrong 1\nwhole"
	if err := v.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v", v.Err())
	}
	if err := config.NewValidator().Err(); err != nil {
		t.Errorf("no faults must be nil: %v", err)
	}
}
