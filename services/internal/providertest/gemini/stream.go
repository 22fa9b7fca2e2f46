package gemini

import (
	"bytes"
	"encoding/json"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// sse says whether the client asked for events; else a stream is a JSON array.
func (e *exchange) sse() bool { return e.r.URL.Query().Get("alt") == "sse" }

// chunks are the responses of a streamed answer.
func (a answer) chunks() []map[string]any {
	if a.does(providertest.ContentFilter) {
		return []map[string]any{a.blocked()}
	}
	running := map[string]any{"promptTokenCount": a.Usage.Prompt, "totalTokenCount": a.Usage.Prompt}
	var out []map[string]any
	for i := range a.candidates() {
		for _, part := range a.parts(providertest.Pieces) {
			parts := []map[string]any{part}
			out = append(out, a.response([]any{a.candidate(i, parts, false)}, running))
		}
	}
	if a.does(providertest.NoDone) { // the nearest thing to a terminal event
		return out
	}
	// Where the model thought, the last part and the end come together.
	if last := len(out) - 1; a.candidates() == 1 && a.Thoughts != "" && last >= 0 {
		parts := a.parts(providertest.Pieces)
		out[last] = a.response([]any{a.candidate(0, parts[last:], true)}, a.usage())
		return out
	}
	var ends []any
	for i := range a.candidates() {
		ends = append(ends, a.candidate(i, nil, true))
	}
	if a.does(providertest.LateUsage) {
		return append(out, a.response(ends, nil), a.response(nil, a.usage()))
	}
	return append(out, a.response(ends, a.usage()))
}

// events streams server-sent events; the API ends their lines with CR LF.
func (e *exchange) events(a answer) {
	out := e.Events(e.w, e.r, e.at.model)
	if out == nil {
		return
	}
	defer out.Close()
	out.CRLF = true
	send := func(body []byte) { out.Send("", string(body)) }
	e.each(a, send, providertest.Middle{
		Malformed: func() { out.Send("", broken) },
		Noise:     out.Noise, Alive: out.Keepalive, Tear: out.Tear, Huge: out.Huge,
	})
}

// broken is the beginning of a response.
const broken = `{"candidates":[{"content":{"parts":[{"text":"bro`

// array streams a JSON array, indented as the API does.
func (e *exchange) array(a answer) {
	out := e.Flow(e.w, e.r, e.at.model, "application/json; charset=UTF-8")
	if out == nil {
		return
	}
	defer out.Close()
	before := "["
	send := func(body []byte) {
		var text bytes.Buffer
		_ = json.Indent(&text, body, "", "  ") // of our own making
		out.Write([]byte(before + text.String()))
		before = "\n,\r\n"
	}
	if e.each(a, send, providertest.Middle{
		Malformed: func() { out.Write([]byte(before + broken)) }, Tear: func() {}, Huge: out.Huge,
	}) {
		out.Write([]byte("\n]\n"))
	}
}

// each sends all chunks; false if the stream ended within them.
func (e *exchange) each(a answer, send func([]byte), do providertest.Middle) bool {
	do.Fail = func() {
		s := refusals[providertest.Overloaded]
		s.Message += providertest.LeakyText
		send(providertest.Marshal(map[string]any{"error": s}))
	}
	if a.does(providertest.ErrorFirst) {
		do.Fail()
		return false
	}
	chunks := a.chunks()
	for i, chunk := range chunks {
		if i == len(chunks)/2 && !e.Midway(e.r, e.at.model, do) {
			return false
		}
		if i == len(chunks)-1 && !e.Late(e.r, e.at.model) {
			return false
		}
		send(providertest.Marshal(chunk))
		if !e.Paced(e.r) {
			return false
		}
	}
	return true
}
