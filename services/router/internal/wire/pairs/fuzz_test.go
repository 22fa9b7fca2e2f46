package pairs

import (
	"slices"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Whatever a client asks, each target is asked the same, in valid JSON, or the
// client is told why not.
func FuzzRequests(f *testing.F) {
	for i, from := range clients {
		f.Add(byte(i), recorded(f, from.name, "request.json"))
		f.Add(byte(i), recorded(f, from.name, "rich.json"))
	}
	f.Fuzz(func(t *testing.T, i byte, raw []byte) {
		from := clients[int(i)%len(clients)]
		for _, to := range targets {
			translate(t, from, to, raw, false)
		}
	})
}

// Whatever a target answers, each client can read it.
func FuzzAnswers(f *testing.F) {
	for i, from := range targets {
		f.Add(byte(i), recorded(f, from.name, "answer.json"))
	}
	f.Fuzz(func(t *testing.T, i byte, raw []byte) {
		from := targets[int(i)%len(targets)]
		for _, to := range clients {
			passOn(t, from, to, raw, false)
		}
	})
}

// Whatever a target streams, and wherever it is cut, each client hears the
// same, and hears of a fault.
func FuzzStreams(f *testing.F) {
	for i, from := range targets {
		f.Add(byte(i), string(recorded(f, from.name, "tools.frames")), uint16(0))
		f.Add(byte(i), string(recorded(f, from.name, "text.frames")), uint16(99))
		f.Add(byte(i), string(recorded(f, from.name, "thinking.frames")), uint16(300))
	}
	f.Fuzz(func(t *testing.T, i byte, lines string, cut uint16) {
		from := targets[int(i)%len(targets)]
		raw := from.wire(lines)
		cuts := []int{int(cut), int(cut) + 1, 2 * int(cut)}
		for _, to := range clients {
			said, out := retell(from, to, &pieces{data: raw, cuts: cuts})
			if said.err != nil && errs.From(said.err).Reason == llmv1.ErrorReason_ERROR_REASON_INTERNAL && isTyped(said.err) {
				t.Fatalf("%s: %v", from.name, said.err)
			}
			heardAlike(t, from.name+"→"+to.name, said, hear(to.ear(), out), out)
		}
	})
}

// isTyped says whether the error is one that a decoder has made, not a reader.
func isTyped(err error) bool {
	_, ok := err.(*errs.Error) //nolint:errorlint // a wrapped one is not the decoder's
	return ok
}

func heardAlike(t *testing.T, pair string, said, heard told, out []byte) {
	t.Helper()
	switch {
	case heard.torn:
		t.Fatalf("%s: UTF-8 is torn\n%s", pair, out)
	case said.err != nil && heard.err == nil:
		t.Fatalf("%s: %v, but reads as whole\n%s", pair, said.err, out)
	case said.err != nil || !allObjects(said.calls) || said.others:
		return // or other candidates, pictures: what not every format has
	case heard.err != nil:
		t.Fatalf("%s: %v\n%s", pair, heard.err, out)
	}
	if heard.text != said.text {
		t.Fatalf("%s: heard %q\nof %q\n%s", pair, heard.text, said.text, out)
	}
	got, want := heard.called(), said.called()
	slices.Sort(got) // where a call comes whole, it comes when it ends
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: heard %q\nof %q\n%s", pair, got, want, out)
	}
}

// allObjects says whether the arguments are what tools take: some formats can
// carry nothing else, and tell the client that the call is malformed.
func allObjects(calls []*called) bool {
	for _, c := range calls {
		if !isObject(c.arguments) {
			return false
		}
	}
	return true
}
