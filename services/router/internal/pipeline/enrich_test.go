package pipeline

import (
	"context"
	"testing"
)

// HasRules implements Enricher.
func (*enricher) HasRules(context.Context) bool { return true }

// ruleless is rag for an organisation without context rules.
type ruleless struct{ *enricher }

func (ruleless) HasRules(context.Context) bool { return false }

// Rag is asked only about what it may have an answer for, and only then is
// room reserved for one.
func TestEnrichesWhereContextMayCome(t *testing.T) {
	for _, tc := range []struct {
		name        string
		rules, on   bool
		collections []string
		asked       bool
	}{
		{"rules", true, true, nil, true},
		{"no rules", false, true, nil, false},
		{"rules switched off", true, false, nil, false},
		{"no rules, a collection", false, true, []string{"docs"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.route.Collections, w.options.ContextRules, w.options.ContextTokens = tc.collections, tc.on, 5000
			p := w.pipeline()
			if !tc.rules {
				p.peers.Enricher = ruleless{w.enricher}
			}
			if _, err := p.Generate(context.Background(), w.call("hello")); err != nil {
				t.Fatal(err)
			}
			worst := w.holder.requests[0].GetCandidates()[0].GetWorstCase().GetInputTokens()
			if asked := len(w.enricher.seen) == 1; asked != tc.asked || worst > 5000 != tc.asked {
				t.Errorf("asked %v, %d input tokens held; want %v", asked, worst, tc.asked)
			}
			w.settled()
		})
	}
}
