package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// samples are what a scanner may trip over, valid and not.
var samples = []string{
	`{"a":1,"b":[true,false,null],"c":{"d":"e"}}`, ` [ ] `, `{}`, `""`, `0`, "\t-0.5e+10\n", `1E9`, `-0`,
	`"\u0041\ud83d\ude00\ud83d\uD83D\ude00\n\/\b\f"`, `"\ude00\u0000"`, `"` + strings.Repeat("é", 9) + `\"` + strings.Repeat("x", 20) + `"`,
	`{"a":1,"a":2}`, `{"":""}`, `[1,[2,[3]],"]"]`,
	``, ` `, `{`, `[`, `[1,]`, `[,1]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a" 1}`, `{1:1}`, `[1 2]`, `[}`, `{]`, `1 2`, `01`, `1.`, `.5`, `+1`, `1e`, `1e+`,
	`--1`, `nul`, `truex`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "\"\x00\"", "\x00", "1\x00", "[1,\x00]", "\ufeff1", "\"\xff\"", "\xff", "\u00a01",
	strings.Repeat("[", 256) + strings.Repeat("]", 256), strings.Repeat("[", 257) + strings.Repeat("]", 257),
	strings.Repeat(`{"a":`, 256) + `1` + strings.Repeat("}", 256), strings.Repeat(`[{"a":`, 200),
	strings.Repeat("[],", 300), "[" + strings.Repeat("[],", 300) + "1]",
}

// deepest says how deep data nests, brackets within strings left out.
func deepest(data []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

// value builds what the standard library's decoder builds, by way of the scanner.
func value(s *Scanner) any {
	switch s.Peek() {
	case '{':
		object := map[string]any{}
		for s.Open('{'); s.Next('}'); {
			key := string(s.Key())
			object[key] = value(s)
		}
		return object
	case '[':
		list := []any{}
		for s.Open('['); s.Next(']'); {
			list = append(list, value(s))
		}
		return list
	case '"':
		return s.Value(s.Text())
	case 't', 'f':
		b, _ := s.Boolean()
		return b
	case 'n':
		s.Null()
		return nil
	default:
		at := s.Number()
		return json.Number(s.Data[at.Start:at.End])
	}
}

// checkStrict holds the scanner to the standard library: the same data is JSON,
// and says the same.
func checkStrict(t *testing.T, data []byte) {
	t.Helper()
	skipping := Scanner{Data: data}
	at := skipping.Skip()
	err := skipping.Finish()
	valid, deep := json.Valid(data), deepest(data) > maxDepth
	switch {
	case deep && err == nil:
		t.Fatalf("nests %d deep and was read: %q", deepest(data), data)
	case deep:
		return
	case valid != (err == nil):
		t.Fatalf("valid %v, but %v: %q", valid, err, data)
	case err != nil:
		if !errors.Is(err, ErrSyntax) {
			t.Fatalf("%v: %q", err, data)
		}
		return
	}
	if got := bytes.Trim(data, " \t\r\n"); string(got) != string(data[at.Start:at.End]) {
		t.Fatalf("stands at %q, not %q", data[at.Start:at.End], got)
	}
	reading := Scanner{Data: data}
	got := value(&reading)
	if err := reading.Finish(); err != nil {
		t.Fatalf("skipped, but when read: %v: %q", err, data)
	}
	if !utf8.Valid(data) {
		return // whoever scans such data has looked at it before, or keeps it as it is
	}
	var want any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q\ngot  %#v\nwant %#v", data, got, want)
	}
}

