// Package config reads one strict YAML file: environment variables are
// interpolated in values, unknown keys are errors, every section validates
// itself, and all faults are reported together, each with its path and line.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest configuration file that is read.
const MaxSize Bytes = 1 << 20

// Load reads the file at path into dst, which the caller has filled with
// defaults: lists and maps in the file replace those in dst, mappings that
// are structs fill it field by field. If dst (or *dst) is a Section it is
// validated. lookupEnv is usually os.LookupEnv. An empty path reads nothing
// and only validates. What is wrong with the content is returned as Faults;
// dst is then not fit for use.
func Load[T any](path string, lookupEnv func(string) (string, bool), dst *T) error {
	if path == "" {
		return Parse(nil, lookupEnv, dst)
	}
	data, err := read(path)
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	return Parse(data, lookupEnv, dst)
}

// Parse is Load for content that was read already.
func Parse[T any](data []byte, lookupEnv func(string) (string, bool), dst *T) error {
	rec := &recorder{lines: map[string]int{}}
	if root := parse(data, lookupEnv, rec); root != nil {
		decodeInto(root, dst)
	}
	if s, ok := any(dst).(Section); ok {
		s.Validate(&Validator{rec: rec})
	} else if s, ok := any(*dst).(Section); ok {
		s.Validate(&Validator{rec: rec})
	}
	return rec.err()
}

// parse returns nil when there is nothing to decode.
func parse(data []byte, lookupEnv func(string) (string, bool), rec *recorder) *Node {
	if len(data) > int(MaxSize) {
		rec.add(&Fault{Message: fmt.Sprintf("the file is larger than %s", MaxSize)})
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		rec.add(syntaxFault(err))
		return nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		rec.add(&Fault{Message: "the file holds more than one document"})
		return nil
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil
	}
	x := &expander{rec: rec, lookup: lookupEnv}
	return x.expand(document.Content[0], "", 0)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(MaxSize)+1))
}

var syntaxLine = regexp.MustCompile(`^yaml: line (\d+): `)

func syntaxFault(err error) *Fault {
	text := err.Error()
	f := &Fault{}
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	f.Message = "is not YAML: " + strings.TrimPrefix(text, "yaml: ")
	return f
}
