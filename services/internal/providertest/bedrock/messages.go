package bedrock

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// secret is what a redacted block holds.
var secret = providertest.Signature("a secret")

// formats are which files may stand in a block.
var formats = map[string]map[string]string{
	"image": {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"},
	"document": {
		"pdf": "application/pdf", "csv": "text/csv", "doc": "application/msword", "txt": "text/plain", "md": "text/markdown", "html": "text/html",
		"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "xls": "application/vnd.ms-excel",
		"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	},
	"video": {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm", "mkv": "video/x-matroska"},
	"audio": {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"},
}

// turn is one message while it is checked.
type turn struct {
	*request
	at        int
	role      string
	said      []string
	calls     []string
	results   []string
	documents int
	last      string // the kind of the block before
}

func (r *request) checkMessages() error {
	if len(r.Messages) == 0 || r.Messages[0].Role != "user" {
		return faultf("A conversation must start with a user message. Try again with a conversation that starts with a user message.")
	}
	var open []string // calls of the turn before
	for i, m := range r.Messages {
		switch {
		case m.Role != "user" && m.Role != "assistant":
			return faultf("value at 'messages.%d.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]", i)
		case i > 0 && m.Role == r.Messages[i-1].Role:
			return faultf("A conversation must alternate between user and assistant roles.")
		case len(m.Content) == 0:
			return faultf("The content field in the Message object at messages.%d is empty.", i)
		}
		t := &turn{request: r, at: i, role: m.Role}
		r.asked.Results = nil
		for j, b := range m.Content {
			if err := t.block(b); err != nil {
				return faultf("messages.%d.content.%d: %w", i, j, err)
			}
		}
		if err := t.end(open, m, i == len(r.Messages)-2); err != nil {
			return err
		}
		open = t.calls
	}
	if len(open) > 0 {
		return missingResults(len(r.Messages), open)
	}
	return nil
}

// checkPrefill checks what the answer is to go on from, which the last turn said.
func (t *turn) checkPrefill() error {
	if providertest.Behaviour(t.asked.Model) == providertest.NoPrefill {
		return faultf("The model returned the following errors: This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	t.asked.Prefill = strings.Join(t.said, "")
	if t.asked.Prefill != strings.TrimRight(t.asked.Prefill, " \n\t") {
		return faultf("The model returned the following errors: messages: final assistant content cannot end with trailing whitespace")
	}
	return nil
}

func missingResults(at int, ids []string) error {
	return faultf("Expected toolResult blocks at messages.%d.content for the following Ids: %s", at, strings.Join(ids, ", "))
}

// end checks a message as a whole.
func (t *turn) end(open []string, m message, last bool) error {
	left := slices.Clone(open)
	for _, id := range t.results {
		i := slices.Index(left, id)
		if i < 0 {
			return faultf("The number of toolResult blocks at messages.%d.content exceeds the number of toolUse blocks of previous turn.", t.at)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return missingResults(t.at, left)
	}
	if t.documents > 0 && len(t.said) == 0 {
		return faultf("messages.%d: a message with a document must have a text block", t.at)
	}
	if (len(t.calls) > 0 || len(t.results) > 0) && t.ToolConfig == nil {
		return faultf("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
	}
	if _, thought := m.Content[0]["reasoningContent"]; len(t.calls) > 0 && last && t.enabled && !thought {
		return faultf("The model returned the following errors: messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.", t.at)
	}
	if t.role == "user" && len(t.said) > 0 {
		t.asked.Last = strings.Join(t.said, "\n")
	}
	if t.role == "assistant" && t.at == len(t.Messages)-1 {
		return t.checkPrefill()
	}
	return nil
}

// block checks one block, which is an object with one member.
func (t *turn) block(b map[string]json.RawMessage) error {
	if len(b) != 1 {
		return faultf("exactly one member of the ContentBlock union must be set")
	}
	for kind, raw := range b {
		before := t.last
		t.last = kind
		switch kind {
		case "text":
			var text string
			if json.Unmarshal(raw, &text) != nil || strings.TrimSpace(text) == "" {
				return faultf("The text field in the ContentBlock object is blank. Add text to the text field, and try again.")
			}
			t.said = append(t.said, text)
			t.reads(text)
		case "image", "document", "video", "audio":
			if t.role != "user" {
				return faultf("an assistant message must not have a block of kind %s", kind)
			}
			return t.media(kind, raw)
		case "toolUse":
			return t.toolUse(raw)
		case "toolResult":
			return t.toolResult(raw)
		case "reasoningContent":
			return t.reasoning(raw)
		case "cachePoint":
			c := &cachePoint{}
			if err := json.Unmarshal(raw, c); err != nil {
				return err
			}
			return t.point(c, before)
		default:
			return faultf("unknown member %q of the ContentBlock union", kind)
		}
	}
	return nil
}

// point checks what a mark of the cache stands behind.
func (t *turn) point(c *cachePoint, before string) error {
	switch {
	case before == "":
		return faultf("There is nothing available to cache.")
	case before == "reasoningContent":
		return faultf("Cache point cannot be inserted after reasoning block. Please remove the invalid cache point and try again.")
	case before != "text" && strings.Contains(t.asked.Model, "amazon.nova"):
		return faultf("The model returned the following errors: Malformed input request: #/messages/%d/content: extraneous key [cachePoint] is not permitted", t.at)
	}
	return t.mark(c)
}

// media notes what a file shows.
func (t *turn) media(kind string, raw json.RawMessage) error {
	var m struct {
		Format string `json:"format"`
		Name   string `json:"name"`
		Source struct {
			Bytes      string            `json:"bytes"`
			Text       string            `json:"text"`
			Content    []json.RawMessage `json:"content"`
			S3Location struct {
				URI string `json:"uri"`
			} `json:"s3Location"`
		} `json:"source"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	if kind == "document" {
		t.documents++
		if !fileName.MatchString(m.Name) || len(m.Name) > 200 {
			return faultf("The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets.")
		}
		if m.Format == "" {
			m.Format = "txt"
		}
	}
	mediaType, ok := formats[kind][m.Format]
	content, valid := providertest.Base64(m.Source.Bytes)
	what := providertest.Media(mediaType, content)
	switch {
	case !ok:
		return faultf("value at '%s.format' failed to satisfy constraint: Member must satisfy enum value set", kind)
	case m.Source.S3Location.URI != "":
		what = "what is at " + m.Source.S3Location.URI
	case m.Source.Text != "" && kind == "document":
		what = providertest.Media(mediaType, []byte(m.Source.Text))
		t.reads(m.Source.Text)
	case len(m.Source.Content) > 0 && kind == "document":
		what = fmt.Sprintf("%s of %d blocks", mediaType, len(m.Source.Content))
	case !valid:
		return faultf("the bytes of the %s are not valid base64", kind)
	}
	t.asked.Seen = append(t.asked.Seen, what)
	return nil
}

func (t *turn) toolUse(raw json.RawMessage) error {
	var u struct {
		ID    string          `json:"toolUseId"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return err
	}
	if t.role != "assistant" || !toolName.MatchString(u.ID) || !toolName.MatchString(u.Name) || !strings.HasPrefix(string(u.Input), "{") {
		return faultf("toolUse: an assistant's, with toolUseId, name, and an input that is an object")
	}
	t.calls = append(t.calls, u.ID)
	t.asked.Calls++
	t.reads(u.Name + " " + string(u.Input))
	return nil
}

func (t *turn) toolResult(raw json.RawMessage) error {
	var u struct {
		ID      string                       `json:"toolUseId"`
		Status  string                       `json:"status"`
		Content []map[string]json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return err
	}
	if t.role != "user" || u.Status != "" && u.Status != "success" && u.Status != "error" {
		return faultf("toolResult: a user's, with a status of success or error")
	}
	var texts []string
	for _, b := range u.Content {
		for kind, inner := range b {
			var text string
			switch kind {
			case "text":
				_ = json.Unmarshal(inner, &text) // no text is an empty text
			case "json":
				text = string(inner)
			default:
				if err := t.media(kind, inner); err != nil {
					return err
				}
				continue
			}
			texts = append(texts, text)
			t.reads(text)
		}
	}
	result := strings.Join(texts, "\n")
	if u.Status == "error" {
		result = "error: " + result
	}
	t.results = append(t.results, u.ID)
	t.asked.Results = append(t.asked.Results, result)
	return nil
}

// reasoning checks that thoughts are the fake's own.
func (t *turn) reasoning(raw json.RawMessage) error {
	var c struct {
		Text *struct {
			Text      string `json:"text"`
			Signature string `json:"signature"`
		} `json:"reasoningText"`
		Redacted string `json:"redactedContent"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	if t.role != "assistant" || c.Text == nil && c.Redacted != secret || c.Text != nil && c.Text.Signature != providertest.Signature(c.Text.Text) {
		return faultf("The model returned the following errors: Invalid `signature` in `thinking` block")
	}
	return nil
}