// checkSplice replaces every string of valid data by a text.
func checkSplice(t *testing.T, data []byte, text string) {
	t.Helper()
	var edits []Edit
	var want func(v any) any
	want = func(v any) any {
		switch v := v.(type) {
		case string:
			return string([]rune(text)) // each broken byte is one U+FFFD
		case []any:
			for i := range v {
				v[i] = want(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = want(v[k])
			}
		}
		return v
	}
	var note func(s *Scanner)
	note = func(s *Scanner) {
		switch s.Peek() {
		case '{':
			for s.Open('{'); s.Next('}'); {
				s.Key()
				note(s)
			}
		case '[':
			for s.Open('['); s.Next(']'); {
				note(s)
			}
		case '"':
			edits = append(edits, Edit{Span: s.Text().Span, Text: text})
		default:
			s.Skip()
		}
	}
	s := Scanner{Data: data}
	note(&s)
	slices.Reverse(edits) // in any order
	out := Splice(data, edits)
	var before, after any
	if err := json.Unmarshal(data, &before); err != nil {
		return // a number out of range
	}
	if err := json.Unmarshal(out, &after); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	if !reflect.DeepEqual(after, want(before)) {
		t.Fatalf("%q\nbecame %q", data, out)
	}
}

func TestStrict(t *testing.T) {
	for _, sample := range samples {
		checkStrict(t, []byte(sample))
	}
}

func TestDepth(t *testing.T) {
	for depth, want := range map[int]error{1: nil, maxDepth: nil, maxDepth + 1: ErrDepth, 1 << 20: ErrDepth} {
		s := Scanner{Data: []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))}
		s.Skip()
		if err := s.Finish(); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", depth, err, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	cases := []struct {
		in string
		n  int64
		ok bool
	}{
		{"0", 0, true},
		{"-7", -7, true},
		{"1e3", 1000, true},
		{"100.0", 100, true},
		{"9223372036854775807", 1<<63 - 1, true},
		{"9223372036854775808", 0, false},
		{"1e300", 0, false},
		{"-1e300", 0, false},
		{"1e999", 0, false},
		{"1.5", 0, false},
		{`"1"`, 0, false},
		{"true", 0, false},
		{"[1]", 0, false},
		{"", 0, false},
	}
	for _, c := range cases {
		s := Scanner{Data: []byte(c.in)}
		if n, ok := s.Integer(); n != c.n || ok != c.ok {
			t.Errorf("%s: %d %v, want %d %v", c.in, n, ok, c.n, c.ok)
		}
	}
}

func TestNames(t *testing.T) {
	names := Names{"model", "n"}
	cases := []struct{ keys, name, fault string }{
		{"model", "model", ""},
		{"other", "", ""},
		{"n model", "model", ""},
		{"model model", "", "at.model"},
		{"Model", "", "at.Model"},
		{"N", "", "at.N"},
	}
	for _, c := range cases {
		var seen uint64
		var name string
		var err error
		for _, key := range strings.Fields(c.keys) {
			name, err = names.Find([]byte(key), &seen, &Path{Name: "at"})
		}
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", c.keys, err)
		}
		if err == nil && name != c.name {
			t.Errorf("%s: found %q", c.keys, name)
		}
	}
	list := &Path{Parent: &Path{Parent: &Path{Name: "messages"}, Index: 3}, Name: "content"}
	if got := list.String(); got != "messages[3].content" {
		t.Error(got)
	}
}

func FuzzScanner(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample), "a\"\\\n\u2028\xff\xe2\x82b")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		checkStrict(t, data)
		if json.Valid(data) && deepest(data) <= maxDepth && utf8.Valid(data) {
			checkSplice(t, data, text)
		}
	})
}

func FuzzEscaping(f *testing.F) {
	for _, text := range []string{"", "plain", "\x00\x1f\x7f", "é€😀", "\xff\xc3(\xed\xa0\x80", "a\"\\/\b\f\n\r\t\u2028"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := AppendString([]byte(nil), text)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatalf("%v: %q", err, quoted)
		}
		if back != string([]rune(text)) {
			t.Fatalf("%q came back as %q", text, back)
		}
		if !bytes.Equal(quoted, AppendString([]byte(nil), []byte(text))) {
			t.Fatal("bytes are written in another way than a string")
		}
		s := Scanner{Data: quoted}
		if got := s.Value(s.Text()); got != back || s.Finish() != nil {
			t.Fatalf("read as %q, not %q", got, back)
		}
	})
}

func BenchmarkSkip(b *testing.B) {
	data := []byte(`{"messages":[` + strings.Repeat(`{"role":"user","content":"`+strings.Repeat("some words of a text ", 50)+`","n":-1.5e3},`, 20) + `null]}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s := Scanner{Data: data}
		s.Skip()
		if err := s.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEditsAtOnePlaceStayInOrder(t *testing.T) {
	var edits []Edit
	want := "{"
	for i := range 40 {
		text := strconv.Itoa(i) + " "
		edits = append(edits, Edit{Span: Span{1, 1}, Before: text})
		want += text
	}
	edits = append(edits, Edit{Span: Span{0, 0}, Before: "first "}, Edit{Span: Span{1, 1}, Before: "before", Order: -1})
	want = "first " + strings.Replace(want, "{", "{before", 1) + "}"
	if got := string(Splice([]byte("{}"), edits)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
