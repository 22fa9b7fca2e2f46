package server

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
)

func deltaOf(candidate, part int32, kind guardrailv1.ContentKind, text string) *guardrailv1.CheckStreamRequest {
	return &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Delta_{Delta: &guardrailv1.CheckStreamRequest_Delta{
		CandidateIndex: candidate, PartIndex: part, Kind: kind, Text: text,
	}}}
}

// TestPlainlyValidSaysWhatTheContractSays: of a delta, neither more nor less.
func TestPlainlyValidSaysWhatTheContractSays(t *testing.T) {
	s := &Server{}
	near := func(t *rapid.T, bound int32, name string) int32 {
		return rapid.OneOf(rapid.Int32Range(-2, 2), rapid.Int32Range(bound-2, bound+2), rapid.Int32()).Draw(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat("x", rapid.SampledFrom([]int{0, 1, maxDelta, maxDelta + 1}).Draw(t, "bytes"))
		m := deltaOf(near(t, maxCandidate, "candidate"), near(t, maxPart, "part"), guardrailv1.ContentKind(near(t, 6, "kind")), text)
		if plain, err := s.PlainlyValid(m), grpcserver.Validate(m); plain != (err == nil) {
			t.Fatalf("plainly valid %v, by the rules %v", plain, err)
		}
	})
	for name, m := range map[string]any{
		"nothing":    &guardrailv1.CheckStreamRequest{},
		"nil delta":  &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Delta_{}},
		"open":       &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Open_{Open: &guardrailv1.CheckStreamRequest_Open{Direction: 1}}},
		"other kind": &guardrailv1.CheckRequest{},
	} {
		if s.PlainlyValid(m) {
			t.Errorf("%s is not for this check to say", name)
		}
	}
}

func BenchmarkPlainlyValid(b *testing.B) {
	s, m := &Server{}, deltaOf(0, 0, guardrailv1.ContentKind_CONTENT_KIND_TEXT, " word")
	b.ReportAllocs()
	for b.Loop() {
		if !s.PlainlyValid(m) {
			b.Fatal("not valid")
		}
	}
}
