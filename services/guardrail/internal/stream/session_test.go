package stream

import (
	"errors"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

func session(t *testing.T, p policy.Policy) *Session {
	t.Helper()
	e, err := engine.New()
	if err != nil {
		t.Fatal(err)
	}
	pol, err := policy.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return New(e, pol, policy.Output)
}

func push(t *testing.T, s *Session, p Piece) Result {
	t.Helper()
	r, err := s.Push(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInterleavedPartsDoNotMix(t *testing.T) {
	s := session(t, policy.Default())
	texts := map[partID]string{
		{0, 0}: "mail jane@example.com or", {1, 0}: "card 4111 1111 1111 1111!", {0, 1}: `{"to":"bob@example.com","n":4111111111111111}`,
	}
	got := map[partID]string{}
	for i := range 60 {
		for id, text := range texts {
			if i < len(text) {
				kind := engine.Text
				if id.part == 1 {
					kind = engine.JSON
				}
				r := push(t, s, Piece{Candidate: id.candidate, Part: id.part, Kind: kind, Text: text[i : i+1], Last: i == len(text)-1})
				got[id] += r.Released
			}
		}
	}
	want := map[partID]string{
		{0, 0}: "mail [EMAIL] or", {1, 0}: "card [PAYMENT_CARD]!", {0, 1}: `{"to":"[EMAIL]","n":"[PAYMENT_CARD]"}`,
	}
	for id := range texts {
		if got[id] != want[id] {
			t.Errorf("%v: %q, want %q", id, got[id], want[id])
		}
	}
	if s.outcome != engine.Modified || len(s.open) != 0 {
		t.Errorf("outcome %d, %d open", s.outcome, len(s.open))
	}
}

func TestBlockEndsAllParts(t *testing.T) {
	s := session(t, policy.Policy{Name: "p", Rules: []policy.Rule{{Check: "email", Action: "block"}}})
	if r := push(t, s, Piece{Text: "to jane@example.com now"}); r.Released != "to " || r.Outcome != engine.Blocked || len(r.Findings) != 1 {
		t.Errorf("got %+v", r)
	}
	if r := push(t, s, Piece{Candidate: 1, Text: "harmless "}); r.Released != "" || r.Outcome != engine.Blocked {
		t.Errorf("after a block: %+v", r)
	}
}

func TestProtocol(t *testing.T) {
	s := session(t, policy.Default())
	push(t, s, Piece{Text: "a", Last: true})
	if _, err := s.Push(Piece{Text: "b"}); !errors.Is(err, ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
	push(t, s, Piece{Part: 1, Text: "a"})
	if _, err := s.Push(Piece{Part: 1, Kind: engine.JSON}); !errors.Is(err, ErrOtherWay) {
		t.Errorf("another kind: %v", err)
	}
	for i := 2; ; i++ {
		if _, err := s.Push(Piece{Part: i, Text: strings.Repeat("x", 10)}); err != nil {
			if !errors.Is(err, ErrTooMany) || i != maxOpen+1 {
				t.Errorf("part %d: %v", i, err)
			}
			break
		}
	}
}
