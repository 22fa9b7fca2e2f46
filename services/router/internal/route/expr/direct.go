package expr

import (
	"cmp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

// Most conditions compare facts with constants. Such are compiled into closures
// over the facts, which answer many times faster than CEL's interpreter and
// allocate nothing. Whatever is beyond them CEL evaluates itself, and what it
// says is the measure: where both answer, they answer the same.

// value is a compiled expression of a type; nil if the expression is beyond what
// is compiled. It returns false where it has no answer, as CEL has errors.
type value[T any] func(*Facts) (T, bool)

// truth compiles an expression that is true or false.
func truth(e ast.Expr) value[bool] {
	switch e.Kind() {
	case ast.SelectKind:
		return hasLabel(e)
	case ast.CallKind:
		name, args := call(e)
		switch len(args) {
		case 1:
			return negation(name, args[0])
		case 2:
			return relation(name, args[0], args[1])
		}
	}
	return plain[bool](e)
}

// call is a function's name and what it is called with, its receiver first.
func call(e ast.Expr) (string, []ast.Expr) {
	c := e.AsCall()
	if c.IsMemberFunction() {
		return c.FunctionName(), slices.Concat([]ast.Expr{c.Target()}, c.Args())
	}
	return c.FunctionName(), c.Args()
}

// plain compiles a constant or a variable.
func plain[T any](e ast.Expr) value[T] {
	switch e.Kind() {
	case ast.LiteralKind:
		if v, ok := constant[T](e); ok {
			return func(*Facts) (T, bool) { return v, true }
		}
	case ast.IdentKind:
		if i, ok := indexes[e.AsIdent()]; ok {
			if of, ok := variables[i].of.(func(*Facts) T); ok {
				return func(f *Facts) (T, bool) { return of(f), true }
			}
		}
	}
	return nil
}

func negation(name string, of ast.Expr) value[bool] {
	if name != operators.LogicalNot {
		return nil
	}
	return one(truth(of), func(b bool) bool { return !b })
}

func relation(name string, a, b ast.Expr) value[bool] {
	switch name {
	case operators.LogicalAnd:
		return logical(truth(a), truth(b), false)
	case operators.LogicalOr:
		return logical(truth(a), truth(b), true)
	case operators.Equals:
		return equal(a, b, true)
	case operators.NotEquals:
		return equal(a, b, false)
	case operators.Less:
		return ordered(a, b, func(order int) bool { return order < 0 })
	case operators.LessEquals:
		return ordered(a, b, func(order int) bool { return order <= 0 })
	case operators.Greater:
		return ordered(a, b, func(order int) bool { return order > 0 })
	case operators.GreaterEquals:
		return ordered(a, b, func(order int) bool { return order >= 0 })
	case operators.In:
		return contained(a, b)
	case overloads.StartsWith:
		return two(text(a), text(b), strings.HasPrefix)
	case overloads.EndsWith:
		return two(text(a), text(b), strings.HasSuffix)
	case overloads.Contains:
		return two(text(a), text(b), strings.Contains)
	case overloads.Matches:
		return matching(text(a), b)
	default:
		return nil
	}
}

// logical is "and" or "or", which one side alone may decide: then it does not
// matter that the other has no answer.
func logical(a, b value[bool], decisive bool) value[bool] {
	if a == nil || b == nil {
		return nil
	}
	return func(f *Facts) (bool, bool) {
		x, answers := a(f)
		if answers && x == decisive {
			return decisive, true
		}
		y, also := b(f)
		if also && y == decisive {
			return decisive, true
		}
		return !decisive, answers && also
	}
}

func equal(a, b ast.Expr, want bool) value[bool] {
	return first(equals(text, a, b, want), equals(number, a, b, want), equals(plain[float64], a, b, want), equals(truth, a, b, want))
}

func equals[T comparable](of func(ast.Expr) value[T], a, b ast.Expr, want bool) value[bool] {
	if fixed, ok := constant[T](b); ok {
		return one(of(a), func(x T) bool { return (x == fixed) == want })
	}
	return two(of(a), of(b), func(x, y T) bool { return (x == y) == want })
}

func ordered(a, b ast.Expr, holds func(order int) bool) value[bool] {
	return first(compares(text, a, b, holds), compares(number, a, b, holds), compares(plain[float64], a, b, holds))
}

func compares[T cmp.Ordered](of func(ast.Expr) value[T], a, b ast.Expr, holds func(order int) bool) value[bool] {
	if fixed, ok := constant[T](b); ok {
		return one(of(a), func(x T) bool { return holds(cmp.Compare(x, fixed)) })
	}
	return two(of(a), of(b), func(x, y T) bool { return holds(cmp.Compare(x, y)) })
}

// first is the one that there is: an expression has one type.
func first(all ...value[bool]) value[bool] {
	for _, v := range all {
		if v != nil {
			return v
		}
	}
	return nil
}

// one makes a value of another.
func one[A, T any](a value[A], of func(A) T) value[T] {
	if a == nil {
		return nil
	}
	return func(f *Facts) (result T, ok bool) {
		x, ok := a(f)
		if !ok {
			return result, false
		}
		return of(x), true
	}
}

// two makes a value of two others.
func two[A, B, T any](a value[A], b value[B], of func(A, B) T) value[T] {
	if a == nil || b == nil {
		return nil
	}
	return func(f *Facts) (result T, ok bool) {
		x, ok := a(f)
		if !ok {
			return result, false
		}
		y, ok := b(f)
		if !ok {
			return result, false
		}
		return of(x, y), true
	}
}
