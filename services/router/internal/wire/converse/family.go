package converse

import (
	"strconv"
	"strings"
)

// family is whose model it is, as its name says: that decides what parameters
// beyond the format's own are called. The name of a profile or of provisioned
// throughput may not say it; such a model is asked in the commonest way.
type family uint8

const (
	other family = iota
	anthropic
	nova
	openAI
	cohere
)

// familyOf finds the family by the model's name, such as
// "us.anthropic.claude-sonnet-4-5-20250929-v1:0" or an ARN that holds it.
func familyOf(model string) family {
	for _, known := range []struct {
		sign string
		family
	}{{"anthropic.", anthropic}, {"amazon.nova", nova}, {"openai.", openAI}, {"cohere.", cohere}} {
		if strings.Contains(model, known.sign) {
			return known.family
		}
	}
	return other
}

// topKName is what the family calls top_k: a member, or one in another.
func topKName(model string) (name, inner string) {
	switch familyOf(model) {
	case nova:
		return "inferenceConfig", "topK"
	case cohere:
		return "k", ""
	default:
		return "top_k", ""
	}
}

// appendTopK writes the member.
func appendTopK(dst []byte, model string, k int32) []byte {
	name, inner := topKName(model)
	dst = append(dst, `"`+name+`":`...)
	if inner != "" {
		dst = append(dst, `{"`+inner+`":`...)
	}
	dst = strconv.AppendInt(dst, int64(k), 10)
	if inner != "" {
		dst = append(dst, '}')
	}
	return dst
}
