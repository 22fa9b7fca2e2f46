package conversation

import (
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func thought(text, signature string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: text, Signature: signature}}}
}

func hidden(data string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: []byte(data)}}}
}

func TestWholeThoughts(t *testing.T) {
	tests := map[string]struct{ in, want []*llmv1.Part }{
		"pieces":          {[]*llmv1.Part{thought("a ", ""), thought("b", ""), thought("", "s"), textPart("x")}, []*llmv1.Part{thought("a b", "s"), textPart("x")}},
		"two thoughts":    {[]*llmv1.Part{thought("a", "s"), thought("b", "t")}, nil},
		"redacted":        {[]*llmv1.Part{thought("a", ""), hidden("x"), thought("b", "")}, nil},
		"text in between": {[]*llmv1.Part{thought("a", ""), textPart("x"), thought("b", "")}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &llmv1.Conversation{Model: "m", Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_ASSISTANT, Parts: tt.in}}}
			before := proto.Clone(c)
			got := WithWholeThoughts(c)
			if !proto.Equal(c, before) {
				t.Error("the conversation was changed")
			}
			if tt.want == nil {
				if got != c {
					t.Error("copied though nothing changes")
				}
				return
			}
			want := &llmv1.Conversation{Model: "m", Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_ASSISTANT, Parts: tt.want}}}
			if !proto.Equal(got, want) {
				t.Errorf("got %v", got)
			}
		})
	}
}
