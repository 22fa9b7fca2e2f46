package route

import (
	"encoding/binary"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// hash is a hash of what requests have in common. It is the same in every
// process, so that replicas choose the same target.
type hash uint64

// text adds a text and its length.
func (h hash) text(s string) hash {
	x := mix(uint64(h) + golden + uint64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		var word [8]byte
		copy(word[:], s)
		x = mix(x ^ binary.LittleEndian.Uint64(word[:]))
	}
	var rest [8]byte
	copy(rest[:], s)
	return hash(mix(x ^ binary.LittleEndian.Uint64(rest[:])))
}

// edge is how much of each end of a text tells conversations apart; reading
// more would cost more than it helps.
const edge = 2048

// ends adds a text of any length by its ends.
func (h hash) ends(s string) hash {
	if len(s) <= 2*edge {
		return h.text(s)
	}
	h = hash(mix(uint64(h) + uint64(len(s))))
	return h.text(s[:edge]).text(s[len(s)-edge:])
}

// affinity is what a request belongs to; false if that cannot be told. The
// organisation is always part of it.
func affinity(by string, q *Question) (uint64, bool) {
	h := hash(0).text(q.Caller.Organization)
	switch {
	case by == BySession && q.Session != "":
		h = h.text(q.Session)
	case by == ByUser && q.Caller.User != "":
		h = h.text(q.Caller.User)
	case by == ByKey || by == ByUser:
		h = h.text(q.Caller.Key)
		return uint64(h), q.Caller.Key != ""
	default:
		return h.beginning(q.Conversation)
	}
	return uint64(h), true
}

// beginning adds what all turns of a conversation have in common: the
// instructions before it and the user's first message.
func (h hash) beginning(c *llmv1.Conversation) (uint64, bool) {
	for _, m := range c.GetMessages() {
		if role := m.GetRole(); role != llmv1.Role_ROLE_SYSTEM && role != llmv1.Role_ROLE_USER {
			continue
		}
		for _, p := range m.GetParts() {
			h = h.part(p)
		}
		if m.GetRole() == llmv1.Role_ROLE_USER {
			return uint64(h), true
		}
	}
	return 0, false
}

func (h hash) part(p *llmv1.Part) hash {
	switch {
	case p.GetText() != nil:
		return h.ends(p.GetText().GetText())
	case p.GetImage() != nil:
		return h.blob(p.GetImage().GetBlob())
	case p.GetDocument() != nil:
		return h.blob(p.GetDocument().GetBlob())
	case p.GetAudio() != nil:
		return h.blob(p.GetAudio().GetBlob())
	default:
		return h
	}
}

// blob adds binary content by its address, or by its length and its end, which
// tells pictures apart that begin alike.
func (h hash) blob(b *llmv1.Blob) hash {
	data := b.GetData()
	h = hash(mix(uint64(h) + uint64(len(data))))
	var word [8]byte
	for i := max(0, len(data)-edge); i < len(data); i += 8 {
		copy(word[:], data[i:])
		h = hash(mix(uint64(h) ^ binary.LittleEndian.Uint64(word[:])))
	}
	return h.ends(b.GetUri())
}
