package providertest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
)

// defaultDimensions is the length of a vector where none is asked for.
const defaultDimensions = 8

func (s *Server) embed(w http.ResponseWriter, r *http.Request, rec *Recorded) {
	var req struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"`
		Dimensions     int             `json:"dimensions"`
		EncodingFormat string          `json:"encoding_format"`
	}
	if err := json.Unmarshal(rec.Body, &req); err != nil {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_value", "input")
		return
	}
	req.Model = rec.Model
	if s.refuse(w, r, req.Model) {
		return
	}
	var inputs []string
	var single string
	if json.Unmarshal(req.Input, &single) == nil {
		inputs = []string{single}
	} else if json.Unmarshal(req.Input, &inputs) != nil {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_value", "input")
		return
	}
	if req.Dimensions == 0 {
		req.Dimensions = defaultDimensions
	}
	var data []any
	var tokens int
	for i, text := range inputs {
		tokens += len(strings.Fields(text))
		data = append(data, map[string]any{
			"object": "embedding", "index": i, "embedding": encoded(Vector(text, req.Dimensions), req.EncodingFormat),
		})
	}
	WriteJSON(w, http.StatusOK, map[string]any{
		"object": "list", "data": data, "model": req.Model,
		"usage": map[string]any{"prompt_tokens": tokens, "total_tokens": tokens},
	})
}

// Vector is the vector that the server gives a text.
func Vector(text string, dimensions int) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	seed := h.Sum64()
	out := make([]float32, dimensions)
	for i := range out {
		seed = seed*6364136223846793005 + 1442695040888963407
		out[i] = float32(int32(seed>>32)) / math.MaxInt32 // any bits will do
	}
	return out
}

func encoded(vector []float32, format string) any {
	if format != "base64" {
		return vector
	}
	var raw []byte
	for _, f := range vector {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
