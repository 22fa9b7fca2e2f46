package bedrock

import "testing"

func TestDecodeVectors(t *testing.T) {
	for _, test := range []struct {
		body   string
		n      int
		ok     bool
		tokens int64
	}{
		{`{"embedding":[1,-2.5e0],"inputTextTokenCount":0}`, 1, true, 0},
		{`{"embeddings":[[1,2],[3,4]],"id":"x"}`, 2, true, -1},
		{`{"embeddings":{"int8":[[1]],"float":[[1,2],[3,4]]}}`, 2, true, -1},
		{`{"embeddings":[[1,2]]}`, 2, false, 0},
		{`{"embeddings":[[1,2],[3],[4]]}`, 2, false, 0},
		{`{"embedding":["1"]}`, 1, false, 0},
		{`{"embedding":[1]`, 1, false, 0},
		{`{"embedding":null}`, 1, false, 0},
		{``, 1, false, 0},
	} {
		into := make([][]float32, test.n)
		tokens, reported, err := decodeVectors([]byte(test.body), into)
		if (err == nil) != test.ok || err == nil && (reported != (test.tokens >= 0) || reported && tokens != test.tokens || into[test.n-1] == nil) {
			t.Errorf("%s: %v, %d, %v, %v", test.body, into, tokens, reported, err)
		}
	}
}

func FuzzDecodeVectors(f *testing.F) {
	f.Add([]byte(`{"embedding":[1,-2.5e0],"inputTextTokenCount":3}`), 1)
	f.Add([]byte(`{"embeddings":{"float":[[1,2],[3,4]]}}`), 2)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		if n < 1 || n > 96 {
			return
		}
		into := make([][]float32, n)
		tokens, _, err := decodeVectors(raw, into)
		if err != nil {
			return
		}
		for i, v := range into {
			if v == nil {
				t.Fatalf("no vector %d", i)
			}
		}
		if tokens < 0 {
			t.Fatalf("%d tokens", tokens)
		}
	})
}

func FuzzDecodeCount(f *testing.F) {
	f.Add([]byte(`{"inputTokens":7}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n, err := decodeCount(raw); err == nil && n < 0 {
			t.Fatalf("%d tokens", n)
		}
	})
}
