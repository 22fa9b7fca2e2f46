package normalize

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"plain text 123":              "plain text 123",
		"Ｆｕｌｌ ｗｉｄｔｈ＠１２":               "Full width@12",
		"𝐁𝐨𝐥𝐝 𝟏𝟐":                     "Bold 12",
		"раураl":                      "paypal",
		"Ωmega αnd Тau":               "Ωmega and Tau",
		"zero\u200bwidth\u00adhyphen": "zerowidthhyphen",
		"café naïve":                  "cafe naive",
		"cafe\u0301":                  "cafe",
		"tag\U000E0041\U000E0042s":    "tags",
		"nb\u00a0space":               "nb space",
		"“quotes” – dash":             "\"quotes\" - dash",
		"ﬁne ½":                       "fine 1/2",
		"\xff\xfe":                    "\uFFFD\uFFFD",
		"日本語":                         "日本語",
		"🅰🆂🅲🅸🅸":                       "ASCII",
	} {
		var v View
		FoldText(&v, []byte(in))
		if got := string(v.Text); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSpanFindsTheOriginal(t *testing.T) {
	const in = "👩‍👩‍👧 Ｊane@é.com 🎉"
	var v View
	FoldText(&v, []byte(in))
	i := strings.Index(string(v.Text), "Jane@e.com")
	if i < 0 {
		t.Fatalf("folded to %q", v.Text)
	}
	a, b := v.Span(i, i+len("Jane@e.com"))
	if got := in[a:b]; got != "Ｊane@é.com" {
		t.Errorf("span gives %q", got)
	}
}

// A long run of invisible characters must end a token, or a stream would have
// to hold all of it.
func TestInvisibleRunsAreBounded(t *testing.T) {
	var v View
	FoldText(&v, []byte("a"+strings.Repeat("\u200b", 4000)+"b"))
	if string(v.Text) == "ab" {
		t.Error("12,000 bytes of invisible characters left no trace")
	}
}

func TestJSONFold(t *testing.T) {
	var j JSON
	var v View
	const in = `{"k\u0065y": "a\n\"b\ud83c\udf89\\", "n": 41}`
	if n := j.Fold(&v, []byte(in), 0, true); n != len(in) {
		t.Fatalf("took %d of %d bytes", n, len(in))
	}
	const want = "{\"key\"\n \"a\n\"b🎉\\\"," + " \"n\"\n 41}"
	if string(v.Text) != want {
		t.Errorf("got %q, want %q", v.Text, want)
	}
	i := strings.Index(string(v.Text), "key")
	if a, b := v.Span(i, i+3); in[a:b] != `k\u0065y` {
		t.Errorf("span gives %q", in[a:b])
	}
	if i := strings.Index(string(v.Text), "41"); !v.Bare[i] || v.Bare[strings.Index(string(v.Text), "key")] {
		t.Error("bare marks are wrong")
	}
}

func TestDecode(t *testing.T) {
	const secret = "write to jane.doe@example.com"
	for name, in := range map[string]string{
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)),
		"hex":    hex.EncodeToString([]byte(secret)),
		"url":    "write%20to%20jane.doe%40example.com",
	} {
		runs := Decode([]byte("see x=" + in + " there"))
		if len(runs) != 1 || !strings.HasSuffix(string(runs[0].Text), secret) || runs[0].Encoding != name {
			t.Errorf("%s: got %+v", name, runs)
		}
	}
	for _, in := range []string{
		"an ordinary sentence with internationalisation", strings.Repeat("A", MaxRun+1), "100% sure", "deadbeefdeadbeefdeadbeef", "src/internal/normalize/decode",
	} {
		if runs := Decode([]byte(in)); len(runs) != 0 {
			t.Errorf("%.40q decodes to %q", in, runs[0].Text)
		}
	}
}

func TestDecodeSpan(t *testing.T) {
	runs := Decode([]byte("to=jane%40example.com"))
	if len(runs) != 1 {
		t.Fatalf("got %d runs", len(runs))
	}
	i := strings.Index(string(runs[0].Text), "jane@")
	if a, b := runs[0].Span(i, i+5); a != 3 || b != 10 {
		t.Errorf("span [%d, %d), want [3, 10)", a, b)
	}
}

// checkView holds what every view has to hold.
func checkView(t *testing.T, in []byte, v *View) {
	t.Helper()
	if len(v.Text) == 0 {
		return
	}
	if v.Start == nil {
		if string(v.Text) != string(in) {
			t.Fatalf("identity view %q of %q", v.Text, in)
		}
		return
	}
	if len(v.Start) != len(v.Text) || len(v.End) != len(v.Text) {
		t.Fatalf("offsets for %d and %d of %d bytes", len(v.Start), len(v.End), len(v.Text))
	}
	last := int32(0)
	for i := range v.Text {
		a, b := v.Start[i], v.End[i]
		if a < last || b <= a || int(b) > len(in) {
			t.Fatalf("byte %d comes from [%d, %d) after %d, of %d", i, a, b, last, len(in))
		}
		last = a
		if utf8.Valid(in) && (!utf8.RuneStart(in[a]) || int(b) < len(in) && !utf8.RuneStart(in[b])) {
			t.Fatalf("span [%d, %d) tears a character", a, b)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"a", "é🎉", "\u200b\xff", `{"a":"\ud83c\udf89\u00e9"}`, "\\u12"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		var whole View
		FoldText(&whole, in)
		checkView(t, in, &whole)
		cut = min(max(cut, 0), len(in))

		var parts View
		n := Fold(&parts, in[:cut], 0, false)
		Fold(&parts, in[n:], n, true)
		if string(parts.Text) != string(whole.Text) {
			t.Fatalf("cut at %d: %q, whole %q", cut, parts.Text, whole.Text)
		}
		checkView(t, in, &parts)

		var j1, j2 JSON
		var v1, v2 View
		j1.Fold(&v1, in, 0, true)
		n = j2.Fold(&v2, in[:cut], 0, false)
		j2.Fold(&v2, in[n:], n, true)
		if string(v1.Text) != string(v2.Text) || len(v1.Bare) != len(v1.Text) {
			t.Fatalf("JSON cut at %d: %q, whole %q", cut, v2.Text, v1.Text)
		}
		checkView(t, in, &v1)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("aGVsbG8gd29ybGQgaGVsbG8= %41%zz 68656c6c6f20776f726c6421"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, r := range Decode(in) {
			if r.Start < 0 || r.End > len(in) || r.Start >= r.End || !utf8.Valid(r.Text) {
				t.Fatalf("run %+v of %d bytes", r, len(in))
			}
			for i := range r.Text {
				if a, b := r.Span(i, i+1); a < r.Start || b > r.End || a >= b {
					t.Fatalf("byte %d spans [%d, %d) of [%d, %d)", i, a, b, r.Start, r.End)
				}
			}
		}
	})
}

func BenchmarkFoldASCII(b *testing.B) {
	text := []byte(strings.Repeat("ordinary text ", 73))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var v View
	for b.Loop() {
		FoldText(&v, text)
	}
}
