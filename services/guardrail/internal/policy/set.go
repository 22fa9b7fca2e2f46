package policy

import (
	"fmt"
	"maps"
	"slices"
)

// Set is the policies in force. It is immutable.
type Set struct {
	byName map[string]*Compiled
	names  []string
}

// NewSet compiles policies. The built-in default policy is there unless one of
// that name is given.
func NewSet(policies []Policy) (*Set, error) {
	s := &Set{byName: map[string]*Compiled{}}
	for _, p := range append([]Policy{Default()}, policies...) {
		c, err := Compile(p)
		if err != nil {
			return nil, fmt.Errorf("compile policies: %w", err)
		}
		s.byName[p.Name] = c
	}
	s.names = slices.Sorted(maps.Keys(s.byName))
	return s, nil
}

// Get finds a policy; an empty name means the default.
func (s *Set) Get(name string) (*Compiled, bool) {
	if name == "" {
		name = DefaultName
	}
	c, ok := s.byName[name]
	return c, ok
}

// After lists at most limit policies by name, those after the given name.
func (s *Set) After(name string, limit int) (page []*Compiled, more bool) {
	i, found := slices.BinarySearch(s.names, name)
	if found {
		i++
	}
	for ; i < len(s.names); i++ {
		if len(page) == limit {
			return page, true
		}
		page = append(page, s.byName[s.names[i]])
	}
	return page, false
}
