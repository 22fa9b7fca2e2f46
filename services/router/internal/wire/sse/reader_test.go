package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// split gives data in pieces of the given sizes, the last size again and again.
type split struct {
	data  []byte
	sizes []int
}

func (s *split) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := len(s.data)
	if len(s.sizes) > 0 {
		n = s.sizes[0]
		if len(s.sizes) > 1 {
			s.sizes = s.sizes[1:]
		}
	}
	n = copy(p, s.data[:min(n, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

func readEvents(src io.Reader) ([]string, error) {
	r := NewReader(src)
	var out []string
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, string(data))
	}
}

var sseCases = []struct {
	name, text string
	want       []string
}{
	{"plain", "data: a\n\ndata: b\n\n", []string{"a", "b"}},
	{"crlf", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
	{"cr", "data: a\r\rdata: b\r\r", []string{"a", "b"}},
	{"mixed ends", "data: a\r\n\ndata: b\n\r\n\rdata: c\r\r\n", []string{"a", "b", "c"}},
	{"mark", "\uFEFFdata: a\n\n", []string{"a"}},
	{"comments", ": hi\n\n:\ndata: a\n: x\n\n", []string{"a"}},
	{"several lines", "data: a\ndata:b\ndata\ndata: \n\n", []string{"a\nb\n\n"}},
	{"other fields", "event: x\nid: 1\nretry: 5\ndata: a\ndatax: b\n\nevent: y\n\n", []string{"a"}},
	{"one blank is taken", "data:  a\n\n", []string{" a"}},
	{"empty data", "data:\n\ndata: a\n\n", []string{"", "a"}},
	{"unfinished line is dropped", "data: a\n\ndata: b", []string{"a"}},
	{"finished line counts", "data: a\n\ndata: b\n", []string{"a", "b"}},
	{"unfinished end counts", "data: a\n\ndata: [DONE]", []string{"a", "[DONE]"}},
	{"utf-8", "data: h\u00e9 \U0001F600\n\n", []string{"h\u00e9 \U0001F600"}},
}

func TestReader(t *testing.T) {
	for _, tt := range sseCases {
		t.Run(tt.name, func(t *testing.T) {
			for cut := range len(tt.text) {
				got, err := readEvents(&split{data: []byte(tt.text), sizes: []int{max(cut, 1), len(tt.text)}})
				if err != nil || !slices.Equal(got, tt.want) {
					t.Fatalf("cut at %d: got %q, %v; want %q", cut, got, err, tt.want)
				}
			}
			if got, err := readEvents(iotest.OneByteReader(strings.NewReader(tt.text))); err != nil || !slices.Equal(got, tt.want) {
				t.Fatalf("byte by byte: got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// Events larger than the buffer, cut anywhere, come out whole.
func TestReaderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		var want []string
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
			var lines []string
			for range rapid.IntRange(1, 3).Draw(t, "lines") {
				lines = append(lines, strings.Repeat(rapid.SampledFrom([]string{"x", "\u00e9", ""}).Draw(t, "of"), rapid.IntRange(0, 9000).Draw(t, "size")))
			}
			for _, line := range lines {
				b.WriteString("data: " + line + end)
			}
			b.WriteString(end)
			want = append(want, strings.Join(lines, "\n"))
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 20).Draw(t, "sizes")
		got, err := readEvents(&split{data: []byte(b.String()), sizes: sizes})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %d events, %v; want %d", len(got), err, len(want))
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReaderBounds(t *testing.T) {
	if _, err := readEvents(endless{}); !errors.Is(err, errEventSize) {
		t.Errorf("an endless line gave %v", err)
	}
	lines := io.MultiReader(strings.NewReader("data: a\n"), bytes.NewReader(bytes.Repeat([]byte("data: xxxxxxxxxxxxxxxx\n"), 1<<20)))
	if _, err := readEvents(lines); !errors.Is(err, errEventSize) {
		t.Errorf("endless lines gave %v", err)
	}
	broken := errors.New("broken")
	if got, err := readEvents(io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken))); !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzReader(f *testing.F) {
	for _, tt := range sseCases {
		f.Add([]byte(tt.text), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		whole, err := readEvents(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		cut, err := readEvents(&split{data: text, sizes: []int{int(size)%7 + 1}})
		if err != nil || !slices.Equal(whole, cut) {
			t.Fatalf("whole %q, cut %q, %v", whole, cut, err)
		}
	})
}
