package providertest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
)

// Asked is what a request asks for, whatever its wire format.
type Asked struct {
	Model string
	// Words counts the words of everything that the model reads.
	Words int
	// Last is the text of the last user message that has one.
	Last string
	// Prefill is the text that the answer is to go on from, where the wire format
	// and its models do that.
	Prefill string
	// Seen describes each picture and document, as Media does.
	Seen []string
	// Results are the tool results that the conversation ends with.
	Results []string
	// Calls counts the tool calls in the conversation so far.
	Calls int
	// Tools are what may be called; none if calling is switched off.
	Tools []Tool
	// Single forbids two calls at once.
	Single bool
	// Schema is the JSON schema of the answer; JSON asks for any JSON.
	Schema json.RawMessage
	JSON   bool
	// Thinking asks for thoughts.
	Thinking bool
	// MaxWords ends the answer; 0 does not.
	MaxWords int
	// Stops end the answer where one of them would stand.
	Stops []string
	// CachePrefix is what is marked to be cached, and CacheWords its length.
	CachePrefix string
	CacheWords  int
}

// Tool is a function that may be called.
type Tool struct {
	Name   string
	Schema json.RawMessage
}

// Why an answer ended.
const (
	FinishEnd     = "end"
	FinishLength  = "length"
	FinishStop    = "stop"
	FinishTools   = "tools"
	FinishRefusal = "refusal"
)

// Call is a call of a tool; Index counts all calls of the conversation.
type Call struct {
	Index     int
	Name      string
	Arguments string
}

// Reply is what a fake answers, whatever its wire format.
type Reply struct {
	Thoughts string // empty: does not think
	Redacted bool   // thinks in secret as well
	Text     string
	Calls    []Call
	Finish   string
	Stop     string // the stop sequence that was met
	Usage    Usage
}

// Usage counts words as tokens.
type Usage struct {
	Prompt                int // all that was read, cached or not
	CacheRead, CacheWrite int
	Output                int // all that was written, thoughts too
	Thoughts              int
}

// Media describes bytes as an answer quotes them.
func Media(mediaType string, raw []byte) string {
	return fmt.Sprintf("%s of %d bytes", mediaType, len(raw))
}

// Base64 decodes strictly, as providers do.
func Base64(text string) ([]byte, bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	return raw, err == nil && len(raw) > 0
}

// Words counts words.
func Words(text string) int { return len(strings.Fields(text)) }

// Reply decides what to answer.
func (h *Host) Reply(a *Asked, rec *Recorded) *Reply {
	out := &Reply{Finish: FinishEnd}
	behaviour := Behaviour(a.Model)
	if a.Thinking || behaviour == Thinking || behaviour == Redacted {
		out.Thoughts = "Thinking about: " + a.Last
		out.Redacted = behaviour == Redacted
	}
	switch {
	case h.Answer != nil:
		out.Text = h.Answer(rec)
	case len(a.Tools) > 0 && len(a.Results) == 0:
		out.call(a, behaviour)
	case a.Schema != nil:
		out.Text = sample(a.Schema, 0)
	case a.JSON:
		out.Text = `{"said": "yes"}`
	default:
		out.Text = goOn(a, behaviour)
	}
	out.end(a, behaviour)
	out.Usage = h.usage(a, out, behaviour)
	return out
}

// say quotes all that the model was shown, so that what is lost is missed.
func say(a *Asked) string {
	var out strings.Builder
	if len(a.Seen) > 0 {
		out.WriteString("I see " + strings.Join(a.Seen, " and ") + ". ")
	}
	if len(a.Results) > 0 {
		out.WriteString("The tools said: " + strings.Join(a.Results, " | ") + ". ")
	}
	return out.String() + "You said: " + a.Last
}

// goOn says all, or what is left of it behind what the answer is to go on from.
func goOn(a *Asked, behaviour string) string {
	text := say(a)
	if rest, ok := strings.CutPrefix(text, a.Prefill); ok && a.Prefill != "" {
		return rest
	}
	if behaviour == Otherwise || behaviour == NoPrefill {
		return "In other words: " + a.Last
	}
	return text
}

func (r *Reply) call(a *Asked, behaviour string) {
	r.Finish = FinishTools
	n := 1
	if (behaviour == ParallelTools || behaviour == Interleaved) && !a.Single {
		n = 2
	}
	for i := range n {
		tool := a.Tools[i%len(a.Tools)]
		call := Call{Index: a.Calls + i, Name: tool.Name, Arguments: sample(tool.Schema, i)}
		if behaviour == OddArguments {
			call.Arguments = OddJSON
		}
		r.Calls = append(r.Calls, call)
	}
}

// end cuts the text where the request or the model's name says so.
func (r *Reply) end(a *Asked, behaviour string) {
	for _, stop := range a.Stops {
		if before, _, found := strings.Cut(r.Text, stop); found && stop != "" {
			r.Text, r.Finish, r.Stop = before, FinishStop, stop
		}
	}
	if words := strings.SplitAfter(r.Text, " "); a.MaxWords > 0 && len(words) > a.MaxWords {
		r.Text, r.Finish, r.Stop = strings.Join(words[:a.MaxWords], ""), FinishLength, ""
	}
	if behaviour == Refusal {
		r.Calls, r.Finish, r.Stop = nil, FinishRefusal, ""
		r.Text = "I must not say that."
	}
}

func (h *Host) usage(a *Asked, r *Reply, behaviour string) Usage {
	if behaviour == ZeroUsage {
		return Usage{}
	}
	u := Usage{Prompt: a.Words, Thoughts: Words(r.Thoughts)}
	u.Output = u.Thoughts + Words(r.Text)
	for _, call := range r.Calls {
		u.Output += Words(call.Arguments)
	}
	switch {
	case behaviour == Cached:
		u.CacheRead = a.Words / 2
	case a.CacheWords == 0:
	case h.first("cache " + a.CachePrefix):
		u.CacheWrite = a.CacheWords
	default:
		u.CacheRead = a.CacheWords
	}
	return u
}

// Signature is what proves that thoughts are the fake's own: 48 bytes of base64.
func Signature(thoughts string) string {
	var raw []byte
	h := fnv.New64a()
	for range 6 {
		_, _ = h.Write([]byte("signed:" + thoughts))
		raw = binary.BigEndian.AppendUint64(raw, h.Sum64())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Pieces cuts a text behind each space, and a single word in its middle.
func Pieces(text string) []string {
	if text == "" {
		return nil
	}
	out := strings.SplitAfter(text, " ")
	if len(out) == 1 && len(text) > 4 { // so that one word is streamed too
		mid := len(text) / 2
		for mid < len(text) && text[mid]&0xC0 == 0x80 {
			mid++
		}
		return []string{text[:mid], text[mid:]}
	}
	return out
}

// Crumbs cuts a text behind every fifth character: arguments of tools come in
// pieces that know nothing of JSON.
func Crumbs(text string) []string {
	if text == "" {
		return nil
	}
	var out []string
	start, n := 0, 0
	for i := range text {
		if n == 5 {
			out = append(out, text[start:i])
			start, n = i, 0
		}
		n++
	}
	return append(out, text[start:])
}
