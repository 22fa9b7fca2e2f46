package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what a file may grow to once aliases are followed. They hold
// against alias bombs; no real configuration comes near them.
const (
	maxDepth = 64
	maxNodes = 50_000
)

// expander turns the YAML library's tree into Nodes: it follows aliases and
// merge keys, interpolates the environment and notes the line of each path.
type expander struct {
	rec    *recorder
	lookup func(string) (string, bool)
	nodes  int
	full   bool
}

func (x *expander) fail(path string, line int, format string, args ...any) *Fault {
	return x.rec.add(&Fault{Path: path, Line: line, Message: fmt.Sprintf(format, args...)})
}

// expand returns nil where it reported a fault that leaves nothing to decode.
func (x *expander) expand(src *yaml.Node, path string, depth int) *Node {
	line := src.Line
	for src.Kind == yaml.AliasNode {
		src = src.Alias
		depth++
	}
	x.nodes++
	if x.nodes > maxNodes || depth > maxDepth {
		if !x.full {
			x.full = true
			x.fail(path, line, "the file is nested too deeply or grows too large through its aliases").
				WithHelp("at most %d levels and %d values", maxDepth, maxNodes)
		}
		return nil
	}
	x.rec.lines[path] = line
	n := &Node{path: path, line: line, rec: x.rec}
	n.yaml = yaml.Node{Kind: src.Kind, Tag: src.Tag, Value: src.Value, Style: src.Style &^ yaml.TaggedStyle}
	if tag := src.ShortTag(); !strings.HasPrefix(tag, "!!") || tag == "!!binary" {
		x.fail(path, line, "the tag %s is not supported", tag)
		return nil
	}
	switch src.Kind {
	case yaml.ScalarNode:
		if !x.interpolate(n) {
			return nil
		}
	case yaml.SequenceNode:
		for i, item := range src.Content {
			if x.full {
				break
			}
			child := x.expand(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
			if child != nil {
				n.items = append(n.items, child)
			}
		}
	case yaml.MappingNode:
		x.mapping(n, src, depth, map[string]bool{}, false)
	}
	return n
}

// mapping adds the entries of src to n. Entries that came through a merge key
// give way to those that were there before.
func (x *expander) mapping(n *Node, src *yaml.Node, depth int, seen map[string]bool, merged bool) {
	var merges []*yaml.Node
	own := make(map[string]bool, len(src.Content)/2)
	for i := 0; i+1 < len(src.Content) && !x.full; i += 2 {
		key, value := src.Content[i], src.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			x.fail(n.path, key.Line, "a key must be plain text")
			continue
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case own[key.Value]:
			x.fail(joinPath(n.path, keyStep(key.Value)), key.Line, "the key is given twice")
			continue
		}
		own[key.Value] = true
		if merged && seen[key.Value] {
			continue
		}
		seen[key.Value] = true
		if child := x.expand(value, joinPath(n.path, keyStep(key.Value)), depth+1); child != nil {
			n.entries = append(n.entries, entry{key: key.Value, line: key.Line, value: child})
		}
	}
	for _, m := range merges {
		x.merge(n, m, depth+1, seen)
	}
}

func (x *expander) merge(n *Node, src *yaml.Node, depth int, seen map[string]bool) {
	for src.Kind == yaml.AliasNode {
		src = src.Alias
	}
	x.nodes++
	if depth > maxDepth || x.nodes > maxNodes {
		if !x.full {
			x.full = true
			x.fail(n.path, src.Line, "merge keys are nested too deeply")
		}
		return
	}
	switch src.Kind {
	case yaml.MappingNode:
		x.mapping(n, src, depth, seen, true)
	case yaml.SequenceNode:
		for _, item := range src.Content {
			if x.full {
				return
			}
			x.merge(n, item, depth+1, seen)
		}
	default:
		x.fail(n.path, src.Line, "a merge key needs a mapping")
	}
}

// interpolate replaces ${NAME} and ${NAME:-default} in a scalar; $${ stands
// for a literal ${. It reports whether the value can be decoded.
func (x *expander) interpolate(n *Node) bool {
	if !strings.Contains(n.yaml.Value, "${") {
		return true
	}
	var b strings.Builder
	rest, ok := n.yaml.Value, true
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		end := strings.IndexByte(rest[i:], '}')
		if end < 0 {
			x.fail(n.path, n.line, "a ${ has no closing brace").WithHelp("write $${ for a literal ${")
			return false
		}
		name, fallback, hasFallback := strings.Cut(rest[i+2:i+end], ":-")
		rest = rest[i+end+1:]
		value, found := x.variable(n, name, fallback, hasFallback)
		ok = ok && found
		b.WriteString(value)
		n.interpolated = true
	}
	n.yaml.Value = b.String()
	if n.yaml.Style == 0 {
		n.yaml.Tag = "" // resolve again: ${PORT} may hold a number
	}
	return ok
}

func (x *expander) variable(n *Node, name, fallback string, hasFallback bool) (string, bool) {
	if !validName(name) {
		x.fail(n.path, n.line, "a ${…} does not name an environment variable").
			WithHelp("write ${NAME} or ${NAME:-default}; $${ for a literal ${")
		return "", false
	}
	value, set := x.lookup(name)
	switch {
	case set && (value != "" || !hasFallback):
		return value, true
	case hasFallback:
		return fallback, true
	}
	x.fail(n.path, n.line, "the environment variable %s is not set", name).
		WithHelp("set it, or give a default: ${%s:-value}", name)
	return "", false
}

func validName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
