package policy

import (
	"slices"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
)

func TestValidateReportsEveryFault(t *testing.T) {
	p := Policy{Name: "No Good", FailMode: "ajar", Rules: []Rule{
		{Check: "emial", Action: "delete", Direction: "up", Threshold: 1.5, Mask: "a\nb"},
		{Check: "email", Action: "mask"},
		{Check: "email", Action: "block", Direction: "input"},
		{Check: "injection", Action: "mask"},
	}}
	want := []string{"name", "fail_mode", "rules[0].check", "rules[0].action", "rules[0].direction", "rules[0].threshold", "rules[0].mask", "rules[2]", "rules[3].action"}
	var got []string
	for _, f := range p.Validate() {
		got = append(got, f.Path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults at %q, want %q", got, want)
	}
	if _, err := Compile(p); err == nil {
		t.Error("it compiled")
	}
}

func TestDefaultPolicy(t *testing.T) {
	c, err := Compile(Default())
	if err != nil {
		t.Fatal(err)
	}
	if c.FailOpen || c.Injection(Input) == nil || c.Injection(Input).Action != check.Block || c.Injection(Output) != nil {
		t.Errorf("got %+v", c)
	}
	for _, b := range c.Segments(Output) {
		if b.Action != check.Mask || b.Check.Name == "ip_address" {
			t.Errorf("output: %s is %s", b.Check.Name, b.Action)
		}
	}
}

func TestVersionFollowsTheRules(t *testing.T) {
	a, _ := Compile(Default())
	p := Default()
	p.Rules[1].Mask = "***"
	b, _ := Compile(p)
	again, _ := Compile(Default())
	if a.Version == b.Version || a.Version != again.Version {
		t.Errorf("versions %s, %s, %s", a.Version, b.Version, again.Version)
	}
}

func TestSetPages(t *testing.T) {
	s, err := NewSet([]Policy{{Name: "strict"}, {Name: "audit"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	after, pages := "", 0
	for {
		page, more := s.After(after, 2)
		for _, p := range page {
			got = append(got, p.Policy.Name)
		}
		pages++
		if !more {
			break
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, []string{"audit", "default", "strict"}) || pages != 2 {
		t.Errorf("%q in %d pages", got, pages)
	}
	if p, ok := s.Get(""); !ok || p.Policy.Name != DefaultName {
		t.Error("no default")
	}
	if _, ok := s.Get("none"); ok {
		t.Error("found a policy that is not there")
	}
}
