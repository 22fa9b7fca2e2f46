package cache

import (
	"time"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Replay gives a kept answer as a stream: the same events as a target's, in a
// legal order. It belongs to one goroutine.
type Replay struct {
	events []stream.Event // each text whole
	at     int            // the next event
	from   int            // what of its text was given already
	beats  []Beat
	chunk  stream.Chunk
}

// Bounds of a replay.
const (
	// pieceBytes is the most text of one event, so that clients that read lines
	// into a bounded buffer can, and burstBytes that of one chunk without a pace.
	pieceBytes = 2 << 10
	burstBytes = 32 << 10
	// longestPause and longestReplay keep a slow target's pace bearable.
	longestPause  = 500 * time.Millisecond
	longestReplay = 10 * time.Second
	// What came at once is given at a usual pace: about 150 tokens a second.
	usualBytes = 24
	usualPause = 40 * time.Millisecond
)

// Burst replays an answer as fast as it is read.
func Burst(c *llmv1.Completion) *Replay { return &Replay{events: eventsOf(c)} }

// Paced replays an answer at the pace at which it was written, within bounds.
func Paced(c *llmv1.Completion, beats []Beat) *Replay {
	r := Burst(c)
	if len(beats) == 0 {
		for left := r.size(); left > 0; left -= usualBytes {
			beats = append(beats, Beat{After: usualPause, Bytes: usualBytes})
		}
	}
	r.beats = bounded(beats)
	return r
}

// bounded shortens pauses: each, then all in proportion. The first is none: the
// client has waited for the look-up only.
func bounded(beats []Beat) []Beat {
	out := make([]Beat, len(beats))
	var total time.Duration
	for i, b := range beats {
		out[i] = Beat{After: min(b.After, longestPause), Bytes: b.Bytes}
		if i == 0 {
			out[i].After = 0
		}
		total += out[i].After
	}
	if total > longestReplay {
		for i := range out {
			out[i].After = time.Duration(float64(out[i].After) * float64(longestReplay) / float64(total))
		}
	}
	return out
}

// Next returns the next chunk, valid until the next call, and how long to wait
// before it is given; nil at the end.
func (r *Replay) Next() (chunk *stream.Chunk, wait time.Duration) {
	if r.at == len(r.events) {
		return nil, 0
	}
	room := burstBytes
	if len(r.beats) > 0 {
		wait, room = r.beats[0].After, max(1, r.beats[0].Bytes)
		r.beats = r.beats[1:]
	}
	r.chunk.Reset()
	for r.at < len(r.events) {
		e := r.events[r.at]
		rest := e.Delta[r.from:]
		if len(rest) > 0 {
			if room <= 0 {
				break
			}
			e.Delta = piece(rest, min(room, pieceBytes))
			room -= len(e.Delta)
			r.from += len(e.Delta)
		}
		r.chunk.Events = append(r.chunk.Events, e)
		if r.from == len(r.events[r.at].Delta) {
			r.at, r.from = r.at+1, 0
		}
	}
	return &r.chunk, wait
}

// piece is the beginning of a text, of about n bytes and whole characters.
func piece(text []byte, n int) []byte {
	if n >= len(text) {
		return text
	}
	for n < len(text) && n < pieceBytes+utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n++
	}
	return text[:n]
}

// size is how much text there is.
func (r *Replay) size() int {
	n := 0
	for i := range r.events {
		n += len(r.events[i].Delta)
	}
	return n
}

// eventsOf writes an answer as events. The usage stands before the last finish:
// nothing is said of an answer that has ended.
func eventsOf(c *llmv1.Completion) []stream.Event {
	out := make([]stream.Event, 0, 4+4*len(c.GetCandidates()))
	out = append(out, stream.Event{Kind: stream.Start, ID: c.GetId(), Model: c.GetModel()})
	for i, one := range c.GetCandidates() {
		for index, p := range one.GetMessage().GetParts() {
			out = appendPart(out, one.GetIndex(), int32(index), p)
		}
		if c.GetUsage() != nil && i == len(c.GetCandidates())-1 {
			out = append(out, stream.Event{Kind: stream.Usage, Candidate: one.GetIndex(), Tokens: c.GetUsage()})
		}
		out = append(out, stream.Event{
			Kind: stream.Finish, Candidate: one.GetIndex(), Reason: one.GetFinishReason(), Stop: one.GetStopSequence(),
		})
	}
	return out
}

// appendPart writes a part: its beginning without the text, the text, its end.
func appendPart(out []stream.Event, candidate, index int32, p *llmv1.Part) []stream.Event {
	begin := stream.Event{Kind: stream.PartStart, Candidate: candidate, Index: index}
	text := stream.Event{Candidate: candidate, Index: index}
	end := stream.Event{Kind: stream.PartStop, Candidate: candidate, Index: index}
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Text:
		begin.Part = &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{}}}
		text.Kind, text.Delta = stream.Text, []byte(content.Text.GetText())
		end.Citations = content.Text.GetCitations()
	case *llmv1.Part_Thinking:
		begin.Part = &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: content.Thinking.GetRedacted()}}}
		text.Kind, text.Delta = stream.Thinking, []byte(content.Thinking.GetText())
		end.Signature = content.Thinking.GetSignature()
	case *llmv1.Part_ToolCall:
		call := content.ToolCall
		begin.Part = &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: call.GetId(), Name: call.GetName()}}}
		text.Kind, text.Delta = stream.ToolArguments, []byte(call.GetArguments())
		end.Signature = call.GetSignature()
	default:
		return out // no answer that is kept has others
	}
	out = append(out, begin)
	if len(text.Delta) > 0 {
		out = append(out, text)
	}
	return append(out, end)
}
