package config

import (
	"go.yaml.in/yaml/v3"
)

// Node is one value of the file, with aliases, merge keys and environment
// variables resolved. Types that accept more than one form get it in
// UnmarshalConfig.
type Node struct {
	path string
	line int
	yaml yaml.Node // Kind, Tag, Value and Style only; children are below
	// interpolated says that the value came from the environment, so that it
	// must not be shown.
	interpolated bool
	entries      []entry
	items        []*Node
	rec          *recorder
}

type entry struct {
	key   string
	line  int
	value *Node
}

// Unmarshaler is implemented by types that accept more than one form, such as
// a name or a mapping. Faults are reported through the node.
type Unmarshaler interface {
	UnmarshalConfig(n *Node)
}

// IsScalar reports whether the value is a single text, number or boolean.
func (n *Node) IsScalar() bool { return n.yaml.Kind == yaml.ScalarNode && !n.IsNull() }

// IsList reports whether the value is a list.
func (n *Node) IsList() bool { return n.yaml.Kind == yaml.SequenceNode }

// IsMap reports whether the value is a mapping.
func (n *Node) IsMap() bool { return n.yaml.Kind == yaml.MappingNode }

// IsNull reports whether no value was given.
func (n *Node) IsNull() bool {
	return n.yaml.Kind == yaml.ScalarNode && n.yaml.ShortTag() == "!!null"
}

// Text returns the text of a scalar.
func (n *Node) Text() string { return n.yaml.Value }

// Path returns where the value stands.
func (n *Node) Path() string { return n.path }

// Decode decodes the value strictly into dst, a pointer. Inside
// UnmarshalConfig of T, decode into a type without that method to avoid
// endless recursion: type plain T; n.Decode((*plain)(t)).
func (n *Node) Decode(dst any) { decodeInto(n, dst) }

// Fail reports a fault at this value.
func (n *Node) Fail(format string, args ...any) *Fault {
	v := Validator{prefix: n.path, rec: n.rec}
	return v.Fail("", format, args...)
}

// tree turns the node back into the YAML library's form.
func (n *Node) tree() *yaml.Node {
	out := n.yaml
	out.Line = n.line
	for _, e := range n.entries {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.key, Line: e.line}
		out.Content = append(out.Content, key, e.value.tree())
	}
	for _, item := range n.items {
		out.Content = append(out.Content, item.tree())
	}
	return &out
}

// describe names the form of the value for a message, without showing it.
func (n *Node) describe() string {
	switch n.yaml.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.yaml.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "nothing"
	}
	return "text"
}
