package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// chatCommand asks one question.
type chatCommand struct {
	connection
	Message     []string `arg:"" optional:"" help:"The question; read from standard input if absent."`
	Model       string   `help:"The model to ask." default:"default" short:"m"`
	System      string   `help:"Instructions to put first."`
	Collections []string `help:"Collections to take context from." name:"collection" short:"c"`
	MaxTokens   int64    `help:"The most tokens the answer may have; 0 leaves it to the route."`
}

// Run streams the answer to standard output and a line about it to standard error.
func (c *chatCommand) Run(env *environment) error {
	question := strings.Join(c.Message, " ")
	if question == "" {
		data, err := io.ReadAll(io.LimitReader(os.Stdin, 8<<20))
		if err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		question = string(data)
	}
	var last *routerv1.RequestReport
	err := stream(env.ctx, c.connection, "/api/v1/generate:stream", c.request(question),
		func() *routerv1.StreamGenerateResponse { return &routerv1.StreamGenerateResponse{} },
		func(m *routerv1.StreamGenerateResponse) error {
			if m.GetReport() != nil {
				last = m.GetReport()
			}
			if failure := m.GetEvent().GetError(); failure != nil {
				return fmt.Errorf("the answer was cut: %s", failure.GetMessage())
			}
			_, err := io.WriteString(env.stdout, m.GetEvent().GetTextDelta())
			return err
		})
	if err != nil {
		return err
	}
	fmt.Fprintln(env.stdout)
	printReport(env.stderr, last)
	return nil
}

func (c *chatCommand) request(question string) *routerv1.StreamGenerateRequest {
	conversation := &llmv1.Conversation{Model: c.Model}
	if c.System != "" {
		conversation.Messages = append(conversation.Messages, textMessage(llmv1.Role_ROLE_SYSTEM, c.System))
	}
	conversation.Messages = append(conversation.Messages, textMessage(llmv1.Role_ROLE_USER, question))
	if c.MaxTokens > 0 {
		conversation.Sampling = &llmv1.Sampling{MaxOutputTokens: &c.MaxTokens}
	}
	options := &routerv1.RequestOptions{}
	for _, name := range c.Collections {
		options.Collections = append(options.Collections, collectionName(name))
	}
	return &routerv1.StreamGenerateRequest{Conversation: conversation, Options: options}
}

func textMessage(role llmv1.Role, text string) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: []*llmv1.Part{
		{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}},
	}}
}

// printReport says in a few lines what the gateway did.
func printReport(w io.Writer, r *routerv1.RequestReport) {
	if r == nil {
		return
	}
	for _, c := range r.GetCitations() {
		fmt.Fprintf(w, "[%s] %s (%s, bytes %d to %d)\n", c.GetMarker(), c.GetTitle(), c.GetDocument(), c.GetStartByte(), c.GetEndByte())
	}
	for _, n := range r.GetGuardrailNotices() {
		fmt.Fprintf(w, "guardrail: %s %s ×%d\n", n.GetAction(), n.GetCheck(), n.GetCount())
	}
	cost := dollars(r.GetCostNanousd())
	if r.GetUnpriced() {
		cost = "unpriced"
	}
	fmt.Fprintf(w, "%s · %d attempt(s) · %s · request %s\n", r.GetTarget(), r.GetAttempts(), cost, r.GetRequestId())
}
