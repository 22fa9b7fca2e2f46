package sparse

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func terms(s string) string {
	var out []string
	Terms(s, func(t string) { out = append(out, t) })
	return strings.Join(out, " ")
}

func TestTerms(t *testing.T) {
	cases := []struct{ in, want string }{
		{"", ""},
		{"The cats are running.", "cat run"},
		{"retry_after", "retry_after retri"},
		{"maxTokens", "maxtokens max token"},
		{"net.http and e.g. this", "net.http net http e.g e g"},
		{"the reader's book, don't", "reader book"},
		{"reader’s", "reader"},
		{"Ünïcode ﬁle", "ünïcode file"},
		{"東京都", "東京 京都"},
		{"x", "x"},
		{strings.Repeat("a", 100), ""},
		{"trailing. dot", "trail dot"},
	}
	for _, tc := range cases {
		if got := terms(tc.in); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestDocumentWeightsFollowBM25(t *testing.T) {
	p := Params{K1: 1.2, B: 0.75, AverageLength: 4}
	v := p.Document("", "tiger tiger tiger lion")
	want := map[uint32]float64{
		hash("tiger"): 3 * 2.2 / (3 + 1.2),
		hash("lion"):  1 * 2.2 / (1 + 1.2),
	}
	if len(v.Indices) != 2 || !slices.IsSorted(v.Indices) {
		t.Fatalf("vector %v", v)
	}
	for i, x := range v.Indices {
		if math.Abs(float64(v.Values[i])-want[x]) > 1e-6 {
			t.Errorf("weight %v, want %v", v.Values[i], want[x])
		}
	}
	short, long := p.Document("", "tiger"), p.Document("", "tiger "+strings.Repeat("lion ", 50))
	at := slices.Index(long.Indices, hash("tiger"))
	if short.Values[0] <= long.Values[at] {
		t.Error("a long text is not discounted")
	}
}

func TestTitleCounts(t *testing.T) {
	p := DefaultParams()
	if v := p.Document("Tigers", "lions"); !slices.Contains(v.Indices, hash("tiger")) {
		t.Error("the title is not found")
	}
}

func TestQueryCountsTerms(t *testing.T) {
	v := Query("tiger lion tiger")
	if fmt.Sprint(v.Values[slices.Index(v.Indices, hash("tiger"))]) != "2" {
		t.Errorf("query %v", v)
	}
}

// A question costs a bounded number of allocations: a few for each word that
// is stemmed.
func TestQueryAllocations(t *testing.T) {
	const words, ceiling = 8, 100
	if n := testing.AllocsPerRun(20, func() { Query("routers retried several failing attempts with growing pauses") }); n > ceiling {
		t.Errorf("%v allocations for %d words, ceiling %d", n, words, ceiling)
	}
}

func FuzzTerms(f *testing.F) {
	f.Add("a.b_c-d'e’f maxTokens 東京 ﬁ")
	f.Fuzz(func(t *testing.T, s string) {
		Terms(s, func(term string) {
			if term == "" {
				t.Fatal("empty term")
			}
			if utf8.ValidString(s) && !utf8.ValidString(term) {
				t.Fatalf("term %q of %q is not UTF-8", term, s)
			}
		})
	})
}

func BenchmarkDocument(b *testing.B) {
	text := strings.Repeat("The router retries a failed attempt with backoff and honours Retry-After. ", 25)
	p := DefaultParams()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p.Document("Retries", text)
	}
}
