package capability

import (
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Whatever a conversation holds and whoever lacks what: nothing that can go is
// left, content stays, and what came in is not changed.
func FuzzStrip(f *testing.F) {
	for _, c := range cases {
		data, err := proto.Marshal(parse(f, c.in))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint64(All))
		for _, dialect := range Dialects() {
			f.Add(data, uint64(Wire(dialect)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, bits uint64) {
		c := &llmv1.Conversation{}
		if proto.Unmarshal(data, c) != nil {
			return
		}
		lacks := Set(bits) & All
		before := proto.CloneOf(c)
		out := Strip(c, lacks)
		if !proto.Equal(c, before) {
			t.Fatal("what came in was changed")
		}
		needs, left := Of(c), Of(out)
		if lost := left.Lost(lacks); lost&^lost.Content() != 0 {
			t.Fatalf("with %v lacked, %v is left of %v", lacks, lost, needs)
		}
		// What goes with something else: the shape of prefills and turns.
		const follows = Prefill | LateSystem | System
		if gone := needs.Content() &^ left.Content() &^ follows; gone&^Tools != 0 || gone&Tools != 0 && needs&ToolChoiceNone == 0 {
			t.Fatalf("with %v lacked, %v went", lacks, gone)
		}
		if again := Strip(out, lacks); !proto.Equal(again, out) {
			t.Fatalf("a second time it takes away more: %v", lacks)
		}
	})
}
