package conversation

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// letters counts a token for each letter of texts and tools.
func letters(c *llmv1.Conversation) int64 {
	n := 0
	for _, t := range c.GetTools() {
		n += len(t.GetParameters())
	}
	for _, m := range c.GetMessages() {
		for _, p := range m.GetParts() {
			n += len(p.GetText().GetText())
		}
	}
	return int64(n)
}

// sketch writes a conversation as letters: t tools, s u a o messages of the
// system, user, assistant and a tool, | a mark.
func sketch(c *llmv1.Conversation) string {
	var b strings.Builder
	roles := map[llmv1.Role]byte{
		llmv1.Role_ROLE_SYSTEM: 's', llmv1.Role_ROLE_USER: 'u', llmv1.Role_ROLE_ASSISTANT: 'a', llmv1.Role_ROLE_TOOL: 'o',
	}
	for range c.GetTools() {
		b.WriteByte('t')
	}
	for _, m := range c.GetMessages() {
		for _, p := range m.GetParts() {
			if p.GetCachePoint() != nil {
				b.WriteByte('|')
			} else {
				b.WriteByte(roles[m.GetRole()])
			}
		}
	}
	return b.String()
}

func TestCachePoints(t *testing.T) {
	const long, half = 1024, 512
	for _, tt := range []struct {
		kinds string
		sizes []int
		want  string
	}{
		{"su", []int{long, 10}, "s|u"},
		{"su", []int{half, 5000}, "su"}, // what is asked now comes once
		{"u", []int{5000}, "u"},
		{"tu", []int{long, 10}, "t|u"},
		{"tu", []int{long - 1, 10}, "tu"},
		{"tsu", []int{half, half, 1}, "ts|u"},
		{"tsu", []int{long, 1, 1}, "t|s|u"},
		{"ssu", []int{half, half, 1}, "ss|u"},
		{"suau", []int{10, half, half, 10}, "sua|u"},
		{"tsuaua", []int{long, half, 1, 1, 1, 1}, "t|s|ua|ua"}, // the answer has begun
		{"suaou", []int{10, half, half, half, 10}, "sua|ou"},
		{"suao", []int{long, 1, 1, 1}, "s|ua|o"},
		{"suasu", []int{long, 1, 1, 1, 1}, "s|ua|su"},
		{"s", []int{long}, "s|"},
		{"a", []int{long}, "a"},
		{"", nil, ""},
	} {
		c := &llmv1.Conversation{Model: "m"}
		for i, kind := range tt.kinds {
			words := strings.Repeat("x", tt.sizes[i])
			if kind == 't' {
				c.Tools = append(c.Tools, &llmv1.Tool{Name: "f", Parameters: words})
				continue
			}
			role := map[rune]llmv1.Role{'s': llmv1.Role_ROLE_SYSTEM, 'u': llmv1.Role_ROLE_USER, 'a': llmv1.Role_ROLE_ASSISTANT, 'o': llmv1.Role_ROLE_TOOL}[kind]
			c.Messages = append(c.Messages, &llmv1.Message{Role: role, Name: "n", Parts: []*llmv1.Part{textPart(words)}})
		}
		before := proto.Clone(c)
		got := WithCachePoints(c, CachePointsOf(c, letters))
		if sketch(got) != tt.want {
			t.Errorf("%s %v: got %s, want %s", tt.kinds, tt.sizes, sketch(got), tt.want)
		}
		if !proto.Equal(c, before) {
			t.Errorf("%s: the conversation was changed", tt.kinds)
		}
		if again := WithCachePoints(got, CachePointsOf(got, letters)); again != got {
			t.Errorf("%s: marked twice: %s", tt.kinds, sketch(again))
		}
		if got != c && got.GetModel() != "m" {
			t.Errorf("%s: something is lost", tt.kinds)
		}
	}
}
