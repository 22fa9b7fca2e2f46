package qdrantlocal

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// predicate decides on one point. The payload is decoded at most once per
// point and only when a condition needs it.
type predicate func(slot uint32, payload func() (map[string]*qdrant.Value, error)) (bool, error)

// filter is a compiled filter over one state of an index.
type filter struct {
	x     *index
	match predicate
	// narrowest lists the slots that any match must be among, from the most
	// selective indexed condition that every match must meet.
	narrowest []uint32
	narrowed  bool
}

// compile turns a filter into predicates. It must run under the collection's
// lock, as must the use of the result.
func compile(x *index, in *qdrant.Filter, limits Limits) (*filter, error) {
	if n := conditions(in); n > limits.FilterConditions {
		return nil, invalid("a filter may hold %d conditions", limits.FilterConditions)
	}
	f := &filter{x: x}
	match, err := f.filter(in, true)
	f.match = match
	return f, err
}

func conditions(in *qdrant.Filter) int {
	n := 0
	for _, list := range [][]*qdrant.Condition{in.GetMust(), in.GetShould(), in.GetMustNot(), in.GetMinShould().GetConditions()} {
		n += len(list)
		for _, c := range list {
			n += conditions(c.GetFilter())
			n += len(c.GetHasId().GetHasId())
		}
	}
	return n
}

func (f *filter) candidates() ([]uint32, bool) { return f.narrowest, f.narrowed }

func (f *filter) matches(slot uint32) (bool, error) {
	p := f.x.slots[slot]
	if p == nil {
		return false, nil
	}
	if f.match == nil {
		return true, nil
	}
	var fields map[string]*qdrant.Value
	return f.match(slot, func() (map[string]*qdrant.Value, error) {
		if fields != nil {
			return fields, nil
		}
		var err error
		fields, err = decodePayload(p.payload)
		return fields, err
	})
}

func (f *filter) narrow(slots []uint32) {
	if !f.narrowed || len(slots) < len(f.narrowest) {
		f.narrowest, f.narrowed = slots, true
	}
}

// filter compiles one level. required says that a match must satisfy it, so
// that its conditions may narrow the search.
func (f *filter) filter(in *qdrant.Filter, required bool) (predicate, error) {
	if in == nil {
		return nil, nil
	}
	if in.GetMinShould() != nil {
		return nil, unimplemented("min_should")
	}
	must, err := f.all(in.GetMust(), required)
	if err != nil {
		return nil, err
	}
	should, err := f.all(in.GetShould(), required && len(in.GetShould()) == 1)
	if err != nil {
		return nil, err
	}
	mustNot, err := f.all(in.GetMustNot(), false)
	if err != nil {
		return nil, err
	}
	return func(slot uint32, payload func() (map[string]*qdrant.Value, error)) (bool, error) {
		for _, p := range must {
			if ok, err := p(slot, payload); !ok || err != nil {
				return false, err
			}
		}
		for _, p := range mustNot {
			if ok, err := p(slot, payload); ok || err != nil {
				return false, err
			}
		}
		for _, p := range should {
			if ok, err := p(slot, payload); ok || err != nil {
				return ok, err
			}
		}
		return len(should) == 0, nil
	}, nil
}

func (f *filter) all(list []*qdrant.Condition, required bool) ([]predicate, error) {
	out := make([]predicate, 0, len(list))
	for _, c := range list {
		p, err := f.condition(c, required)
		if err != nil {
			return nil, err
		}
		if p != nil {
			out = append(out, p)
		}
	}
	return out, nil
}

func (f *filter) condition(c *qdrant.Condition, required bool) (predicate, error) {
	switch v := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_Field:
		return f.field(v.Field, required)
	case *qdrant.Condition_HasId:
		return f.hasID(v.HasId, required)
	case *qdrant.Condition_Filter:
		return f.filter(v.Filter, required)
	case *qdrant.Condition_IsEmpty:
		return onValue(v.IsEmpty.GetKey(), isEmpty), nil
	case *qdrant.Condition_IsNull:
		return onValue(v.IsNull.GetKey(), isNull), nil
	}
	return nil, unimplemented("this filter condition")
}

func (f *filter) hasID(c *qdrant.HasIdCondition, required bool) (predicate, error) {
	keys, err := keysOf(c.GetHasId())
	if err != nil {
		return nil, err
	}
	slots := make([]uint32, 0, len(keys))
	for _, k := range keys {
		if slot, ok := f.x.byKey[k]; ok {
			slots = append(slots, slot)
		}
	}
	slices.Sort(slots)
	slots = slices.Compact(slots)
	if required {
		f.narrow(slots)
	}
	return func(slot uint32, _ func() (map[string]*qdrant.Value, error)) (bool, error) {
		_, ok := slices.BinarySearch(slots, slot)
		return ok, nil
	}, nil
}

