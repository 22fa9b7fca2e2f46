package providertest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// largeBytes is the length of what Large sends.
const largeBytes = 50 << 20

// WriteAnswer writes a whole answer in the way that the model is named for.
func (h *Host) WriteAnswer(w http.ResponseWriter, r *http.Request, model string, value any) {
	body := Marshal(value)
	w.Header().Set("Content-Type", "application/json")
	switch Behaviour(model) {
	case SlowFirstToken:
		if !h.Wait(r.Context(), h.Delay) {
			return
		}
	case Truncated, Cut:
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		body = body[:len(body)/2]
	case EndsEarly, ClosedEarly:
		body = body[:len(body)/2]
	case GzipCut:
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Malformed:
		body = bytes.Replace(body, []byte(":"), []byte("="), 1)
	case Stall:
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		h.Wait(r.Context(), time.Hour)
		return
	case Large:
		if !fill(w, largeBytes, " ") {
			return
		}
	case Endless:
		_, _ = io.WriteString(w, `{"text":"`)
		fill(w, 1<<40, "x")
		return
	case Gzip:
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(body)
			_ = z.Close()
			return
		}
	}
	_, _ = w.Write(body)
}

// fill writes many bytes, as long as the client takes them.
func fill(w io.Writer, size int, with string) bool {
	block := []byte(strings.Repeat(with, 1<<20))
	for range size / len(block) {
		if _, err := w.Write(block); err != nil {
			return false
		}
	}
	return true
}
