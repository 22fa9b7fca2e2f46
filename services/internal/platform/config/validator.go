package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Section is a part of a configuration that can check itself. Load calls
// Validate of the root; each section calls Validate of the sections in it,
// with v.At of their names.
type Section interface {
	Validate(v *Validator)
}

// Validator collects the faults of a configuration. It stands at one path of
// the file; At, Index and Key step down from there.
type Validator struct {
	prefix string
	rec    *recorder
}

// NewValidator returns a validator at the root, for checking a configuration
// that did not come from a file.
func NewValidator() *Validator { return &Validator{rec: &recorder{}} }

// At returns a validator below v. The path may have several steps, such as
// timeouts.connect. An empty path gives v's own place.
func (v *Validator) At(path string) *Validator {
	return &Validator{prefix: joinPath(v.prefix, path), rec: v.rec}
}

// Index returns a validator at the i-th element of the list at v.
func (v *Validator) Index(i int) *Validator { return v.At("[" + strconv.Itoa(i) + "]") }

// Key returns a validator at an entry of the map at v, whatever the key holds.
func (v *Validator) Key(key string) *Validator { return v.At(keyStep(key)) }

// Path returns where v stands.
func (v *Validator) Path() string { return v.prefix }

// Fail reports a fault at a path below v ("" for v's own place). The message
// must not show secrets. The returned fault takes a way out: WithHelp.
func (v *Validator) Fail(path, format string, args ...any) *Fault {
	full := joinPath(v.prefix, path)
	return v.rec.add(&Fault{Path: full, Line: v.rec.line(full), Message: fmt.Sprintf(format, args...)})
}

// Check calls Validate of a section at a path below v.
func (v *Validator) Check(path string, s Section) { s.Validate(v.At(path)) }

// Err returns the faults so far as Faults, or nil.
func (v *Validator) Err() error { return v.rec.err() }

func joinPath(prefix, path string) string {
	switch {
	case prefix == "":
		return path
	case path == "":
		return prefix
	case strings.HasPrefix(path, "["):
		return prefix + path
	}
	return prefix + "." + path
}

// keyStep writes a map key as a step of a path: plain where that is
// unambiguous, else quoted in brackets.
func keyStep(key string) string {
	plain := key != ""
	for _, r := range key {
		if r == '.' || r == '[' || r == ']' || r == '"' || r <= ' ' {
			plain = false
		}
	}
	if plain {
		return key
	}
	return "[" + strconv.Quote(key) + "]"
}

// parentPath drops the last step.
func parentPath(path string) string {
	if strings.HasSuffix(path, `"]`) {
		if i := strings.LastIndex(path, `["`); i >= 0 {
			return path[:i]
		}
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
