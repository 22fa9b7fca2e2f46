package providertest

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// tinyBytes is how much Tiny sends at a time.
const tinyBytes = 3

// hugeBytes is the length of the event that Huge sends.
const hugeBytes = 64 << 20

// chatterEvery is the time between two signs of life of Chatter.
const chatterEvery = 50 * time.Millisecond

// Flow is the body of a streamed answer: what is written is on its way at once,
// in the pieces that the model is named for.
type Flow struct {
	w    http.ResponseWriter
	tiny bool
	held []byte // what OneWrite keeps until the end
	one  bool
	torn bool // the next event goes out in two pieces
}

// Flow begins a streamed answer. It is nil if the client went away meanwhile.
func (h *Host) Flow(w http.ResponseWriter, r *http.Request, model, contentType string) *Flow {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	behaviour := Behaviour(model)
	f := &Flow{w: w, tiny: behaviour == Tiny || behaviour == Awkward, one: behaviour == OneWrite}
	f.flush()
	if behaviour == SlowFirstToken && !h.Wait(r.Context(), h.Delay) {
		return nil
	}
	return f
}

// NewFlow goes on with an answer that has begun.
func NewFlow(w http.ResponseWriter) *Flow { return &Flow{w: w} }

// Write sends bytes.
func (f *Flow) Write(p []byte) {
	if f.one {
		f.held = append(f.held, p...)
		return
	}
	for f.tiny && len(p) > tinyBytes {
		_, _ = f.w.Write(p[:tinyBytes])
		f.flush()
		p = p[tinyBytes:]
	}
	_, _ = f.w.Write(p)
	f.flush()
}

// Close sends what was held back.
func (f *Flow) Close() {
	_, _ = f.w.Write(f.held)
	f.held = nil
}

// Huge sends very many bytes, as long as the client takes them.
func (f *Flow) Huge(size int) {
	f.Close()
	fill(f.w, size, "x")
}

// Tear sends the next event in two pieces, neither of which can be read.
func (f *Flow) Tear() { f.torn = true }

// Pieces cuts a payload if it must be in two pieces.
func (f *Flow) Pieces(payload []byte) [][]byte {
	if !f.torn {
		return [][]byte{payload}
	}
	f.torn = false
	return [][]byte{payload[:len(payload)/2], payload[len(payload)/2:]}
}

func (f *Flow) flush() { _ = http.NewResponseController(f.w).Flush() }

// Middle is what a wire format does for the misbehaviour in the middle of an answer.
type Middle struct {
	Malformed, Fail func()
	// Noise sends what is none of the answer's; Alive a sign of life. They are
	// nil where the wire format has no such thing.
	Noise, Alive func()
	// Tear is Flow's.
	Tear func()
	// Huge sends one event of so many bytes.
	Huge func(size int)
}

// Midway does what the model is named for in the middle of its answer; it is
// false if the stream must end here.
func (h *Host) Midway(r *http.Request, model string, do Middle) bool {
	switch Behaviour(model) {
	case Cut, GzipCut:
		panic(http.ErrAbortHandler)
	case EndsEarly, ClosedEarly:
		return false
	case Torn:
		do.Tear()
	case Noise:
		if do.Noise != nil {
			do.Noise()
		}
	case Chatter:
		for h.Wait(r.Context(), chatterEvery) {
			if do.Alive != nil {
				do.Alive()
			}
		}
		return false
	case Large:
		do.Huge(largeBytes)
		return false
	case Endless:
		do.Huge(1 << 40)
		return false
	case Stall:
		return h.Wait(r.Context(), time.Hour)
	case Malformed:
		do.Malformed()
	case ErrorInStream:
		do.Fail()
		return false
	case Huge:
		do.Huge(hugeBytes)
		return false
	}
	return true
}

// Paced waits for Pace, if there is one.
func (h *Host) Paced(r *http.Request) bool {
	return h.Pace == 0 || h.Wait(r.Context(), h.Pace)
}

// Late waits for Delay where the usage comes behind all else; false if the
// client went away meanwhile.
func (h *Host) Late(r *http.Request, model string) bool {
	return Behaviour(model) != LateUsage || h.Wait(r.Context(), h.Delay)
}

// Events writes server-sent events in the way that the model is named for.
type Events struct {
	*Flow
	// Alive is after how many events a comment keeps the connection alive; 0 is never.
	Alive int
	// CRLF ends lines with CR LF whatever the model.
	CRLF bool

	style string
	count int
}

// Events begins an event stream. It is nil if the client went away meanwhile.
func (h *Host) Events(w http.ResponseWriter, r *http.Request, model string) *Events {
	flow := h.Flow(w, r, model, "text/event-stream; charset=utf-8")
	if flow == nil {
		return nil
	}
	return &Events{Flow: flow, style: Behaviour(model)}
}

// does says whether the stream has a style.
func (e *Events) does(style string) bool { return e.style == style || e.style == Awkward }

// Send sends an event; an empty name leaves the name out.
func (e *Events) Send(name, data string) {
	for _, piece := range e.Pieces([]byte(data)) {
		e.send(name, string(piece))
	}
}

func (e *Events) send(name, data string) {
	var out strings.Builder
	if e.count == 0 && e.does(BOM) {
		out.WriteString("\ufeff")
	}
	e.count++
	if e.Alive > 0 && e.count%e.Alive == 0 {
		out.WriteString(": keep-alive\n\n")
	}
	if e.does(Comments) {
		out.WriteString(":\n: data: {\"not\":\"an event\"}\nretry: 3000\nid: 7\nunknown: field\n")
	}
	colon := ": "
	if e.does(NoSpace) {
		colon = ":"
	}
	if name != "" {
		out.WriteString("event" + colon + name + "\n")
	}
	lines := []string{data}
	if e.does(MultiLine) {
		lines = fold(data)
	}
	for _, line := range lines {
		out.WriteString("data" + colon + line + "\n")
	}
	out.WriteString("\n")
	text := out.String()
	if e.CRLF || e.does(CRLF) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	e.Write([]byte(text))
}

// Huge sends one event that is larger than any client should take.
func (e *Events) Huge(size int) {
	e.Write([]byte("data: "))
	e.Flow.Huge(size)
	_, _ = io.WriteString(e.w, "\n\n")
}

// Noise sends what careless proxies put into streams: a line that is no field,
// and an event that is no JSON.
func (e *Events) Noise() {
	e.Write([]byte("upstream is slow, please wait\n\ndata: <!-- waiting -->\n\n"))
}

// Keepalive sends a comment.
func (e *Events) Keepalive() { e.Write([]byte(": keep-alive\n\n")) }

// fold cuts a JSON text into lines, where JSON allows it: behind commas that
// stand outside strings.
func fold(text string) []string {
	var out []string
	var quoted bool
	start := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			out = append(out, text[start:i+1])
			start = i + 1
		}
	}
	return append(out, text[start:])
}
