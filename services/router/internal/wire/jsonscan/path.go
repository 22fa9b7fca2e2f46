package jsonscan

import (
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Path is where in a request the parser stands. It is a list that lives on the
// stack and is written out only when a fault must be named.
type Path struct {
	Parent *Path
	Name   string
	Index  int // counts if name is empty
}

func (p *Path) String() string { return string(p.append(nil)) }

// append copies, so that a Path never has to leave the stack.
func (p *Path) append(dst []byte) []byte {
	if p == nil {
		return dst
	}
	dst = p.Parent.append(dst)
	if p.Name == "" {
		dst = append(dst, '[')
		dst = strconv.AppendInt(dst, int64(p.Index), 10)
		return append(dst, ']')
	}
	if len(dst) > 0 {
		dst = append(dst, '.')
	}
	return append(dst, p.Name...)
}

// Invalid refuses the field.
func (p *Path) Invalid(format string, args ...any) error {
	return p.refuse(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, format, args...)
}

// Unsupported refuses what is well-formed but cannot be carried over.
func (p *Path) Unsupported(format string, args ...any) error {
	return p.refuse(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, format, args...)
}

func (p *Path) refuse(reason llmv1.ErrorReason, format string, args ...any) error {
	field := p.String()
	text := "%s " + format
	return errs.New(reason, text, append([]any{field}, args...)...).WithField(field)
}

// Names are the members of an object that the parser reads, 64 at most.
type Names []string

// Find returns the known name that a key is, or "" for an unknown one. It
// refuses a known name that comes twice, and one that differs in case only:
// a provider's parser may take either, and then read something else than what
// the guardrails saw.
func (n Names) Find(key []byte, seen *uint64, at *Path) (string, error) {
	for i, name := range n {
		if string(key) == name {
			if *seen&(1<<i) != 0 {
				return "", (&Path{Parent: at, Name: name}).Invalid("is given twice")
			}
			*seen |= 1 << i
			return name, nil
		}
	}
	for _, name := range n {
		if len(key) <= 2*len(name) && strings.EqualFold(Alias(key), name) {
			return "", (&Path{Parent: at, Name: strings.ToValidUTF8(string(key), "\uFFFD")}).Invalid("must be written %q", name)
		}
	}
	return "", nil
}
