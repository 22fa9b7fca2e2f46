package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// drawn is any answer that a target may give.
func drawn(rt *rapid.T) *llmv1.Completion {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("aé漢🙂 \n\"")), 1, 60, -1)
	c := &llmv1.Completion{Id: "id", Model: "m", Usage: &llmv1.Usage{InputTokens: 3, OutputTokens: 5}}
	for i := range rapid.IntRange(1, 3).Draw(rt, "candidates") {
		m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
		for j := range rapid.IntRange(0, 4).Draw(rt, "parts") {
			words := strings.Repeat(text.Draw(rt, "text"), rapid.SampledFrom([]int{1, 200}).Draw(rt, "times"))
			part := &llmv1.Part{}
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				part.Content = &llmv1.Part_Text{Text: &llmv1.Text{Text: words, Citations: []*llmv1.Citation{{Marker: "1"}}}}
			case 1:
				part.Content = &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: words, Signature: "sig"}}
			case 2:
				part.Content = &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: []byte("hidden")}}
			default:
				part.Content = &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: fmt.Sprint("call", j), Name: "f", Arguments: words, Signature: "s"}}
			}
			m.Parts = append(m.Parts, part)
		}
		c.Candidates = append(c.Candidates, &llmv1.Candidate{
			Index: int32(i), Message: m, FinishReason: llmv1.FinishReason_FINISH_REASON_STOP, StopSequence: "END",
		})
	}
	return c
}

// What is replayed and collected again is what it was, and no piece of text is
// too long or tears a character.
func TestReplayAndCollect(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawn(rt)
		replay := Burst(c)
		if rapid.Bool().Draw(rt, "paced") {
			var beats []Beat
			for range rapid.IntRange(0, 20).Draw(rt, "beats") {
				beats = append(beats, Beat{time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond, rapid.IntRange(0, 50).Draw(rt, "bytes")})
			}
			replay = Paced(c, beats)
		}
		collector := NewCollector(1<<20, true)
		var waited time.Duration
		for {
			chunk, wait := replay.Next()
			if chunk == nil {
				break
			}
			waited += wait
			if wait > longestPause {
				rt.Errorf("waits %v", wait)
			}
			for _, e := range chunk.Events {
				if len(e.Delta) > pieceBytes+utf8.UTFMax || !utf8.Valid(e.Delta) {
					rt.Errorf("a piece of %d bytes: %.40q", len(e.Delta), e.Delta)
				}
			}
			collector.Add(chunk, time.Time{}.Add(waited))
		}
		if waited > longestReplay+time.Second {
			rt.Errorf("takes %v", waited)
		}
		if got := collector.Completion(); !proto.Equal(got, c) {
			rt.Errorf("got  %v\nwant %v", got, c)
		}
	})
}

// The order is the one that llm.v1 calls legal.
func TestReplayIsLegal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		open, finished, started := map[[2]int32]bool{}, map[int32]bool{}, false
		replay := Burst(drawn(rt))
		for chunk, _ := replay.Next(); chunk != nil; chunk, _ = replay.Next() {
			for _, e := range chunk.Events {
				at := [2]int32{e.Candidate, e.Index}
				if e.Kind != stream.Start && !started || finished[e.Candidate] {
					rt.Errorf("kind %d out of place", e.Kind)
				}
				switch e.Kind {
				case stream.Start:
					started = true
				case stream.PartStart:
					open[at] = true
				case stream.Text, stream.Thinking, stream.ToolArguments:
					if !open[at] {
						rt.Error("a delta outside of its part")
					}
				case stream.PartStop:
					delete(open, at)
				case stream.Finish:
					finished[e.Candidate] = true
				}
			}
		}
		if len(open) > 0 || len(finished) == 0 {
			rt.Errorf("%d parts are open, %d candidates finished", len(open), len(finished))
		}
	})
}

func say(index int32, text string) stream.Event {
	return stream.Event{Kind: stream.Text, Index: index, Delta: []byte(text)}
}

var finish = stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_STOP}

func collect(most int, events ...stream.Event) *llmv1.Completion {
	c := NewCollector(most, false)
	for _, e := range events {
		c.Add(&stream.Chunk{Events: []stream.Event{e}}, time.Time{})
	}
	return c.Completion()
}

func TestWhatIsNotCollected(t *testing.T) {
	for name, got := range map[string]*llmv1.Completion{
		"no end":             collect(100, say(0, "half")),
		"nothing":            collect(100),
		"a failure":          collect(100, say(0, "half"), stream.Event{Kind: stream.Error}),
		"too large":          collect(10, say(0, "more than "), say(0, "ten"), finish),
		"a negative index":   collect(100, say(-1, "x"), finish),
		"an absurd index":    collect(100, say(1<<30, "x"), finish),
		"an absurd answer":   collect(100, stream.Event{Kind: stream.Text, Candidate: 1 << 30, Delta: []byte("x")}, finish),
		"one of two is open": collect(100, say(0, "a"), finish, stream.Event{Kind: stream.Text, Candidate: 1, Delta: []byte("x")}),
	} {
		if got != nil {
			t.Errorf("%s: collected %v", name, got)
		}
	}
}

func TestPartsThatAreNotAnnounced(t *testing.T) {
	got := collect(1000, stream.Event{Kind: stream.Start, Model: "m"},
		stream.Event{Kind: stream.Thinking, Delta: []byte("hm")}, say(1, "one "), say(1, "two"),
		stream.Event{Kind: stream.PartStart, Index: 2, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "c", Name: "f", Arguments: "{"}}}},
		stream.Event{Kind: stream.ToolArguments, Index: 2, Delta: []byte("}")}, finish,
		stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{OutputTokens: 4}})
	parts := got.GetCandidates()[0].GetMessage().GetParts()
	if parts[0].GetThinking().GetText() != "hm" || parts[1].GetText().GetText() != "one two" ||
		parts[2].GetToolCall().GetArguments() != "{}" || got.GetUsage().GetOutputTokens() != 4 {
		t.Errorf("got %v", got)
	}
}

// A pace of any length is kept in few beats, with its bytes and its time.
func TestPaceIsBounded(t *testing.T) {
	p, now := pace{}, time.Time{}.Add(time.Hour)
	for range 10_000 {
		now = now.Add(10 * time.Millisecond)
		p.add(7, now)
	}
	bytes, total := 0, time.Duration(0)
	for _, b := range p.beats {
		bytes, total = bytes+b.Bytes, total+b.After
	}
	if len(p.beats) >= maxBeats || bytes != 70_000 || total != 9999*10*time.Millisecond {
		t.Errorf("%d beats of %d bytes in %v", len(p.beats), bytes, total)
	}
}

func TestPacedReplayTakesItsTime(t *testing.T) {
	c := answer(strings.Repeat("a", 100)).Completion
	for name, tt := range map[string]struct {
		beats []Beat
		want  []time.Duration
	}{
		"as written": {[]Beat{{time.Second, 50}, {30 * time.Millisecond, 50}}, []time.Duration{0, 30 * time.Millisecond}},
		"bounded":    {[]Beat{{0, 50}, {time.Minute, 50}}, []time.Duration{0, longestPause}},
		"usual":      {nil, []time.Duration{0, usualPause, usualPause, usualPause, usualPause}},
		"leftovers":  {[]Beat{{0, 10}}, []time.Duration{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []time.Duration
			replay := Paced(c, tt.beats)
			for chunk, wait := replay.Next(); chunk != nil; chunk, wait = replay.Next() {
				got = append(got, wait)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("waits %v, want %v", got, tt.want)
			}
		})
	}
}
