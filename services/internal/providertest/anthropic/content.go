package anthropic

import (
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// secret is what a redacted block holds.
var secret = providertest.Signature("a secret")

var imageTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// allowed is which blocks a role may have.
var allowed = map[string][]string{
	"user":      {"text", "image", "document", "tool_result"},
	"assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}

// checkBlock checks one block and notes what the model learns from it.
func (r *request) checkBlock(role string, b block) error {
	if !slices.Contains(allowed[role], b.Type) {
		return faultf("Input tag '%s' found using 'type' does not match any of the expected tags: %s",
			b.Type, strings.Join(allowed[role], ", "))
	}
	if strings.HasSuffix(b.Type, "thinking") && b.CacheControl != nil {
		return faultf("%s.cache_control: Extra inputs are not permitted", b.Type)
	}
	var err error
	switch b.Type {
	case "text":
		if strings.TrimSpace(b.Text) == "" {
			err = faultf("text content blocks must contain non-whitespace text")
		}
		r.reads(b.Text)
	case "image", "document":
		err = r.checkMedia(b)
	case "thinking":
		// Where the thoughts are left out, the signature stands for them.
		if b.Signature != providertest.Signature(b.Thinking) && (b.Thinking != "" || b.Signature == "") {
			err = faultf("Invalid `signature` in `thinking` block")
		}
	case "redacted_thinking":
		if b.Data != secret {
			err = faultf("Invalid `data` in `redacted_thinking` block")
		}
	case "tool_use":
		if !toolID.MatchString(b.ID) || !toolName.MatchString(b.Name) || !object(b.Input) {
			err = faultf("tool_use: `id`, `name` and an `input` that is a dictionary are required")
		}
		r.asked.Calls++
		r.reads(b.Name + string(b.Input))
	case "tool_result":
		err = r.checkResult(b)
	}
	r.mark(b.CacheControl)
	return err
}

func (r *request) checkResult(b block) error {
	var blocks []block
	if len(b.Content) > 0 {
		var err error
		if blocks, err = blocksOf(b.Content); err != nil {
			return err
		}
	}
	var texts []string
	for _, inner := range blocks {
		switch inner.Type {
		case "text":
			texts = append(texts, inner.Text)
			r.reads(inner.Text)
		case "image", "document":
			if err := r.checkMedia(inner); err != nil {
				return err
			}
		default:
			return faultf("tool_result: Input tag '%s' does not match any of the expected tags", inner.Type)
		}
	}
	text := strings.Join(texts, "\n")
	if b.IsError {
		text = "error: " + text
	}
	r.asked.Results = append(r.asked.Results, text)
	return nil
}

// checkMedia checks a picture or a document, and notes that it was seen.
func (r *request) checkMedia(b block) error {
	s := b.Source
	what := "what is at " + s.URL
	switch {
	case s.Type == "url" && strings.HasPrefix(s.URL, "http"):
	case s.Type == "file" && s.FileID != "":
		what = "file " + s.FileID
	case s.Type == "base64":
		raw, ok := providertest.Base64(s.Data)
		if !ok {
			return faultf("%s.source.base64: invalid base64 data", b.Type)
		}
		if b.Type == "image" && !slices.Contains(imageTypes, s.MediaType) || b.Type == "document" && s.MediaType != "application/pdf" {
			return faultf("%s.source.base64.media_type: Input should be one of the supported types", b.Type)
		}
		what = providertest.Media(s.MediaType, raw)
	case s.Type == "text" && b.Type == "document" && s.MediaType == "text/plain" && s.Data != "":
		what = providertest.Media(s.MediaType, []byte(s.Data))
		r.reads(s.Data)
	case s.Type == "content" && b.Type == "document" && len(s.Content) > 0:
		what = providertest.Media("content", s.Content)
	default:
		return faultf("%s.source: Input tag '%s' found using 'type' does not match any of the expected tags", b.Type, s.Type)
	}
	r.asked.Seen = append(r.asked.Seen, what)
	if b.Type == "document" {
		r.cite(b)
		r.documents++
	}
	return nil
}

// cite notes a citation of a document that asks to be cited.
func (r *request) cite(b block) {
	if !strings.Contains(strings.ReplaceAll(string(b.Citations), " ", ""), `"enabled":true`) {
		return
	}
	c := map[string]any{"document_index": r.documents, "document_title": nil, "file_id": nil}
	if b.Title != "" {
		c["document_title"] = b.Title
	}
	if b.Source.Type == "text" {
		c["type"], c["cited_text"] = "char_location", b.Source.Data
		c["start_char_index"], c["end_char_index"] = 0, len([]rune(b.Source.Data))
	} else {
		c["type"], c["cited_text"] = "page_location", "a page"
		c["start_page_number"], c["end_page_number"] = 1, 2
	}
	r.citations = append(r.citations, c)
}
