package conversation

import (
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func TestWithInstructions(t *testing.T) {
	c := &llmv1.Conversation{
		Model: "m", EndUser: "u", Metadata: map[string]string{"a": "b"}, Tools: []*llmv1.Tool{{Name: "f"}},
		Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{textPart("own")}}, {Role: llmv1.Role_ROLE_USER}},
	}
	before := proto.Clone(c).(*llmv1.Conversation)
	got := WithInstructions(c, "be kind")
	want := proto.Clone(before).(*llmv1.Conversation)
	want.Messages = append([]*llmv1.Message{{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{textPart("be kind")}}}, want.Messages...)
	if !proto.Equal(got, want) || !proto.Equal(c, before) {
		t.Errorf("got %v from %v", got, c)
	}
	if WithInstructions(c, "") != c {
		t.Error("copied for nothing")
	}
	sampled := WithSampling(c, &llmv1.Sampling{Seed: proto.Int64(1)})
	if sampled.GetSampling().GetSeed() != 1 || c.Sampling != nil || sampled.GetEndUser() != "u" {
		t.Errorf("sampled %v", sampled)
	}
}
