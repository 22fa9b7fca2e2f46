package bedrock

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// Bounds of embedding.
const (
	// atOnce is how many calls of one request run at a time.
	atOnce = 8
	// cohereTexts is the most texts of one call of Cohere's models.
	cohereTexts = 96
	// maxVector is the most numbers of a vector.
	maxVector = 65536
)

var (
	errNoCount   = errors.New("has no count of tokens")
	errNoVectors = errors.New("does not have as many vectors as texts were sent")
)

// embedder is how a family of models is asked for vectors.
type embedder struct {
	sign string
	// texts is how many texts go into one call.
	texts  int
	encode func(r *provider.EmbedRequest, texts []string) ([]byte, error)
}

// embedders are told by the model's name, the narrower first.
var embedders = []embedder{
	{"amazon.titan-embed-image", 1, encodeTitanImage},
	{"amazon.titan-embed-", 1, encodeTitan},
	{"cohere.embed-", cohereTexts, encodeCohere},
}

// Embed implements provider.Adapter.
func (a *Adapter) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	for _, e := range embedders {
		if strings.Contains(r.Model, e.sign) {
			return a.embed(ctx, r, e)
		}
	}
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "this model is not known to make embeddings")
}

// embed asks in as many calls as it takes, some at a time.
func (a *Adapter) embed(ctx context.Context, r *provider.EmbedRequest, e embedder) (*provider.Embeddings, error) {
	out := &provider.Embeddings{Model: r.Model, Vectors: make([][]float32, len(r.Inputs))}
	calls := (len(r.Inputs) + e.texts - 1) / e.texts
	counts := make([]int64, calls) // -1 where none was reported
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for call := range calls {
		group.Go(func() error {
			from := call * e.texts
			to := min(from+e.texts, len(r.Inputs))
			return a.invoke(ctx, r, e, r.Inputs[from:to], out.Vectors[from:to], &counts[call])
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	usage := &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
	for _, n := range counts {
		if n < 0 {
			return out, nil // a part of the whole is no usage
		}
		usage.InputTokens += n
	}
	out.Usage = usage
	return out, nil
}

func (a *Adapter) invoke(ctx context.Context, r *provider.EmbedRequest, e embedder, texts []string, vectors [][]float32, count *int64) error {
	body, err := e.encode(r, texts)
	if err != nil {
		return err
	}
	answer, header, err := a.Exchange(ctx, place(r.Model, "invoke"), body)
	if err != nil {
		return err
	}
	n, reported, err := decodeVectors(answer, vectors)
	if err != nil {
		return refusal.Unreadable(err)
	}
	if m, ok := headerCount(header.Get(tokenHeader)); ok && !reported {
		n, reported = m, true
	}
	if *count = n; !reported {
		*count = -1
	}
	return nil
}

func encodeTitan(r *provider.EmbedRequest, texts []string) ([]byte, error) {
	if r.Dimensions > 0 && !strings.Contains(r.Model, "titan-embed-text-v2") {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "this model does not take dimensions").WithField("dimensions")
	}
	body := jsonscan.AppendString([]byte(`{"inputText":`), texts[0])
	if r.Dimensions > 0 {
		body = strconv.AppendInt(append(body, `,"dimensions":`...), int64(r.Dimensions), 10)
	}
	return append(body, '}'), nil
}

func encodeTitanImage(r *provider.EmbedRequest, texts []string) ([]byte, error) {
	body := jsonscan.AppendString([]byte(`{"inputText":`), texts[0])
	if r.Dimensions > 0 {
		body = strconv.AppendInt(append(body, `,"embeddingConfig":{"outputEmbeddingLength":`...), int64(r.Dimensions), 10)
		body = append(body, '}')
	}
	return append(body, '}'), nil
}

// encodeCohere says what the texts are for, as these models must be told: they
// are kept to be found.
func encodeCohere(r *provider.EmbedRequest, texts []string) ([]byte, error) {
	if r.Dimensions > 0 && !strings.Contains(r.Model, "cohere.embed-v4") {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "this model does not take dimensions").WithField("dimensions")
	}
	body := []byte(`{"input_type":"search_document","embedding_types":["float"],"texts":[`)
	for i, text := range texts {
		if i > 0 {
			body = append(body, ',')
		}
		body = jsonscan.AppendString(body, text)
	}
	body = append(body, ']')
	if r.Dimensions > 0 {
		body = strconv.AppendInt(append(body, `,"output_dimension":`...), int64(r.Dimensions), 10)
	}
	return append(body, '}'), nil
}

// decodeVectors reads what all of these models answer: one vector as
// "embedding", or some as "embeddings", bare or by the type of their numbers.
func decodeVectors(answer []byte, into [][]float32) (tokens int64, reported bool, err error) {
	s := jsonscan.Scanner{Data: answer}
	n := 0
	list := func() {
		for s.Open('['); s.Next(']'); n++ {
			v := readVector(&s)
			if n < len(into) {
				into[n] = v
			}
		}
	}
	for s.Open('{'); s.Next('}'); {
		switch key := string(s.Key()); {
		case key == "embedding" && s.Peek() == '[':
			into[0] = readVector(&s)
			n++
		case key == "embeddings" && s.Peek() == '[':
			list()
		case key == "embeddings" && s.Peek() == '{':
			for s.Open('{'); s.Next('}'); {
				if string(s.Key()) == "float" && s.Peek() == '[' {
					list()
					continue
				}
				s.Skip()
			}
		case key == "inputTextTokenCount":
			tokens, reported = s.Integer()
		default:
			s.Skip()
		}
	}
	if err := s.Finish(); err != nil {
		return 0, false, err
	}
	if n != len(into) {
		return 0, false, errNoVectors
	}
	return max(tokens, 0), reported, nil
}

func readVector(s *jsonscan.Scanner) []float32 {
	out := make([]float32, 0, 1024)
	for s.Open('['); s.Next(']'); {
		f, ok := s.Float()
		if !ok || len(out) == maxVector {
			s.Fail(jsonscan.ErrSyntax)
			return nil
		}
		out = append(out, float32(f))
	}
	return out
}
