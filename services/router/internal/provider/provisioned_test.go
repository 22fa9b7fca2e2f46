package provider

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestProvisioned(t *testing.T) {
	read := func(text string) (*Provisioned, error) {
		var f struct {
			P *Provisioned `yaml:"provisioned"`
		}
		if err := config.Parse([]byte(text), nil, &f); err != nil {
			t.Fatal(err)
		}
		v := config.NewValidator()
		f.P.validate(v.At("provisioned"))
		return f.P, v.Err()
	}
	p, err := read("provisioned: {tokens_per_minute: 1000, hourly_usd: 12.5}")
	if err != nil || p.MaxUtilization != .9 || p.Hourly() != 12_500_000_000 {
		t.Errorf("%+v: %v", p, err)
	}
	if p, err := read("provisioned: {tokens_per_minute: 1, hourly_nanousd: 7, max_utilization: 1}"); err != nil || p.Hourly() != 7 {
		t.Errorf("%+v: %v", p, err)
	}
	if p, err := read("{}"); p != nil || err != nil {
		t.Errorf("%+v: %v", p, err)
	}
	_, err = read("provisioned: {hourly_usd: 1, hourly_nanousd: 2, max_utilization: 1.5}")
	for _, want := range []string{"tokens_per_minute: is required", "hourly_nanousd: says the same", "max_utilization: must be above 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s: %v", want, err)
		}
	}
}
