package openai

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// ModerationModel is who answers moderations, as clients see it.
const ModerationModel = "tollgate-guardrail"

// ModerationRequest is a moderation request of a client.
type ModerationRequest struct {
	// Model is what the client asked for; empty if nothing.
	Model string
	// Texts are all texts, and Inputs the number of texts in each input: the
	// parts of one input have one result.
	Texts  []string
	Inputs []int
}

var moderationNames = jsonscan.Names{"model", "input"}

// ParseModeration reads the body of a moderation request. The texts share
// memory with raw.
func ParseModeration(raw []byte) (*ModerationRequest, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: newScanner(raw)}
	if p.Peek() != '{' {
		return nil, malformed("the body is not a JSON object")
	}
	r := &ModerationRequest{}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		name, err := moderationNames.Find(p.Key(), &seen, nil)
		at := &jsonscan.Path{Name: name}
		switch {
		case err != nil:
		case name == "input":
			err = p.moderated(r, at)
		case name == "model" && p.Peek() != 'n':
			err = p.stringMember(&r.Model, at)
		default:
			p.Skip()
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.Finish(); err != nil {
		return nil, malformed("the body " + err.Error())
	}
	if len(r.Texts) == 0 {
		return nil, (&jsonscan.Path{Name: "input"}).Invalid("must not be empty")
	}
	return r, nil
}

// moderated reads a text, texts, or the parts of one input.
func (p *parser) moderated(r *ModerationRequest, at *jsonscan.Path) error {
	switch p.Peek() {
	case '"':
		r.Texts, r.Inputs = []string{p.Value(p.Text())}, []int{1}
		return nil
	case '[':
	default:
		return at.Invalid("must be a string, an array of strings or an array of parts")
	}
	parts := false
	for p.Open('['); p.Next(']'); {
		in := &jsonscan.Path{Parent: at, Index: len(r.Texts)}
		if len(r.Texts) == maxInputs {
			return at.Invalid("must not have more than %d texts", maxInputs)
		}
		part := p.Peek() == '{'
		if len(r.Texts) > 0 && part != parts {
			return in.Invalid("must be of the same kind as the others")
		}
		parts = part
		var text string
		var err error
		if part {
			text, err = p.moderatedPart(in)
		} else {
			err = p.stringMember(&text, in)
		}
		if err != nil {
			return err
		}
		r.Texts = append(r.Texts, text)
		if !parts {
			r.Inputs = append(r.Inputs, 1)
		}
	}
	if parts {
		r.Inputs = []int{len(r.Texts)}
	}
	return nil
}

func (p *parser) moderatedPart(at *jsonscan.Path) (text string, err error) {
	var kind string
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		name, err := partNames.Find(p.Key(), &seen, at)
		in := &jsonscan.Path{Parent: at, Name: name}
		switch {
		case err != nil:
		case name == "type":
			err = p.stringMember(&kind, in)
		case name == "text":
			err = p.stringMember(&text, in)
		default:
			p.Skip()
		}
		if err != nil {
			return "", err
		}
	}
	if p.Err == nil && kind != "text" {
		return "", (&jsonscan.Path{Parent: at, Name: "type"}).Unsupported("must be text; pictures are not checked")
	}
	return text, nil
}

// categories are those of OpenAI's answers. No check of ours covers them: they
// are false, with no kind of input that they were applied to.
var categories = []string{
	"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
	"self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
}

// EncodeModeration writes what was found in each input: the categories of
// OpenAI's, and beside them the checks that fired, by their own names.
func EncodeModeration(id string, found []map[string]float64) []byte {
	e := &encoder{buf: make([]byte, 0, 2048)}
	e.raw(`{"id":`)
	e.text("modr-" + id)
	e.raw(`,"model":"` + ModerationModel + `","results":[`)
	for _, scores := range found {
		e.comma()
		e.raw(`{"flagged":` + strconv.FormatBool(len(scores) > 0) + `,"categories":{`)
		e.perCheck(scores, "false", func(float64) { e.raw("true") })
		e.raw(`},"category_scores":{`)
		e.perCheck(scores, "0", func(score float64) { e.buf = strconv.AppendFloat(e.buf, score, 'g', -1, 64) })
		e.raw(`},"category_applied_input_types":{`)
		e.perCheck(scores, "[]", func(float64) { e.raw(`["text"]`) })
		e.raw(`}}`)
	}
	e.raw(`]}`)
	return e.buf
}

func (e *encoder) perCheck(scores map[string]float64, absent string, fired func(score float64)) {
	name := func(name string) {
		e.comma()
		e.text(name)
		e.raw(`:`)
	}
	for _, c := range categories {
		name(c)
		if score, ok := scores[c]; ok {
			fired(score)
			continue
		}
		e.raw(absent)
	}
	for _, check := range slices.Sorted(maps.Keys(scores)) {
		if !slices.Contains(categories, check) {
			name(check)
			fired(scores[check])
		}
	}
}