func (f *filter) field(c *qdrant.FieldCondition, required bool) (predicate, error) {
	if c.GetGeoBoundingBox() != nil || c.GetGeoRadius() != nil || c.GetGeoPolygon() != nil ||
		c.GetValuesCount() != nil || c.GetDatetimeRange() != nil || c.IsEmpty != nil || c.IsNull != nil {
		return nil, unimplemented("this field condition")
	}
	if c.GetMatch() == nil && c.GetRange() == nil {
		return nil, invalid("a field condition needs a match or a range")
	}
	if k := f.x.keywords[c.GetKey()]; k != nil && c.GetRange() == nil {
		switch m := c.GetMatch().GetMatchValue().(type) {
		case *qdrant.Match_Keyword:
			return f.indexed(k, []string{m.Keyword}, required), nil
		case *qdrant.Match_Keywords:
			return f.indexed(k, m.Keywords.GetStrings(), required), nil
		}
	}
	test, err := valueTest(c)
	if err != nil {
		return nil, err
	}
	return onValue(c.GetKey(), func(v *qdrant.Value) bool { return anyValue(v, test) }), nil
}

// indexed matches any of the values through the keyword index.
func (f *filter) indexed(k *keywordIndex, values []string, required bool) predicate {
	var ids []uint32
	for _, v := range values {
		if id, ok := k.ids[v]; ok {
			ids = append(ids, id)
		}
	}
	if required {
		switch len(ids) {
		case 0:
			f.narrow(nil)
		case 1:
			f.narrow(k.lists[ids[0]].slots)
		}
	}
	return func(slot uint32, _ func() (map[string]*qdrant.Value, error)) (bool, error) {
		for _, id := range ids {
			if k.has(slot, id) {
				return true, nil
			}
		}
		return false, nil
	}
}

func onValue(key string, test func(*qdrant.Value) bool) predicate {
	return func(_ uint32, payload func() (map[string]*qdrant.Value, error)) (bool, error) {
		fields, err := payload()
		if err != nil {
			return false, err
		}
		return test(lookup(fields, key)), nil
	}
}

func isNull(v *qdrant.Value) bool {
	_, ok := v.GetKind().(*qdrant.Value_NullValue)
	return ok
}

func isEmpty(v *qdrant.Value) bool {
	if v == nil || isNull(v) {
		return true
	}
	list := v.GetListValue()
	return list != nil && len(list.GetValues()) == 0
}

// valueTest is the test of one scalar for a match, a range, or both.
func valueTest(c *qdrant.FieldCondition) (func(*qdrant.Value) bool, error) {
	var tests []func(*qdrant.Value) bool
	if c.GetMatch() != nil {
		t, err := matchTest(c.GetMatch())
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	if r := c.GetRange(); r != nil {
		tests = append(tests, rangeTest(r))
	}
	return func(v *qdrant.Value) bool {
		for _, t := range tests {
			if !t(v) {
				return false
			}
		}
		return true
	}, nil
}

func matchTest(m *qdrant.Match) (func(*qdrant.Value) bool, error) {
	switch v := m.GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return stringTest(func(s string) bool { return s == v.Keyword }), nil
	case *qdrant.Match_Keywords:
		return stringTest(func(s string) bool { return slices.Contains(v.Keywords.GetStrings(), s) }), nil
	case *qdrant.Match_ExceptKeywords:
		return stringTest(func(s string) bool { return !slices.Contains(v.ExceptKeywords.GetStrings(), s) }), nil
	case *qdrant.Match_Integer:
		return integerTest(func(n int64) bool { return n == v.Integer }), nil
	case *qdrant.Match_Integers:
		return integerTest(func(n int64) bool { return slices.Contains(v.Integers.GetIntegers(), n) }), nil
	case *qdrant.Match_ExceptIntegers:
		return integerTest(func(n int64) bool { return !slices.Contains(v.ExceptIntegers.GetIntegers(), n) }), nil
	case *qdrant.Match_Boolean:
		return func(e *qdrant.Value) bool {
			b, ok := e.GetKind().(*qdrant.Value_BoolValue)
			return ok && b.BoolValue == v.Boolean
		}, nil
	}
	return nil, unimplemented("full-text match")
}

func stringTest(test func(string) bool) func(*qdrant.Value) bool {
	return func(v *qdrant.Value) bool {
		s, ok := v.GetKind().(*qdrant.Value_StringValue)
		return ok && test(s.StringValue)
	}
}

func integerTest(test func(int64) bool) func(*qdrant.Value) bool {
	return func(v *qdrant.Value) bool {
		n, ok := v.GetKind().(*qdrant.Value_IntegerValue)
		return ok && test(n.IntegerValue)
	}
}

func rangeTest(r *qdrant.Range) func(*qdrant.Value) bool {
	return func(v *qdrant.Value) bool {
		var x float64
		switch n := v.GetKind().(type) {
		case *qdrant.Value_IntegerValue:
			x = float64(n.IntegerValue)
		case *qdrant.Value_DoubleValue:
			x = n.DoubleValue
		default:
			return false
		}
		return (r.Lt == nil || x < r.GetLt()) && (r.Lte == nil || x <= r.GetLte()) &&
			(r.Gt == nil || x > r.GetGt()) && (r.Gte == nil || x >= r.GetGte())
	}
}
