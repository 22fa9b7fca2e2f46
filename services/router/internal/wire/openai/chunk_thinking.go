package openai

import (
	"bytes"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// held is what of a delta waits until all of it is read: thinking, which stands
// there in up to two forms, and the content behind it.
type held struct {
	plain   [2]jsonscan.Token
	details []detail
	content jsonscan.Token
}

func (h *held) reset() { *h = held{details: h.details[:0]} }

// add keeps a text of thinking; there are two names for it.
func (h *held) add(t jsonscan.Token) {
	switch {
	case t.End == t.Start:
	case h.plain[0].End == 0:
		h.plain[0] = t
	default:
		h.plain[1] = t
	}
}

// release makes events of what is held, thinking first.
func (d *ChunkDecoder) release(c *candidate, n int32) {
	h := &d.held
	if d.Err == nil {
		d.thinkingDelta(c, n, h)
		d.delta(c, n, stream.Text, h.content)
	}
	h.reset()
}

// thinkingDelta adds thinking. What is said in two forms is added once, if it
// is the same; what differs is added, so that nothing passes unseen.
func (d *ChunkDecoder) thinkingDelta(c *candidate, n int32, h *held) {
	for i, t := range h.plain {
		switch {
		case t.End == t.Start, i > 0 && bytes.Equal(d.Inner(t), d.Inner(h.plain[0])), d.spells(h.details, t):
		default:
			d.delta(c, n, stream.Thinking, t)
		}
	}
	for _, one := range h.details {
		d.detail(c, n, one)
	}
}

// spells says whether the texts of the details together are t.
func (d *ChunkDecoder) spells(details []detail, t jsonscan.Token) bool {
	rest := d.Inner(t)
	for _, one := range details {
		var ok bool
		if rest, ok = bytes.CutPrefix(rest, d.Inner(one.text)); !ok {
			return false
		}
	}
	return len(rest) == 0
}

// detail adds an entry of the list. Another number begins another part.
func (d *ChunkDecoder) detail(c *candidate, n int32, one detail) {
	if one.data.End > one.data.Start {
		d.encrypted(c, n, one)
		return
	}
	number := one.index + 1
	if c.open == stream.Thinking && c.detail > 0 && number > 0 && c.detail != number {
		d.stop(c, n)
	}
	if one.text.End > one.text.Start {
		d.delta(c, n, stream.Thinking, one.text)
		c.detail = number
	}
	if one.signature.End == one.signature.Start || d.Err != nil {
		return
	}
	if c.open != stream.Thinking {
		if number > 0 && number == c.detail {
			return // its thinking has ended
		}
		if d.begin(c, n, stream.Thinking) {
			c.detail = number
		}
	}
	c.signature = string(d.plain(one.signature))
}

// encrypted adds thinking that comes as a whole.
func (d *ChunkDecoder) encrypted(c *candidate, n int32, one detail) {
	if d.Err != nil {
		return
	}
	if c.finished {
		d.Fail(errLate)
		return
	}
	d.stop(c, n)
	part, ok := d.newPart(c)
	if !ok {
		return
	}
	content := &llmv1.Thinking{
		Text: string(d.plain(one.text)), Signature: string(d.plain(one.signature)), Redacted: readData(string(d.plain(one.data))),
	}
	d.events = append(d.events, stream.Event{
		Kind: stream.PartStart, Candidate: n, Index: part,
		Part: &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: content}},
	}, stream.Event{Kind: stream.PartStop, Candidate: n, Index: part})
	c.detail = one.index + 1
}

// keptSources is what a stream has listed of its sources: the last list, for
// each chunk repeats it.
type keptSources struct {
	urls, results []byte
	read          []*llmv1.Citation
}

func (k *keptSources) keep(data []byte, w webSources) {
	urls, results := data[w.urls.Start:w.urls.End], data[w.results.Start:w.results.End]
	if len(urls) > len("[]") && !bytes.Equal(urls, k.urls) {
		k.urls, k.read = append(k.urls[:0], urls...), nil
	}
	if len(results) > len("[]") && !bytes.Equal(results, k.results) {
		k.results, k.read = append(k.results[:0], results...), nil
	}
}

// cite puts the sources to the texts that end.
func (k *keptSources) cite(events []stream.Event, stops []int) {
	if len(stops) == 0 || len(k.urls)+len(k.results) == 0 {
		return
	}
	if k.read == nil {
		both := append(append([]byte(nil), k.urls...), k.results...)
		k.read = webSources{
			urls: jsonscan.Span{End: len(k.urls)}, results: jsonscan.Span{Start: len(k.urls), End: len(both)},
		}.read(both)
	}
	for _, i := range stops {
		events[i].Citations = k.read
	}
}
