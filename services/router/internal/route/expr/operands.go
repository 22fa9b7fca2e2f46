package expr

import (
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

// text compiles an expression that is a text.
func text(e ast.Expr) value[string] {
	switch e.Kind() {
	case ast.SelectKind:
		if s := e.AsSelect(); isLabels(s.Operand()) && !s.IsTestOnly() {
			name := s.FieldName()
			return func(f *Facts) (string, bool) { return label(f, name) }
		}
	case ast.CallKind:
		if name, args := call(e); name == operators.Index && isLabels(args[0]) {
			if of := text(args[1]); of != nil {
				return func(f *Facts) (string, bool) {
					name, ok := of(f)
					if !ok {
						return "", false
					}
					return label(f, name)
				}
			}
		}
	}
	return plain[string](e)
}

func label(f *Facts, name string) (string, bool) {
	value, ok := f.Labels[name]
	return value, ok
}

func isLabels(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == labelsName }

// hasLabel compiles has(request.labels.name).
func hasLabel(e ast.Expr) value[bool] {
	s := e.AsSelect()
	if !isLabels(s.Operand()) || !s.IsTestOnly() {
		return nil
	}
	name := s.FieldName()
	return func(f *Facts) (bool, bool) {
		_, has := label(f, name)
		return has, true
	}
}

// number compiles an expression that is a whole number.
func number(e ast.Expr) value[int64] {
	if e.Kind() != ast.CallKind {
		return plain[int64](e)
	}
	name, args := call(e)
	if len(args) == 0 {
		return nil
	}
	if name == overloads.Size && len(args) == 1 {
		return size(args[0])
	}
	for _, z := range zoned {
		if z.function == name {
			return part(plain[time.Time](args[0]), args[1:], z.of)
		}
	}
	return nil
}

// size is a text's length in characters, or how many entries a list or map has.
func size(e ast.Expr) value[int64] {
	if of := text(e); of != nil {
		return one(of, func(s string) int64 { return int64(utf8.RuneCountInString(s)) })
	}
	if of := plain[[]string](e); of != nil {
		return one(of, func(list []string) int64 { return int64(len(list)) })
	}
	return one(plain[map[string]string](e), func(m map[string]string) int64 { return int64(len(m)) })
}

// part is a part of a time, in UTC or in a zone that is a constant.
func part(at value[time.Time], zone []ast.Expr, of func(time.Time) int) value[int64] {
	place := time.UTC
	if len(zone) > 0 {
		name, ok := constant[string](zone[0])
		if !ok {
			return nil
		}
		var err error
		if place, err = location(name); err != nil {
			return nil
		}
	}
	return one(at, func(t time.Time) int64 { return int64(of(t.In(place))) })
}

// constant is what an expression says for every request.
func constant[T any](e ast.Expr) (result T, ok bool) {
	if e.Kind() != ast.LiteralKind {
		return result, false
	}
	result, ok = e.AsLiteral().Value().(T)
	return result, ok
}

// constants are what a list says for every request.
func constants[T any](e ast.Expr) ([]T, bool) {
	if e.Kind() != ast.ListKind {
		return nil, false
	}
	var all []T
	for _, element := range e.AsList().Elements() {
		one, ok := constant[T](element)
		if !ok {
			return nil, false
		}
		all = append(all, one)
	}
	return all, true
}

// contained compiles "in": a list of constants, the caller's roles, or the names
// of labels.
func contained(element, container ast.Expr) value[bool] {
	if list, ok := constants[string](container); ok {
		return one(text(element), func(s string) bool { return slices.Contains(list, s) })
	}
	if list, ok := constants[int64](container); ok {
		return one(number(element), func(n int64) bool { return slices.Contains(list, n) })
	}
	if list := plain[[]string](container); list != nil {
		return two(text(element), list, func(s string, list []string) bool { return slices.Contains(list, s) })
	}
	return two(text(element), plain[map[string]string](container), func(s string, m map[string]string) bool {
		_, has := m[s]
		return has
	})
}

// matching compiles matches() with an expression that is a constant.
func matching(of value[string], pattern ast.Expr) value[bool] {
	source, ok := constant[string](pattern)
	if !ok {
		return nil
	}
	compiled, err := regexp.Compile(source)
	if err != nil {
		return nil
	}
	return one(of, compiled.MatchString)
}
