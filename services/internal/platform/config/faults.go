package config

import (
	"fmt"
	"sort"
	"strings"
)

// Fault is one thing wrong with a configuration.
type Fault struct {
	// Path leads to the value, such as targets[0].timeouts.connect. Empty
	// when the whole file is at fault.
	Path string
	// Line is where the value, or the nearest thing around it, stands in the
	// file. 0 when unknown.
	Line int
	// Message says what is wrong. It never holds an interpolated value.
	Message string
	// Help says what to do about it. May be empty.
	Help string
}

// WithHelp sets the way out and returns the fault.
func (f *Fault) WithHelp(format string, args ...any) *Fault {
	f.Help = fmt.Sprintf(format, args...)
	return f
}

// Error implements error.
func (f *Fault) Error() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", f.Line)
	}
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	if f.Help != "" {
		b.WriteString(" (")
		b.WriteString(f.Help)
		b.WriteString(")")
	}
	return b.String()
}

// Faults is everything wrong with a configuration, in the order of the file.
type Faults []*Fault

// maxShown bounds what Error prints; a person mends the first hundred first.
const maxShown = 100

// Error implements error: one fault a line.
func (fs Faults) Error() string {
	shown := fs[:min(len(fs), maxShown)]
	lines := make([]string, 0, len(shown)+1)
	for _, f := range shown {
		lines = append(lines, f.Error())
	}
	if more := len(fs) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// recorder collects faults and knows on which line each path stands.
type recorder struct {
	faults Faults
	known  map[faultKey]*Fault
	lines  map[string]int
}

type faultKey struct{ path, message string }

// add records a fault once: the same one found again gives the first.
func (r *recorder) add(f *Fault) *Fault {
	key := faultKey{f.Path, f.Message}
	if old, ok := r.known[key]; ok {
		return old
	}
	if r.known == nil {
		r.known = map[faultKey]*Fault{}
	}
	r.known[key] = f
	r.faults = append(r.faults, f)
	return f
}

// line finds the line of a path, or of the nearest parent that the file has.
func (r *recorder) line(path string) int {
	for path != "" {
		if line, ok := r.lines[path]; ok {
			return line
		}
		path = parentPath(path)
	}
	return 0
}

func (r *recorder) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	sort.SliceStable(r.faults, func(i, j int) bool { return r.faults[i].Line < r.faults[j].Line })
	return r.faults
}
