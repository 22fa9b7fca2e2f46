package gemini

import (
	"bytes"
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// find returns the known member that a key names, in camel or in snake case.
// Both spellings are one member: a second one is refused, for nobody knows
// which of them the provider would read. So is any other way to write one.
func find(known jsonscan.Names, key []byte, seen *uint64, at *jsonscan.Path) (string, error) {
	if bytes.IndexByte(key, '_') < 0 {
		return known.Find(key, seen, at)
	}
	if camel, ok := appendCamel(nil, key); ok {
		if name, err := known.Find(camel, seen, at); err != nil || name != "" {
			return name, err
		}
	}
	bare := strings.ReplaceAll(string(key), "_", "")
	for _, name := range known {
		if strings.EqualFold(bare, name) {
			return "", (&jsonscan.Path{Parent: at, Name: strings.ToValidUTF8(string(key), "\uFFFD")}).Invalid("must be written %q", name)
		}
	}
	return "", nil
}

// appendCamel turns snake case into camel case, as the format does; ok is
// false if the key is no snake case.
func appendCamel(dst, key []byte) (_ []byte, ok bool) {
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c == '_' {
			if i++; i == 1 || i == len(key) || key[i] < 'a' || key[i] > 'z' {
				return dst, false
			}
			c = key[i] - 'a' + 'A'
		}
		dst = append(dst, c)
	}
	return dst, true
}

// camelName is how a member that is not known is listed.
func camelName(key []byte) string {
	if camel, ok := appendCamel(nil, key); ok {
		key = camel
	}
	return strings.ToValidUTF8(string(key), "\uFFFD")
}

// list is where a repeated member stands.
type list struct {
	jsonscan.Span
	kind  listKind
	count int
}

type listKind uint8

const (
	listAbsent listKind = iota
	listNull
	listArray
	listSingle // one value in place of a list
)

// pathBlock is how many paths are made at once.
const pathBlock = 32

// path makes a path that may outlive its caller's stack, many in one allocation.
func (p *parser) path(of jsonscan.Path) *jsonscan.Path {
	if len(p.paths) == cap(p.paths) {
		p.paths = make([]jsonscan.Path, 0, pathBlock)
	}
	p.paths = append(p.paths, of)
	return &p.paths[len(p.paths)-1]
}

// each reads a repeated member of at most so many elements.
func (p *parser) each(at *jsonscan.Path, most int, read func(in *jsonscan.Path) error) (list, error) {
	l := list{kind: listSingle, count: 1}
	l.Start = p.ValueStart()
	if p.Peek() != '[' {
		err := read(at)
		l.End = p.At
		return l, err
	}
	l.kind, l.count = listArray, 0
	for p.Open('['); p.Next(']'); l.count++ {
		if l.count == most {
			return l, at.Invalid("must not have more than %d elements", most)
		}
		if err := read(p.path(jsonscan.Path{Parent: at, Index: l.count})); err != nil {
			return l, err
		}
	}
	l.End = p.At
	return l, nil
}

// object reads the known members of an object. A null counts as absent; null
// is told where it stands, if it is not nil. Other members are listed as what
// the canonical form cannot carry.
func (p *parser) object(
	at *jsonscan.Path, known jsonscan.Names, null func(name string, at jsonscan.Span),
	read func(name string, in *jsonscan.Path) error,
) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := find(known, key, &seen, at)
		if err != nil {
			return err
		}
		if name == "" {
			p.note(&jsonscan.Path{Parent: at, Name: camelName(key)})
			continue
		}
		if p.Null() {
			if null != nil {
				null(name, jsonscan.Span{Start: p.At - len("null"), End: p.At})
			}
			continue
		}
		if err := read(name, p.path(jsonscan.Path{Parent: at, Name: name})); err != nil {
			return err
		}
	}
	return nil
}

// maxUnexpressed is how many members are listed; one suffices to refuse.
const maxUnexpressed = 64

// note lists a member unless it says nothing but its default.
func (p *parser) note(at *jsonscan.Path) {
	sp := p.Skip()
	if p.Err == nil && !isDefault(p.Data[sp.Start:sp.End]) {
		p.lacks(at)
	}
}

// lacks lists a member.
func (p *parser) lacks(at *jsonscan.Path) {
	if len(p.req.unexpressed) < maxUnexpressed {
		p.req.unexpressed = append(p.req.unexpressed, at.String())
	}
}

// isDefault says whether a value is that of a member that is not there.
func isDefault(value []byte) bool {
	switch string(value) {
	case "null", "false", "0", `""`:
		return true
	}
	if c := value[0]; c == '[' || c == '{' {
		return len(bytes.TrimSpace(value[1:len(value)-1])) == 0
	}
	return false
}

func (p *parser) stringMember(dst *string, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Value(p.Text())
	return nil
}

func (p *parser) textMember(dst *jsonscan.Token, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Text()
	return nil
}

func (p *parser) boolMember(dst *bool, at *jsonscan.Path) error {
	value, ok := p.Boolean()
	if !ok {
		return at.Invalid("must be true or false")
	}
	*dst = value
	return nil
}
