package eventstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	aws "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// byLibrary writes a message as the SDK does.
func byLibrary(t testing.TB, headers aws.Headers, payload []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := aws.NewEncoder().Encode(&buf, aws.Message{Headers: headers, Payload: payload}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func text(name, value string) aws.Header {
	return aws.Header{Name: name, Value: aws.StringValue(value)}
}

// What we write is what the SDK writes.
func TestAppendEqualsLibrary(t *testing.T) {
	payload := []byte(`{"delta":{"text":"Grüße"}}`)
	want := byLibrary(t, aws.Headers{
		text(":event-type", "contentBlockDelta"), text(":content-type", "application/json"), text(":message-type", "event"),
	}, payload)
	if got := Append([]byte("x"), "contentBlockDelta", payload); !bytes.Equal(got[1:], want) {
		t.Errorf("event: got %q, want %q", got, want)
	}
	want = byLibrary(t, aws.Headers{
		text(":exception-type", "throttlingException"), text(":content-type", "application/json"), text(":message-type", "exception"),
	}, payload)
	if got := AppendException(nil, "throttlingException", payload); !bytes.Equal(got, want) {
		t.Errorf("exception: got %q, want %q", got, want)
	}
}

// Headers of every type are stepped over, whatever order they come in.
func TestParse(t *testing.T) {
	noise := aws.Headers{
		{Name: "a", Value: aws.BoolValue(true)},
		{Name: "b", Value: aws.BoolValue(false)},
		{Name: "c", Value: aws.Int8Value(-3)},
		{Name: "d", Value: aws.Int16Value(300)},
		{Name: "e", Value: aws.Int32Value(70000)},
		{Name: "f", Value: aws.Int64Value(1 << 40)},
		{Name: "g", Value: aws.BytesValue([]byte{0, 1, 2})},
		{Name: "h", Value: aws.UUIDValue{1, 2, 3}},
		{Name: "i", Value: aws.BytesValue(nil)},
	}
	for _, test := range []struct {
		headers aws.Headers
		kind    Kind
		name    string
	}{
		{aws.Headers{text(":event-type", "chunk"), text(":message-type", "event")}, Event, "chunk"},
		{aws.Headers{text(":message-type", "event"), text(":event-type", "chunk")}, Event, "chunk"},
		{aws.Headers{text(":message-type", "exception"), text(":exception-type", "x")}, Exception, "x"},
		{aws.Headers{text(":message-type", "error"), text(":error-code", "500"), text(":error-message", "no")}, Failure, "500"},
		{aws.Headers{text(":message-type", "other"), text(":event-type", "chunk")}, Unknown, ""},
		{nil, Unknown, ""},
	} {
		headers := append(append(aws.Headers{}, noise...), test.headers...)
		m, err := Parse(byLibrary(t, headers, []byte("p")))
		if err != nil || m.Kind != test.kind || string(m.Type) != test.name || string(m.Payload) != "p" {
			t.Errorf("%v: got %v %q %q, %v", test.headers, m.Kind, m.Type, m.Payload, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := Append(nil, "chunk", []byte("{}"))
	for name, change := range map[string]func([]byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"cut":               func(b []byte) []byte { return b[:len(b)-1] },
		"longer":            func(b []byte) []byte { return append(b, 0) },
		"headers too long":  func(b []byte) []byte { binary.BigEndian.PutUint32(b[4:], 1<<30); return b },
		"headers cut":       func(b []byte) []byte { binary.BigEndian.PutUint32(b[4:], 5); return b },
		"header cut in two": func(b []byte) []byte { binary.BigEndian.PutUint32(b[4:], 19); return b },
		"no name":           func(b []byte) []byte { b[preludeSize] = 0; return b },
		"type not known":    func(b []byte) []byte { b[preludeSize+1+len(":event-type")] = 10; return b },
	} {
		if m, err := Parse(change(bytes.Clone(good))); err == nil {
			t.Errorf("%s: got %+v", name, m)
		}
	}
}

func recorded() []byte {
	raw := Append(nil, "messageStart", []byte(`{"role":"assistant"}`))
	raw = Append(raw, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"text":"Grüße 🌍"}}`))
	raw = Append(raw, "empty", nil)
	return AppendException(raw, "throttlingException", []byte(`{"message":"slow"}`))
}

func readAll(src io.Reader) (types []string, err error) {
	r := NewReader(src)
	for {
		raw, err := r.Next()
		if err != nil {
			return types, err
		}
		m, err := Parse(raw)
		if err != nil {
			return types, err
		}
		types = append(types, string(m.Type)+" "+string(m.Payload))
	}
}

// A stream reads the same wherever the network cuts it.
func TestReaderAnySplit(t *testing.T) {
	raw := recorded()
	want, err := readAll(bytes.NewReader(raw))
	if !errors.Is(err, io.EOF) || len(want) != 4 {
		t.Fatalf("got %q, %v", want, err)
	}
	check := func(name string, src io.Reader) {
		got, err := readAll(src)
		if !errors.Is(err, io.EOF) || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for i := range raw {
		check("split", io.MultiReader(bytes.NewReader(raw[:i]), bytes.NewReader(raw[i:])))
	}
	check("one byte", iotest.OneByteReader(bytes.NewReader(raw)))
	check("data with the end", iotest.DataErrReader(bytes.NewReader(raw)))
}

// A cut, and any one changed byte, is noticed.
func TestReaderNoticesDamage(t *testing.T) {
	raw := Append(nil, "contentBlockDelta", []byte(`{"a":1}`))
	for i := 1; i < len(raw); i++ {
		if _, err := readAll(bytes.NewReader(raw[:i])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x10
		r := NewReader(bytes.NewReader(bad))
		if _, err := r.Next(); !errors.Is(err, ErrChecksum) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := r.Next(); err == nil {
			t.Errorf("byte %d changed: read on", i)
		}
	}
}

func TestReaderBounds(t *testing.T) {
	prelude := func(total, headers uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, total)
		b = binary.BigEndian.AppendUint32(b, headers)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	for _, b := range [][]byte{prelude(15, 0), prelude(0, 0), prelude(maxMessage+1, 0), prelude(1<<20, maxHeaders+1), prelude(20, 5), prelude(20, 1<<31)} {
		if _, err := NewReader(bytes.NewReader(b)).Next(); !errors.Is(err, ErrSize) {
			t.Errorf("% x: %v", b, err)
		}
	}
	// A promise of much costs nothing until it comes.
	r := NewReader(bytes.NewReader(prelude(maxMessage, 0)))
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) || len(r.buf) > readSize {
		t.Errorf("%v with %d bytes", err, len(r.buf))
	}
	large := Append(nil, "chunk", make([]byte, 1<<20))
	if raw, err := NewReader(bytes.NewReader(large)).Next(); err != nil || !bytes.Equal(raw, large) {
		t.Errorf("large: %v", err)
	}
	if _, err := NewReader(stuck{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("stuck: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// Whatever the library writes, both read alike.
func TestEqualsLibraryAtRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + rnd.IntN(26))
		}
		return string(b)
	}
	for range 300 {
		name, payload := letters(1+rnd.IntN(40)), []byte(letters(rnd.IntN(9000)))
		headers := aws.Headers{text(letters(1+rnd.IntN(200)), letters(rnd.IntN(3000))), text(":event-type", name), text(":message-type", "event")}
		rnd.Shuffle(len(headers), func(i, j int) { headers[i], headers[j] = headers[j], headers[i] })
		raw := byLibrary(t, headers, payload)
		got, err := NewReader(bytes.NewReader(raw)).Next()
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("read: %v", err)
		}
		m, err := Parse(got)
		if err != nil || m.Kind != Event || string(m.Type) != name || !bytes.Equal(m.Payload, payload) {
			t.Fatalf("parse: %+v, %v", m, err)
		}
	}
}

func TestReaderAllocations(t *testing.T) {
	raw := recorded()
	src := bytes.NewReader(raw)
	r := NewReader(src)
	got := testing.AllocsPerRun(100, func() {
		src.Reset(raw)
		r.err = nil
		for {
			one, err := r.Next()
			if err != nil {
				break
			}
			if _, err := Parse(one); err != nil {
				t.Fatal(err)
			}
		}
	})
	if got != 0 {
		t.Errorf("%v allocations per stream at steady state", got)
	}
	buf, payload := make([]byte, 0, 1024), []byte(`{"a":1}`)
	if got := testing.AllocsPerRun(100, func() { Append(buf[:0], "contentBlockDelta", payload) }); got != 0 {
		t.Errorf("%v allocations per Append", got)
	}
}

func BenchmarkReader(b *testing.B) {
	raw := recorded()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(raw))
		for {
			one, err := r.Next()
			if err != nil {
				break
			}
			_, _ = Parse(one)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(recorded())
	f.Add(recorded()[:40])
	f.Add(byLibrary(f, aws.Headers{{Name: "x", Value: aws.Int64Value(1)}, text(":message-type", "error")}, []byte("p")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, library := NewReader(bytes.NewReader(data)), bytes.NewReader(data)
		for range 1 + len(data)/leastSize {
			raw, err := r.Next()
			want, wantErr := aws.NewDecoder().Decode(library, nil)
			if err != nil {
				return // ours is the stricter
			}
			m, err := Parse(raw)
			if wantErr != nil {
				if err == nil {
					t.Fatalf("we read %+v, the library says %v", m, wantErr)
				}
				return
			}
			if err != nil {
				return
			}
			if !bytes.Equal(m.Payload, want.Payload) {
				t.Fatalf("payload %q, the library reads %q", m.Payload, want.Payload)
			}
			if v := want.Headers.Get(":event-type"); m.Kind == Event && v != nil && countOf(want.Headers, ":event-type") == 1 {
				if s, ok := v.Get().(string); ok && s != string(m.Type) {
					t.Fatalf("type %q, the library reads %q", m.Type, s)
				}
			}
		}
	})
}

func countOf(headers aws.Headers, name string) (n int) {
	for _, h := range headers {
		if h.Name == name {
			n++
		}
	}
	return n
}

// Any headers in a sound frame: ours and the library agree on what they say.
func FuzzParse(f *testing.F) {
	good := Append(nil, "chunk", nil)
	f.Add(good[preludeSize:len(good)-sumSize], []byte("{}"))
	all := byLibrary(f, aws.Headers{{Name: "a", Value: aws.BoolValue(true)}, {Name: "b", Value: aws.BytesValue("x")}, {Name: "c", Value: aws.UUIDValue{1}}}, nil)
	f.Add(all[preludeSize:len(all)-sumSize], []byte(nil))
	f.Fuzz(func(t *testing.T, headers, payload []byte) {
		raw := append(make([]byte, preludeSize), headers...)
		binary.BigEndian.PutUint32(raw[4:], uint32(len(headers)))
		raw = Close(append(raw, payload...), 0)
		if got, err := NewReader(bytes.NewReader(raw)).Next(); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("read: %v", err)
		}
		m, err := Parse(raw)
		want, wantErr := aws.NewDecoder().Decode(bytes.NewReader(raw), nil)
		if err != nil {
			return // ours is the stricter: a name must not be empty, nor the last header be cut
		}
		if wantErr != nil {
			t.Fatalf("we read %+v, the library says %v", m, wantErr)
		}
		kind, _ := valueOf(want, ":message-type")
		name, ok := valueOf(want, ":event-type")
		if kind == "event" && ok && (m.Kind != Event || string(m.Type) != name) {
			t.Fatalf("got %v %q, the library reads %q", m.Kind, m.Type, name)
		}
		if !bytes.Equal(m.Payload, want.Payload) {
			t.Fatalf("payload %q, the library reads %q", m.Payload, want.Payload)
		}
	})
}

// valueOf is a header that is a text and there once.
func valueOf(m aws.Message, name string) (string, bool) {
	if countOf(m.Headers, name) != 1 {
		return "", false
	}
	s, ok := m.Headers.Get(name).Get().(string)
	return s, ok
}
