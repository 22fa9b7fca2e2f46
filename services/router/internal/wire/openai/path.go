package openai

import (
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// path is where in a request the parser stands. It is a list that lives on the
// stack and is written out only when a fault must be named.
type path struct {
	parent *path
	name   string
	index  int // counts if name is empty
}

func (p *path) String() string { return string(p.append(nil)) }

// append copies, so that a path never has to leave the stack.
func (p *path) append(dst []byte) []byte {
	if p == nil {
		return dst
	}
	dst = p.parent.append(dst)
	if p.name == "" {
		dst = append(dst, '[')
		dst = strconv.AppendInt(dst, int64(p.index), 10)
		return append(dst, ']')
	}
	if len(dst) > 0 {
		dst = append(dst, '.')
	}
	return append(dst, p.name...)
}

// invalid refuses the field.
func (p *path) invalid(format string, args ...any) error {
	return p.refuse(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, format, args...)
}

// unsupported refuses what is well-formed but cannot be carried over.
func (p *path) unsupported(format string, args ...any) error {
	return p.refuse(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, format, args...)
}

func (p *path) refuse(reason llmv1.ErrorReason, format string, args ...any) error {
	field := p.String()
	text := "%s " + format
	return errs.New(reason, text, append([]any{field}, args...)...).WithField(field)
}

// names are the members of an object that the parser reads, 64 at most.
type names []string

// find returns the known name that a key is, or "" for an unknown one. It
// refuses a known name that comes twice, and one that differs in case only:
// a provider's parser may take either, and then read something else than what
// the guardrails saw.
func (n names) find(key []byte, seen *uint64, at *path) (string, error) {
	for i, name := range n {
		if string(key) == name {
			if *seen&(1<<i) != 0 {
				return "", (&path{parent: at, name: name}).invalid("is given twice")
			}
			*seen |= 1 << i
			return name, nil
		}
	}
	for _, name := range n {
		if len(key) <= 2*len(name) && strings.EqualFold(alias(key), name) {
			return "", (&path{parent: at, name: strings.ToValidUTF8(string(key), "\uFFFD")}).invalid("must be written %q", name)
		}
	}
	return "", nil
}
