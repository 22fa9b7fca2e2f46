package gemini

import (
	"errors"
	"slices"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// maxPartsStreamed is the most parts of one candidate of a stream.
const maxPartsStreamed = 4096

var (
	errLate  = errors.New("content behind the finish")
	errCount = errors.New("more candidates or parts than the format allows")
)

// ChunkDecoder reads the chunks of one stream. Each is an answer of its own
// whose parts go on where those of the chunk before have ended: text goes on
// with the open text, a call comes whole. At steady state it does not allocate.
type ChunkDecoder struct {
	scanner
	candidates []candidate
	started    bool
	id, model  jsonscan.Token
	blocked    jsonscan.Token
	events     []stream.Event
	usage      *llmv1.Usage
	failure    error
	part       answerPart
	// text holds unescaped deltas of the current chunk.
	text []byte
}

// candidate is the state of one answer of the stream.
type candidate struct {
	finished, calls bool
	// open is the kind of the open part, if one is open.
	open      stream.Kind
	index     int32 // of the open part
	next      int32 // index of the next part
	signature string
	citations []*llmv1.Citation // of the open text
}

// Decode reads one frame into c, which it resets first. Deltas, usage and
// Native share memory with data or the decoder; they are valid until the next
// call. The format has no frame that ends a stream.
func (d *ChunkDecoder) Decode(data []byte, c *stream.Chunk) error {
	c.Native = nil // it is not the chunk's own memory
	c.Reset()
	d.scanner = newScanner(data)
	d.events, d.text, d.failure = c.Events, d.text[:0], nil
	d.id, d.model, d.blocked = jsonscan.Token{}, jsonscan.Token{}, jsonscan.Token{}
	usage := d.frame()
	if err := d.scanner.Finish(); err != nil {
		return refusal.Unreadable(err)
	}
	if d.failure == nil && d.blocked.Start != 0 && len(d.candidates) == 0 {
		d.failure = blockedPrompt(string(d.plain(d.blocked)))
	}
	if d.failure != nil {
		return d.failure
	}
	if usage {
		d.events = append(d.events, stream.Event{Kind: stream.Usage, Tokens: d.usage})
	}
	if !d.started && (len(d.candidates) > 0 || d.id.End > d.id.Start) {
		d.started = true
		d.events = slices.Insert(d.events, 0, stream.Event{
			Kind: stream.Start, ID: string(d.plain(d.id)), Model: string(d.plain(d.model)),
		})
	}
	c.Events, c.Native, c.Dialect = d.events, data, Dialect
	return nil
}

// Finished says whether every candidate has ended; want is how many were asked for.
func (d *ChunkDecoder) Finished(want int) bool {
	if len(d.candidates) < max(want, 1) {
		return false
	}
	for i := range d.candidates {
		if !d.candidates[i].finished {
			return false
		}
	}
	return true
}

// Started says whether anything of an answer has come.
func (d *ChunkDecoder) Started() bool { return d.started }

// frame reads the top level; it says whether there was usage.
func (d *ChunkDecoder) frame() (usage bool) {
	for d.Open('{'); d.Next('}'); {
		switch string(d.Key()) {
		case "candidates":
			d.elements(d.choice)
		case "usageMetadata":
			if d.usage == nil {
				d.usage = &llmv1.Usage{}
			}
			usage = d.readUsage(d.usage)
		case "responseId":
			d.id = d.OptionalText()
		case "modelVersion":
			d.model = d.OptionalText()
		case "promptFeedback":
			d.blocked = d.blockReason()
		case "error":
			d.failure = d.errorObject(200)
		default:
			d.Skip()
		}
	}
	return usage
}

// plain returns a string's text: a part of the data, or of the decoder's buffer.
func (d *ChunkDecoder) plain(t jsonscan.Token) []byte {
	in := d.Inner(t)
	if !t.Escaped {
		return d.valid(in)
	}
	from := len(d.text)
	d.text = jsonscan.AppendUnescaped(d.text, in)
	if !utf8.Valid(d.text[from:]) {
		d.text = append(d.text[:from], string([]rune(string(d.text[from:])))...)
	}
	return d.text[from:len(d.text):len(d.text)]
}

// valid returns the bytes, with U+FFFD in place of broken UTF-8.
func (d *ChunkDecoder) valid(in []byte) []byte {
	if utf8.Valid(in) {
		return in
	}
	from := len(d.text)
	d.text = append(d.text, string([]rune(string(in)))...)
	return d.text[from:len(d.text):len(d.text)]
}

// choice reads one candidate's news. Its index may stand behind its content.
func (d *ChunkDecoder) choice() {
	var index int64
	var content jsonscan.Span
	var finish jsonscan.Token
	var citations []*llmv1.Citation
	for d.Open('{'); d.Next('}'); {
		switch string(d.Key()) {
		case "index":
			index, _ = d.Integer()
		case "content":
			content = d.Skip()
		case "finishReason":
			finish = d.OptionalText()
		case "groundingMetadata":
			var g grounding
			citations = append(citations, d.readGrounding(&g)...)
		case "citationMetadata":
			citations = append(citations, d.readCitations()...)
		default:
			d.Skip()
		}
	}
	c := d.candidate(index)
	if c == nil {
		return
	}
	n := int32(index) // bounded by candidate
	if content.End > 0 {
		behind := d.At
		d.At = content.Start
		d.contentOf(c, n)
		if d.Err == nil {
			d.At = behind
		}
	}
	c.citations = append(c.citations, citations...)
	d.finishOf(c, n, finish)
}

// candidate returns the state of a candidate; nil if there is a fault.
func (d *ChunkDecoder) candidate(index int64) *candidate {
	if d.Err != nil {
		return nil
	}
	if index < 0 || index >= maxCandidates {
		d.Fail(errCount)
		return nil
	}
	for int64(len(d.candidates)) <= index {
		d.candidates = append(d.candidates, candidate{})
	}
	return &d.candidates[index]
}

func (d *ChunkDecoder) finishOf(c *candidate, n int32, finish jsonscan.Token) {
	reason, broken := finishReason(d.Inner(finish))
	if broken && d.failure == nil {
		d.failure = brokenAnswer(string(d.Inner(finish)))
	}
	if reason == llmv1.FinishReason_FINISH_REASON_UNSPECIFIED || c.finished || d.Err != nil {
		return
	}
	d.stop(c, n)
	c.finished = true
	if reason == llmv1.FinishReason_FINISH_REASON_STOP && c.calls {
		reason = llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
	}
	d.events = append(d.events, stream.Event{Kind: stream.Finish, Candidate: n, Reason: reason})
}
