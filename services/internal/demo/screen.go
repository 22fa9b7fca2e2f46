package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// screen writes for a person: with colour on a terminal, plain elsewhere.
type screen struct {
	w      io.Writer
	colour bool
	failed []string
}

func newScreen(w io.Writer) *screen {
	file, ok := w.(*os.File)
	if !ok {
		return &screen{w: w}
	}
	info, err := file.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{w: w, colour: terminal && os.Getenv("NO_COLOR") == ""}
}

func (o *screen) printf(format string, args ...any) { fmt.Fprintf(o.w, format, args...) }

func (o *screen) paint(code, s string) string {
	if !o.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (o *screen) bold(s string) string  { return o.paint("1", s) }
func (o *screen) dim(s string) string   { return o.paint("2", s) }
func (o *screen) green(s string) string { return o.paint("32", s) }
func (o *screen) red(s string) string   { return o.paint("31", s) }

// title begins a step.
func (o *screen) title(number int, text string) {
	o.printf("\n%s\n", o.bold(fmt.Sprintf("%d  %s", number, text)))
}

// field prints a name and a value.
func (o *screen) field(name, format string, args ...any) {
	o.printf("   %s %s\n", o.dim(fmt.Sprintf("%-10s", name)), fmt.Sprintf(format, args...))
}

// check prints whether something held, and remembers it if it did not.
func (o *screen) check(held bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if held {
		o.printf("   %s %s\n", o.green("✓"), text)
		return
	}
	o.printf("   %s %s\n", o.red("✗"), text)
	o.failed = append(o.failed, text)
}

// result is the error of everything that did not hold.
func (o *screen) result() error {
	if len(o.failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d check(s) failed: %s", len(o.failed), strings.Join(o.failed, "; "))
}
