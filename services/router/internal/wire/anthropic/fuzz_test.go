package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// What is accepted can be rendered with every text changed, and reads as changed.
func FuzzRequest(f *testing.F) {
	for _, name := range []string{"full", "plain", "expressible"} {
		f.Add(golden(f, "requests/"+name+".json"), "new \"text\"")
	}
	const head = `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[`
	for _, block := range []string{
		`{"type":"thinking","thinking":"a"},{"type":"text","text":"b"}`, `{"type":"tool_use","id":"a","name":"b","input":{"c":1}}`,
		`{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"b"}]},{"type":"text","text":"c"}`,
		`{"type":"document","source":{"type":"text","data":"a"},"title":"b"}`, `{"type":"x"}`, ``,
	} {
		f.Add([]byte(head+block+`]}],"system":"s","stream":null}`), "C")
	}
	f.Fuzz(func(t *testing.T, raw []byte, revised string) {
		otherEnvelopes(t, raw, revised)
		r, c, err := ParseRequest(raw)
		if err != nil {
			if e := errs.From(err); e.HTTPStatus() != 400 {
				t.Fatalf("got %v", err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q was accepted", raw)
		}
		checkTexts(t, r, c)
		if !utf8.ValidString(revised) {
			return
		}
		to := &provider.Request{Conversation: c, Model: "m2", Revisions: map[int]string{}, Context: revised, Instructions: revised}
		left := 0
		for i, text := range r.texts {
			if text.End > 0 && !text.object {
				to.Revisions[i] = revised
			}
			if text.End > 0 && r.leavesOut(text.Start) {
				left++
			}
		}
		out, err := r.Render(to, true)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v: %s", err, out)
		}
		again, changed, err := ParseRequest(out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !again.Stream() || changed.GetModel() != "m2" {
			t.Fatalf("rendered %s", out)
		}
		to.CachePoints = everywhere
		marked, err := r.Render(to, true)
		if err != nil {
			t.Fatal(err)
		}
		_, same, err := ParseRequest(marked)
		if err != nil {
			t.Fatalf("%v: %s", err, marked)
		}
		before, had := unmarked(changed)
		if same, has := unmarked(same); !proto.Equal(same, before) || has > had+2 {
			t.Fatalf("%d marks, and %d before: %s", has, had, marked)
		}
		// An empty text may be none: that of system, say.
		if want := len(conversation.Texts(c)) - left; revised != "" && len(conversation.Texts(changed)) < want {
			t.Fatalf("%d texts of %d: %s", len(conversation.Texts(changed)), want, out)
		}
		if encoded, err := EncodeConversation(&provider.Request{Conversation: c, Model: "m"}, true); err == nil && !json.Valid(encoded) {
			t.Fatalf("encoded %s", encoded)
		}
	})
}

// otherEnvelopes: what is accepted as another kind of request can be rendered.
func otherEnvelopes(t *testing.T, raw []byte, context string) {
	for _, parse := range []func([]byte) (*Request, error){
		func(raw []byte) (*Request, error) { r, _, err := ParseCount(raw); return r, err },
		func(raw []byte) (*Request, error) { r, _, err := ParseInvoke(raw, "m", true); return r, err },
	} {
		if r, err := parse(raw); err == nil {
			if out, err := r.RenderInvoke(&provider.Request{Context: context}); err != nil || !json.Valid(out) {
				t.Fatalf("%s, %v", out, err)
			}
		}
	}
}

// What is understood is written again, and understood as the same.
func FuzzDecodeCompletion(f *testing.F) {
	for _, name := range []string{"full", "expressible"} {
		f.Add(golden(f, "answers/"+name+".json"))
	}
	f.Add([]byte(`{"type":"error","error":{"type":"api_error","message":"x"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = DecodeError(400, nil, raw)
		_, _ = DecodeCount(raw)
		c, err := DecodeCompletion(raw)
		if err != nil || !utf8.Valid(raw) {
			return
		}
		if out := EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: Dialect}, nil); !bytes.Equal(out, raw) {
			t.Fatalf("%s became %s", raw, out)
		}
		out := EncodeCompletion(c, nil)
		again, err := DecodeCompletion(out)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v: %s", err, out)
		}
		a, b := conversation.AnswerTexts(c.GetCandidates()[0].GetMessage()), conversation.AnswerTexts(again.GetCandidates()[0].GetMessage())
		if len(a) != len(b) {
			t.Fatalf("%d texts of %d: %s", len(b), len(a), out)
		}
		for i := range a {
			if *a[i].Value != *b[i].Value && *b[i].Value != object(*a[i].Value) {
				t.Fatalf("text %d: %q became %q", i, *a[i].Value, *b[i].Value)
			}
		}
		if c.GetUsage() != nil && !proto.Equal(c.GetUsage(), again.GetUsage()) {
			t.Fatalf("usage %v became %v", c.GetUsage(), again.GetUsage())
		}
	})
}

// Whatever frames come, what leaves is in order, and says the same in both ways.
func FuzzChunks(f *testing.F) {
	for _, data := range recorded(f) {
		f.Add(bytes.Join(frames(f, data), []byte{0}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &ChunkDecoder{}
		native, canonical := NewChunkEncoder(nil), NewChunkEncoder(nil)
		var c stream.Chunk
		var out, plain []byte
		for frame := range bytes.SplitSeq(data, []byte{0}) {
			err := d.Decode(frame, &c)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				out = native.Fail(out, err)
				plain = canonical.Fail(plain, err)
				break
			}
			for i := range c.Events {
				if !utf8.Valid(c.Events[i].Delta) {
					t.Fatalf("torn: %q", c.Events[i].Delta)
				}
			}
			out = native.Append(out, &c)
			c.Native, c.Dialect = nil, ""
			plain = canonical.Append(plain, &c)
		}
		inOrder(t, native.End(out))
		inOrder(t, canonical.End(plain))
	})
}

func frames(f *testing.F, data []byte) (out [][]byte) {
	for _, frame := range framesOf(f, data) {
		out = append(out, []byte(frame))
	}
	return out
}

// inOrder checks the indexes of blocks only: the SDK reads no odd values.
func inOrder(t *testing.T, out []byte) {
	open, next := int64(-1), int64(0)
	for _, frame := range framesOf(t, out) {
		var f nativeFrame
		if !json.Valid([]byte(frame)) || !f.read([]byte(frame)) {
			t.Fatalf("odd frame %s", frame)
		}
		switch f.kind {
		case blockStart:
			if open >= 0 || f.index != next {
				t.Fatalf("begins out of order: %s", frame)
			}
			open = next
			next++
		case blockDelta, blockStop:
			if f.index != open {
				t.Fatalf("out of order: %s", frame)
			}
			if f.kind == blockStop {
				open = -1
			}
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	raw := golden(b, "requests/expressible.json")
	b.Run("parse and render", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			r, c, err := ParseRequest(raw)
			if err == nil {
				_, err = r.Render(&provider.Request{Conversation: c, Model: "other"}, true)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		_, c, err := ParseRequest(raw)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := EncodeConversation(&provider.Request{Conversation: c, Model: "claude-sonnet-4-5"}, true); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	raw := golden(b, "answers/full.json")
	for name, native := range map[string]bool{"native": true, "foreign": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := DecodeCompletion(raw)
				if err != nil {
					b.Fatal(err)
				}
				a := &provider.Answer{Completion: c}
				if native {
					a.Native, a.Dialect = raw, Dialect
				}
				EncodeAnswer(a, nil)
			}
		})
	}
}
