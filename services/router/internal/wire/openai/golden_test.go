package openai

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func golden(t *testing.T, pattern string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	out := make(map[string]string, len(files))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = string(raw)
	}
	return out
}

// sameJSON compares what two texts say.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	return reflect.DeepEqual(a, b)
}

// A request goes to a target of its own dialect byte for byte; to any other it
// goes by the canonical form, which reads back as itself.
func TestGoldenRequests(t *testing.T) {
	for name, body := range golden(t, "request_*.json") {
		r, c, err := ParseRequest([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := r.Render(&provider.Request{Conversation: c, Model: c.GetModel()}, r.Stream())
		if err != nil || string(got) != body {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
		// Masked with itself, it says the same.
		revisions := make(map[int]string)
		s := newScanner([]byte(body))
		for i, at := range r.texts {
			revisions[i] = s.OptionalValue(at)
		}
		got, err = r.Render(&provider.Request{Conversation: c, Revisions: revisions}, r.Stream())
		if err != nil || !sameJSON(t, string(got), body) {
			t.Errorf("%s: masked %s, %v", name, got, err)
		}
		// The content of the media, the calls and the options survive the canonical form.
		written, err := EncodeFor(&provider.Request{Conversation: c, Model: c.GetModel()}, r.Stream(), provider.Quirks{Thinking: "reasoning_details"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, again, err := ParseRequest(written)
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, written)
		}
		// Labels, marks for caches and sources have no place in a request.
		c = proto.CloneOf(c)
		c.Metadata = nil
		for _, m := range c.GetMessages() {
			for i := 0; i < len(m.GetParts()); i++ {
				if m.GetParts()[i].GetCachePoint() != nil {
					m.Parts = append(m.Parts[:i], m.Parts[i+1:]...)
				} else if text := m.GetParts()[i].GetText(); text != nil {
					text.Citations = nil
				}
			}
		}
		if again.GetToolChoice().GetMode() == 0 && c.GetToolChoice() != nil {
			c.ToolChoice.Mode = 0 // auto is not said
		}
		if !proto.Equal(again, c) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, again, c)
		}
	}
}

// An answer reaches a client of its own dialect byte for byte.
func TestGoldenAnswers(t *testing.T) {
	for name, body := range golden(t, "answer_*.json") {
		a := decoded(t, body)
		if got := string(EncodeAnswer(a, nil)); got != body {
			t.Errorf("%s: got %s", name, got)
		}
		again, err := DecodeCompletion(EncodeCompletion(a.Completion, nil))
		if err != nil || !proto.Equal(again, a.Completion) {
			t.Errorf("%s: got %v, %v\nwant %v", name, again, err, a.Completion)
		}
		if name == "answer_exact.json" { // all of it has a place in the canonical form
			if got := string(EncodeCompletion(a.Completion, nil)); !sameJSON(t, got, body) {
				t.Errorf("%s: got %s", name, got)
			}
		}
	}
}

func TestGoldenStreams(t *testing.T) {
	for name, text := range golden(t, "stream_*.txt") {
		frames := strings.Split(strings.TrimSpace(text), "\n")
		got := encodeAll(t, true, nil, frames...)
		if strings.Join(got, "\n") != strings.Join(frames, "\n") {
			t.Errorf("%s: got %s", name, strings.Join(got, "\n"))
		}
		want, _, err := decodeAll(frames...)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []func(*stream.Chunk){
			func(c *stream.Chunk) { c.Revised = true }, func(c *stream.Chunk) { c.Native, c.Dialect = nil, "" },
		} {
			again, _, err := decodeAll(encodeAll(t, true, change, frames...)...)
			if err != nil || strings.Join(again, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s:\ngot  %q, %v\nwant %q", name, again, err, want)
			}
		}
	}
}
