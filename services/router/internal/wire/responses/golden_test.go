package responses

import (
	"flag"
	"os"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func same(t *testing.T, file string, got []byte) {
	t.Helper()
	file = "testdata/golden/" + file
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != string(got) {
		t.Errorf("%s is not %v:\n%s", file, err, got)
	}
}

// TestGolden pins what clients get: an answer with all that there is, whole
// and as a stream.
func TestGolden(t *testing.T) {
	r, _, err := ParseRequest([]byte(fullRequest))
	if err != nil {
		t.Fatal(err)
	}
	whole := NewResponse(r, "resp_00")
	whole.created = 1
	whole.Complete(&llmv1.Completion{Model: "up", Candidates: []*llmv1.Candidate{{
		Message: full(), FinishReason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS,
	}}, Usage: &llmv1.Usage{InputTokens: 3, OutputTokens: 2}}, nil)
	same(t, "response.json", whole.Append(nil))

	live := NewResponse(r, "resp_00")
	live.created = 1
	e := NewChunkEncoder(live, nil)
	same(t, "stream.txt", e.End(encode(e, events(full(), llmv1.FinishReason_FINISH_REASON_TOOL_CALLS, 4))))
}
