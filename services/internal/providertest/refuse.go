package providertest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// bombSize is what the body of Bomb becomes, in bytes.
const bombSize = 256 << 20

// Refuse misbehaves before an answer, and says whether it did. Misbehaviour
// that has a form of the provider's own is left to fail, which says whether it
// knows the behaviour.
func (h *Host) Refuse(w http.ResponseWriter, r *http.Request, model string, fail func(behaviour string) bool) bool {
	switch behaviour := Behaviour(model); behaviour {
	case FailOnce:
		if !h.first(model) {
			return false
		}
		return fail(ServerError)
	case Unavailable:
		http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
	case Reset:
		reset(w)
	case DrippedHeaders:
		h.drip(w)
	case EndlessHeaders:
		endlessHeaders(w)
	case Flapping:
		if h.up(time.Now()) {
			return false
		}
		if len(h.Requests())%2 == 0 {
			reset(w)
		}
		http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
	case Silent:
		h.Wait(r.Context(), time.Hour)
	case HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html><body>"+strings.Repeat("sign in ", 100)+"</body></html>")
	case Redirect:
		http.Redirect(w, r, h.URL+"/elsewhere", http.StatusTemporaryRedirect)
	case Bomb:
		bomb(w)
	default:
		return fail(behaviour)
	}
	return true
}

// bomb answers with a body that only a client that counts survives: one small
// gzip member, over and over.
func bomb(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	block := bytes.Repeat([]byte(" "), 1<<20)
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write(block)
	_ = z.Close()
	for range bombSize / len(block) {
		if _, err := w.Write(member.Bytes()); err != nil {
			return
		}
	}
}

// WriteJSON answers with a value.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(Marshal(value))
}

// Marshal writes a value of the fake's own making; it leaves <, > and & as they
// are, as providers do.
func Marshal(value any) []byte {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err)
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}

// RetryAfter says when to come again, as far as a behaviour is to say that in
// a header, and returns the behaviour without it.
func RetryAfter(header http.Header, behaviour string) string {
	switch behaviour {
	case RateLimitedAfter:
		header.Set("Retry-After", "1")
	case RateLimitedLong:
		header.Set("Retry-After", "60")
	case RateLimitedDate: // the seconds of a date are whole
		header.Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
	case RateLimitedMS:
		header.Set("Retry-After-Ms", "300")
	default:
		return behaviour
	}
	return RateLimited
}

// up says whether Flapping is well at a time.
func (h *Host) up(now time.Time) bool { return int(now.Sub(h.began)/h.Period)%2 == 1 }
