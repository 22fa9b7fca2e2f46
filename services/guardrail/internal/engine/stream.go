package engine

import (
	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/normalize"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// Stream examines one text while it is being written. Text goes in with Push
// and comes out as soon as it cannot be part of a match any more: what comes
// out is what masking the whole text would have given, wherever it was cut.
// A Stream is not safe for concurrent use.
type Stream struct {
	s scanner
	// raw is the original text that is still needed; its first byte has the
	// original offset s.base.
	raw []byte
	// fed is how much of raw has been folded, out how much has been released.
	fed, out int
	// rendered counts the findings that have been written out, reported those
	// that the caller has been told of.
	rendered, reported int
	judged             int
	blocked, changed   bool
	failed             bool
}

// What a stream keeps behind the text it works on.
const (
	compactAt = 1 << 10
	// injectWindow is how far back the check for injection looks.
	injectWindow = 2 << 10
	// maxKeptFindings bounds the findings that are kept after they were told.
	maxKeptFindings = 32
	// maxStep bounds what is taken in at once, and with it the memory of a
	// stream, whatever the size of the pieces.
	maxStep = 8 << 10
)

// NewStream begins a stream of one text.
func (e *Engine) NewStream(pol *policy.Compiled, dir policy.Direction, kind Kind) *Stream {
	st := &Stream{}
	st.s.engine = e
	st.s.begin(pol, dir, kind)
	st.s.view.Start, st.s.view.End = []int32{}, []int32{}
	return st
}

// Push takes the next piece of the text and appends to dst what may pass now.
// last says that the text ends here. After a block nothing passes.
func (st *Stream) Push(dst []byte, piece string, last bool) []byte {
	st.forget()
	for len(piece) > maxStep {
		dst = st.step(dst, piece[:maxStep], false)
		piece = piece[maxStep:]
	}
	return st.step(dst, piece, last)
}

func (st *Stream) step(dst []byte, piece string, last bool) (out []byte) {
	if st.blocked {
		return dst
	}
	st.raw = append(st.raw, piece...)
	if st.failed {
		return st.pass(dst)
	}
	defer func() {
		if recover() != nil {
			out = st.broken(dst)
		}
	}()
	s := &st.s
	if s.kind == JSON {
		st.fed += s.json.Fold(&s.view, st.raw[st.fed:], st.fed, last)
	} else {
		st.fed += normalize.Fold(&s.view, st.raw[st.fed:], st.fed, last)
	}
	s.split.Run(s.engine.auto, s.view.Text, s.view.Start, s)
	if last {
		s.split.Finish(s)
	}
	st.judge(last)
	dst = st.render(dst, st.settled())
	st.compact()
	return dst
}

// broken turns a panic of a check into the policy's fail mode: nothing more
// passes, or everything does from here on, unexamined.
func (st *Stream) broken(dst []byte) []byte {
	st.failed = true
	if !st.s.pol.FailOpen {
		st.blocked = true
		return dst
	}
	return st.pass(dst)
}

func (st *Stream) pass(dst []byte) []byte {
	dst = append(dst, st.raw[min(st.out, len(st.raw)):]...)
	st.raw, st.fed, st.out = st.raw[:0], 0, 0
	return dst
}

// settled is how far, in raw, the text cannot be part of a match any more.
func (st *Stream) settled() int {
	if h := st.s.split.Held(); h < len(st.s.view.Text) {
		return int(st.s.view.Start[h])
	}
	return st.fed
}

func (st *Stream) render(dst []byte, cut int) []byte {
	found := st.s.findings
	// A match that went on after it was written out takes more text with it.
	if st.rendered > 0 {
		if f := found[st.rendered-1]; f.Action >= check.Mask {
			st.out = max(st.out, f.End-st.s.base)
		}
	}
	for ; st.rendered < len(found) && !st.blocked; st.rendered++ {
		f := found[st.rendered]
		start, end := f.Start-st.s.base, f.End-st.s.base
		switch f.Action {
		case check.Block:
			if start > st.out {
				dst = append(dst, st.raw[st.out:start]...)
			}
			st.blocked = true
			st.out = len(st.raw)
			return dst
		case check.Mask:
			dst = append(dst, st.raw[st.out:start]...)
			dst = append(dst, f.replace...)
			st.changed = true
			st.out = end
		}
	}
	if cut > st.out {
		dst = append(dst, st.raw[st.out:cut]...)
		st.out = cut
	}
	return dst
}

// judge looks for injection where a sentence or the text ends.
func (st *Stream) judge(last bool) {
	s := &st.s
	if s.injection == nil {
		return
	}
	text := s.view.Text
	for i := len(text); i > st.judged; i-- {
		if b := text[i-1]; last || b == '.' || b == '\n' || b == '!' || b == '?' {
			st.judged = len(text)
			s.inject()
			return
		}
	}
}

// compact lets go of text that neither a match nor its context needs.
func (st *Stream) compact() {
	s := &st.s
	behind := check.LeftContext
	if s.injection != nil {
		behind = injectWindow
	}
	if k := s.split.Held() - behind; k >= compactAt {
		s.view.Drop(k)
		s.split.Shift(k)
		st.judged = max(0, st.judged-k)
	}
	if st.out >= compactAt {
		n := min(st.out, st.fed)
		st.raw = append(st.raw[:0], st.raw[n:]...)
		st.fed -= n
		st.out -= n
		s.base += n
		s.view.Shift(n)
	}
}

// Findings returns what was found since the last call. The slice is valid
// until the next call on the stream.
func (st *Stream) Findings() []Finding {
	end := len(st.s.findings)
	if st.failed {
		return nil
	}
	if st.s.split.Swallowing() && !st.blocked {
		end-- // its end is not known yet
	}
	if end <= st.reported {
		return nil
	}
	out := st.s.findings[st.reported:end]
	st.reported = end
	return out
}

// forget drops findings that have been told and written out, but for the last,
// which may still be going on.
func (st *Stream) forget() {
	n := min(st.rendered, st.reported) - 1
	if n < maxKeptFindings {
		return
	}
	st.s.findings = append(st.s.findings[:0], st.s.findings[n:]...)
	st.rendered -= n
	st.reported -= n
}

// Held is how many original bytes are held back.
func (st *Stream) Held() int { return max(0, len(st.raw)-st.out) }

// Blocked says that the text must not go on. Failed says why: a check broke.
func (st *Stream) Blocked() bool { return st.blocked }

// Changed reports whether something has been masked.
func (st *Stream) Changed() bool { return st.changed }

// Failed reports whether a check broke while it looked at the text.
func (st *Stream) Failed() bool { return st.failed }
