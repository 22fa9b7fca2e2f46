package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Key names an answer: the hash of everything that it may depend on.
type Key [sha256.Size]byte

// Material is everything that an answer may depend on. Every field is part of
// the key, so a field more makes the cache safer, never less safe.
type Material struct {
	// Tenant is the organisation, and Owner whose of it the answer is: the
	// organisation's own, a team's, a user's or a key's.
	Tenant, Owner string
	// Route is the pattern of the route.
	Route string
	// Policy is the guardrail policy with its version.
	Policy, PolicyVersion string
	// Demands are what the request and its key ask of targets: residency,
	// compliance, task and the like, in a fixed order.
	Demands []string
	// Targets are those that may answer, in the order of the configuration.
	Targets []Target
	// Rules are those of the operator's that applied.
	Rules []string
	// Features are what the client has switched on outside of the conversation.
	Features []string
	// Context is the block of retrieved passages.
	Context string
	// Conversation is what is asked, as a model would see it.
	Conversation *llmv1.Conversation
	// Defaults are the parameters that the route adds.
	Defaults *llmv1.Sampling
}

// Question is what is looked up: the material, and its hash.
type Question struct {
	Material
	key Key
}

// Key names the answer to the question.
func (q *Question) Key() Key { return q.key }

// Target is one that may answer.
type Target struct {
	Name, Model string
	// Instructions are the operator's for it.
	Instructions string
}

// layout is part of every key: what another one kept is never found.
const layout = "tollgate cache 1"

// hashing is the memory that a key is made in.
type hashing struct {
	sum hash.Hash
	buf []byte
}

var hashings = sync.Pool{New: func() any { return &hashing{sum: sha256.New()} }}

// maxHashing is the largest buffer that is kept for the next key.
const maxHashing = 256 << 10

// NewQuestion hashes the material. It fails for what cannot be written, such as
// text that is no UTF-8: a hash of half a question would name others too.
func NewQuestion(m Material) (*Question, error) {
	q := &Question{Material: m}
	h := hashings.Get().(*hashing)
	var err error
	if h.buf, err = q.append(h.buf[:0]); err != nil {
		return nil, fmt.Errorf("hash question: %w", err)
	}
	h.sum.Reset()
	h.sum.Write(h.buf)
	h.sum.Sum(q.key[:0])
	if cap(h.buf) <= maxHashing {
		hashings.Put(h)
	}
	return q, nil
}

// append writes every field with its length, so that no two questions are
// written alike.
func (m *Material) append(b []byte) ([]byte, error) {
	for _, text := range [...]string{
		layout, m.Tenant, m.Owner, m.Route, m.Policy, m.PolicyVersion, m.Context,
	} {
		b = appendText(b, text)
	}
	b = appendTexts(b, m.Demands)
	b = appendTexts(b, m.Rules)
	b = appendTexts(b, m.Features)
	b = binary.AppendUvarint(b, uint64(len(m.Targets)))
	for i := range m.Targets {
		t := &m.Targets[i]
		b = appendText(appendText(appendText(b, t.Name), t.Model), t.Instructions)
	}
	b, err := appendMessage(b, m.Defaults)
	if err != nil {
		return b, err
	}
	return appendMessage(b, m.Conversation)
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, text := range texts {
		b = appendText(b, text)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// deterministic orders the keys of maps. Another build may write a message
// otherwise; then an answer is asked for once more.
var deterministic = proto.MarshalOptions{Deterministic: true}

// appendMessage writes a message behind its length, which takes a fixed room
// because it is known only afterwards.
func appendMessage(b []byte, m proto.Message) ([]byte, error) {
	at := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b, err := deterministic.MarshalAppend(b, m)
	if err != nil {
		return b, err
	}
	binary.LittleEndian.PutUint64(b[at:], uint64(len(b)-at-8))
	return b, nil
}
