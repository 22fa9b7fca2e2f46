package cache

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func question(t testing.TB, m Material) *Question {
	t.Helper()
	q, err := NewQuestion(m)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func answer(text string) *Entry {
	return &Entry{
		Completion: &llmv1.Completion{
			Id: "x", Model: "m-1", Usage: &llmv1.Usage{InputTokens: 200, OutputTokens: 300, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER},
			Candidates: []*llmv1.Candidate{{
				Message: &llmv1.Message{
					Role:  llmv1.Role_ROLE_ASSISTANT,
					Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}},
				},
				FinishReason: llmv1.FinishReason_FINISH_REASON_STOP,
			}},
		},
		Model:  &billingv1.PricedModel{Provider: "openai", Model: "m", Region: "eu"},
		Target: "east", Used: &llmv1.Usage{InputTokens: 200, OutputTokens: 300},
		Notices: []*llmv1.GuardrailNotice{{Policy: "p", Check: "email", Action: "mask", Count: 2}},
		Stored:  time.UnixMilli(1_700_000_000_123), Beats: []Beat{{0, 3}, {20 * time.Millisecond, 500}},
	}
}

func kept(t testing.TB, q *Question, e *Entry) *Kept {
	t.Helper()
	k, err := Keep(q, e)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEntryRoundTrip(t *testing.T) {
	q := question(t, chat())
	for _, e := range []*Entry{answer("hello"), {Completion: &llmv1.Completion{}, Stored: time.UnixMilli(0)}} {
		got, err := kept(t, q, e).Entry()
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got.Completion, e.Completion) || got.Target != e.Target || !got.Stored.Equal(e.Stored) ||
			len(got.Notices) != len(e.Notices) || len(got.Beats) != len(e.Beats) ||
			e.Model != nil && !proto.Equal(got.Model, e.Model) || e.Used != nil && !proto.Equal(got.Used, e.Used) {
			t.Errorf("got %+v\nwant %+v", got, e)
		}
		for i := range e.Beats {
			if got.Beats[i] != e.Beats[i] {
				t.Errorf("beat %d is %v", i, got.Beats[i])
			}
		}
	}
}

// confused is a store that gives everybody the same value.
type confused struct{ value []byte }

func (c *confused) Get(context.Context, string, Key) ([]byte, error) { return c.value, nil }

func (c *confused) Put(_ context.Context, _ string, _ Key, value []byte, _ time.Duration) error {
	c.value = value
	return nil
}

// Even a store that mixes up its values shows nobody another's answer.
func TestAConfusedStoreShowsNothing(t *testing.T) {
	x := NewExact(&confused{})
	mine, theirs := chat(), chat()
	theirs.Tenant = "other"
	q := question(t, mine)
	if err := x.Store(context.Background(), q, kept(t, q, answer("mine")), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := x.Lookup(context.Background(), q); err != nil || got == nil {
		t.Errorf("the owner gets %v, %v", got, err)
	}
	if got, err := x.Lookup(context.Background(), question(t, theirs)); err != nil || got != nil {
		t.Errorf("another gets %v, %v", got, err)
	}
}

func TestTornValuesAreErrors(t *testing.T) {
	whole := kept(t, question(t, chat()), answer("hello")).value
	for n := range whole {
		if _, err := (&Kept{whole[:n]}).Entry(); err == nil {
			t.Errorf("the first %d of %d bytes read well", n, len(whole))
		}
	}
	if _, err := (&Kept{append(bytes.Clone(whole), 0)}).Entry(); err == nil {
		t.Error("a value with a rest reads well")
	}
}

func FuzzEntry(f *testing.F) {
	q := question(f, chat())
	f.Add(kept(f, q, answer("hello")).value)
	f.Add(kept(f, q, &Entry{Completion: &llmv1.Completion{}, Stored: time.UnixMilli(5)}).value)
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := (&Kept{value}).Entry()
		if err != nil {
			return
		}
		again, err := kept(t, q, e).Entry()
		if err != nil || !proto.Equal(again.Completion, e.Completion) || len(again.Beats) != len(e.Beats) {
			t.Errorf("read %+v, again %+v, %v", e, again, err)
		}
	})
}

// A hit: the key, the look-up, the entry.
func BenchmarkHit(b *testing.B) {
	x := NewExact(NewMemory(Bounds{MaxEntries: 1000, MaxBytes: 1 << 28}, time.Now))
	m := chat()
	q := question(b, m)
	if err := x.Store(context.Background(), q, kept(b, q, answer(strings.Repeat("word ", 400))), time.Hour); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		got, err := x.Lookup(context.Background(), question(b, m))
		if err != nil || got == nil {
			b.Fatal(err)
		}
		if _, err := got.Entry(); err != nil {
			b.Fatal(err)
		}
	}
}
