package peer

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

// fill sets every field of a message but lists and messages.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		switch f := fields.Get(i); {
		case f.IsList() || f.Message() != nil:
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString("text"))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
		case f.Kind() == protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(1))
		default:
			m.Set(f, protoreflect.ValueOfInt32(7))
		}
	}
}

// TestCopyStepForgetsNoField: also none that is added one day.
func TestCopyStepForgetsNoField(t *testing.T) {
	full, plain := &guardrailv1.CheckStreamRequest_Delta{}, &guardrailv1.CheckStreamResponse{}
	fill(full.ProtoReflect())
	fill(plain.ProtoReflect())
	delta := func(d *guardrailv1.CheckStreamRequest_Delta) *guardrailv1.CheckStreamRequest {
		return &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Delta_{Delta: d}}
	}
	opening := &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Open_{Open: &guardrailv1.CheckStreamRequest_Open{Policy: "p"}}}
	found := &guardrailv1.CheckStreamResponse{Findings: []*guardrailv1.Finding{{Check: "email"}}}
	for _, tt := range []struct {
		src  proto.Message
		dst  []proto.Message
		want bool
	}{
		{delta(full), []proto.Message{&guardrailv1.CheckStreamRequest{}, proto.Clone(opening), delta(nil), delta(&guardrailv1.CheckStreamRequest_Delta{Text: "old"})}, true},
		{delta(&guardrailv1.CheckStreamRequest_Delta{}), []proto.Message{delta(full)}, true},
		{plain, []proto.Message{&guardrailv1.CheckStreamResponse{}, proto.Clone(found)}, true},
		{&guardrailv1.CheckStreamResponse{}, []proto.Message{proto.Clone(plain)}, true},
		{opening, []proto.Message{&guardrailv1.CheckStreamRequest{}}, false},
		{found, []proto.Message{&guardrailv1.CheckStreamResponse{}}, false},
		{plain, []proto.Message{&guardrailv1.CheckStreamRequest{}}, false},
	} {
		for _, dst := range tt.dst {
			before := proto.Clone(dst)
			if got := copyStep(dst, tt.src); got != tt.want {
				t.Errorf("copied %v: %v", tt.src, got)
			}
			switch {
			case tt.want && !proto.Equal(dst, tt.src):
				t.Errorf("copied %v as %v", tt.src, dst)
			case !tt.want && !proto.Equal(dst, before):
				t.Errorf("refused %v and left %v", tt.src, dst)
			}
		}
	}
	d := delta(&guardrailv1.CheckStreamRequest_Delta{})
	copyStep(d, delta(full))
	if d.GetDelta() == full {
		t.Error("the copy shares its memory")
	}
}

func openScan(t testing.TB) pipeline.Scan {
	s, err := connect(&server{}, time.Second).Scan(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestScanStaysCheap: the fake guardrail makes two of these, its request and its answer.
func TestScanStaysCheap(t *testing.T) {
	s := openScan(t)
	if n := testing.AllocsPerRun(500, func() {
		if _, err := s.Delta(pipeline.Delta{Text: " word"}); err != nil {
			t.Fatal(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations a delta", n)
	}
}

func BenchmarkScan(b *testing.B) {
	s := openScan(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Delta(pipeline.Delta{Text: " word"}); err != nil {
			b.Fatal(err)
		}
	}
}
