package tokens

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// What a conversation costs besides its texts. The figures for messages follow
// OpenAI's published recipe (a few tokens of framing each); those for media are
// round means, for their true count depends on pixels, pages and seconds that
// nobody has measured yet.
const (
	messageTokens    = 4
	replyTokens      = 3
	toolTokens       = 12
	imageTokens      = 1100
	imageLowTokens   = 85
	documentTokens   = 2000 // where only an address is known
	documentBytesPer = 32
	audioTokens      = 1000 // where only an address is known
	audioBytesPer    = 500
)

// Conversation estimates what a model reads when it is asked c.
func Conversation(model string, c *llmv1.Conversation) int64 {
	n := NewCounter(model)
	n.addConversation(c)
	return n.Tokens()
}

func (n *Counter) addConversation(c *llmv1.Conversation) {
	n.addTokens(replyTokens)
	for _, m := range c.GetMessages() {
		n.addTokens(messageTokens)
		n.AddString(m.GetName())
		n.addParts(m.GetParts())
	}
	for _, t := range c.GetTools() {
		n.addTokens(toolTokens)
		n.AddString(t.GetName())
		n.AddString(t.GetDescription())
		n.AddString(t.GetParameters())
	}
	n.AddString(c.GetResponseFormat().GetJsonSchema().GetSchema())
}

func (n *Counter) addParts(parts []*llmv1.Part) {
	for _, p := range parts {
		switch content := p.GetContent().(type) {
		case *llmv1.Part_Text:
			n.AddString(content.Text.GetText())
		case *llmv1.Part_Thinking:
			n.AddString(content.Thinking.GetText())
		case *llmv1.Part_ToolCall:
			n.addTokens(toolTokens)
			n.AddString(content.ToolCall.GetName())
			n.AddString(content.ToolCall.GetArguments())
		case *llmv1.Part_ToolResult:
			n.addTokens(toolTokens)
			n.addParts(content.ToolResult.GetParts())
		case *llmv1.Part_Image:
			if content.Image.GetDetail() == "low" {
				n.addTokens(imageLowTokens)
			} else {
				n.addTokens(imageTokens)
			}
		case *llmv1.Part_Document:
			n.addBlob(content.Document.GetBlob(), documentTokens, documentBytesPer)
		case *llmv1.Part_Audio:
			n.addBlob(content.Audio.GetBlob(), audioTokens, audioBytesPer)
		}
	}
}

func (n *Counter) addBlob(b *llmv1.Blob, unknown, bytesPer int64) {
	if data := b.GetData(); len(data) > 0 {
		n.addTokens(1 + int64(len(data))/bytesPer)
		return
	}
	n.addTokens(unknown)
}

// Estimate is what a request may use.
type Estimate struct {
	// Input is the estimate of what is read.
	Input int64
	// WorstInput is Input with the margin on top.
	WorstInput int64
	// WorstOutput is the most that may be written, over all candidates.
	WorstOutput int64
}

// Worst is the most that the request may use.
func (e Estimate) Worst() int64 { return e.WorstInput + e.WorstOutput }

// Bounds say how worst cases are made.
type Bounds struct {
	// MarginPercent is added to the estimated input, because it is one.
	MarginPercent int64
	// Output is what is reserved for an answer whose request sets no limit.
	Output int64
	// Context is the most that enrichment may add to the input.
	Context int64
}

// ForConversation estimates a request whose input has been estimated.
func ForConversation(limit *llmv1.Sampling, input int64, b Bounds) Estimate {
	output := b.Output
	if limit != nil && limit.MaxOutputTokens != nil {
		output = limit.GetMaxOutputTokens()
	}
	candidates := max(1, int64(limit.GetCandidateCount()))
	return Estimate{
		Input:       input,
		WorstInput:  withMargin(input, b.MarginPercent) + b.Context,
		WorstOutput: output * candidates,
	}
}

// ForInputs estimates texts to embed.
func ForInputs(model string, inputs []string, b Bounds) Estimate {
	n := NewCounter(model)
	for _, text := range inputs {
		n.AddString(text)
	}
	return Estimate{Input: n.Tokens(), WorstInput: withMargin(n.Tokens(), b.MarginPercent)}
}

func withMargin(n, percent int64) int64 { return n + (n*percent+99)/100 }

// Total is the number of tokens that a usage counts.
func Total(u *llmv1.Usage) int64 {
	return Input(u) + u.GetOutputTokens() + u.GetReasoningTokens() + u.GetOutputAudioTokens()
}

// Input is the number of tokens that a usage counts as read.
func Input(u *llmv1.Usage) int64 {
	return u.GetInputTokens() + u.GetCacheReadTokens() + u.GetCacheWrite_5MTokens() +
		u.GetCacheWrite_1HTokens() + u.GetInputAudioTokens() + u.GetInputImageTokens()
}
