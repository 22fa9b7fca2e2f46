package builtin

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// question is what is looked for.
type question struct {
	terms   []string           // in order, without repetition
	weight  map[string]float64 // of each term
	defines bool               // it asks what something is
	names   bool               // it asks so with a noun
	counts  bool               // it asks for a number or a time
	does    bool               // it asks what to do
}

// Weights of a question's words: those of the question itself, those of the
// sentences around it, those of the turn before, and words that say little.
const (
	weightQuestion = 1.0
	weightAround   = 0.4
	weightBefore   = 0.3
	weightSoft     = 0.35
)

// ask reads the question from the last user message. A short follow-up ("and
// in a stream?") is completed by the user's turn before.
func ask(c *llmv1.Conversation) question {
	q := question{weight: map[string]float64{}}
	turns := userTexts(c)
	if len(turns) == 0 {
		return q
	}
	parts := sentences(strings.Join(strings.Fields(turns[0]), " "))
	asked := false
	for _, s := range parts {
		asked = asked || strings.HasSuffix(s, "?")
	}
	for _, s := range parts {
		if asked && !strings.HasSuffix(s, "?") {
			q.add(s, weightAround)
			continue
		}
		q.add(s, weightQuestion)
		q.shape(s)
	}
	if len(q.terms) < 2 && len(turns) > 1 {
		q.add(turns[1], weightBefore)
	}
	return q
}

func (q *question) add(text string, weight float64) {
	for _, w := range rawWords(text) {
		if stopWords[w] {
			continue
		}
		t, value := term(w), weight
		if soft[t] {
			value *= weightSoft
		}
		if _, ok := q.weight[t]; !ok {
			q.terms = append(q.terms, t)
		}
		q.weight[t] = max(q.weight[t], value)
	}
}

// shape looks at how a question begins.
func (q *question) shape(s string) {
	s = strings.ToLower(s) + " "
	for _, begin := range []string{"what is ", "what are ", "what's ", "who is ", "define ", "what does "} {
		q.defines = q.defines || strings.Contains(s, begin)
	}
	q.names = q.names || (strings.HasPrefix(s, "what is ") || strings.HasPrefix(s, "what are ")) &&
		!strings.HasSuffix(strings.TrimRight(s, "? "), "ed")
	for _, begin := range []string{"how do i ", "how do you ", "how do we ", "how can i ", "how can we ", "how to ", "command", "where do i "} {
		q.does = q.does || strings.Contains(s, begin)
	}
	for _, begin := range []string{"how many ", "how much ", "how long ", "how fast ", "how often ", "which port", "what port", "when "} {
		q.counts = q.counts || strings.Contains(s, begin)
	}
}

// userTexts gives the texts of the user's messages, the last first.
func userTexts(c *llmv1.Conversation) []string {
	var out []string
	messages := c.GetMessages()
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].GetRole() != llmv1.Role_ROLE_USER {
			continue
		}
		var b strings.Builder
		for _, p := range messages[i].GetParts() {
			if t := p.GetText().GetText(); t != "" {
				b.WriteString(t + "\n")
			}
		}
		out = append(out, b.String())
	}
	return out
}

func lastUserMessage(c *llmv1.Conversation) *llmv1.Message {
	messages := c.GetMessages()
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].GetRole() == llmv1.Role_ROLE_USER {
			return messages[i]
		}
	}
	return nil
}

// wantsDefinition says whether the question is what one thing is: "what is a
// hold?", but neither "what does it hold?" nor "what is held?".
func (q *question) wantsDefinition() bool { return q.names && len(q.terms) == 1 }
