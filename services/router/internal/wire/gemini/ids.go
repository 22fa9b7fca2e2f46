package gemini

import (
	"encoding/base64"
	"hash/fnv"
	"strconv"
	"strings"
)

// idPrefix marks the ids of calls that the format left without one and that
// were made up here. They never go into a body of this format.
const idPrefix = "tgcall_"

// madeUp says whether an id was made up here.
func madeUp(id string) bool { return strings.HasPrefix(id, idPrefix) }

// newID makes up the id of a call in an answer. It depends on nothing but the
// answer, so that reading it again gives the same id.
func newID(answer []byte, candidate, part int32) string {
	h := fnv.New64a()
	_, _ = h.Write(answer) // a hash never fails
	return idPrefix + strconv.FormatUint(h.Sum64(), 36) + "_" + strconv.Itoa(int(candidate)) + "_" + strconv.Itoa(int(part))
}

// joinName keeps a result's id and name in one string until the call is known
// that it answers.
func joinName(id, name string) string { return id + "\x00" + name }

func cutName(joined string) (id, name string, ok bool) { return strings.Cut(joined, "\x00") }

// Signatures of this format are bytes, written as base64. One of another
// format's thinking is wrapped, and so is redacted thinking, so that a client
// can send them back.
const (
	foreignSignature = "tollgate:signature:"
	foreignRedacted  = "tollgate:redacted:"
)

// appendSignature writes a signature for a client, which may read it as bytes.
func signatureText(signature string, redacted []byte) string {
	if len(redacted) > 0 {
		return base64.StdEncoding.EncodeToString(append([]byte(foreignRedacted), redacted...))
	}
	if _, err := base64.StdEncoding.DecodeString(signature); err == nil {
		return signature
	}
	return base64.StdEncoding.EncodeToString([]byte(foreignSignature + signature))
}

// readSignature unwraps what signatureText has wrapped. It reads either alphabet
// of base64.
func readSignature(text string) (signature string, redacted []byte) {
	const wrapped = "dG9sbGdhdGU6" // how "tollgate:" begins in base64
	if strings.HasPrefix(text, wrapped) {
		if decoded, ok := decodeBase64(text); ok {
			if rest, ok := strings.CutPrefix(string(decoded), foreignSignature); ok {
				return rest, nil
			}
			if rest, ok := strings.CutPrefix(string(decoded), foreignRedacted); ok {
				return "", []byte(rest)
			}
		}
	}
	if strings.ContainsAny(text, "-_") { // as some clients write bytes; other formats do not read that
		if decoded, ok := decodeBase64(text); ok {
			return base64.StdEncoding.EncodeToString(decoded), nil
		}
	}
	return text, nil
}
