package openai

import (
	"fmt"
	"strconv"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Render implements provider.NativeRequest: the client's bytes with all
// changes made in one pass.
func (r *Request) Render(to *provider.Request, stream bool) ([]byte, error) {
	var space [8]jsonscan.Edit
	edits := space[:0]
	if to.Model != "" && to.Model != r.modelName {
		edits = append(edits, jsonscan.Edit{Span: r.model.Span, Text: to.Model})
	}
	for i, text := range to.Revisions {
		if i < 0 || i >= len(r.texts) {
			return nil, errs.Internal(fmt.Errorf("revision of text %d of %d", i, len(r.texts)))
		}
		edits = append(edits, jsonscan.Edit{Span: r.texts[i].Span, Text: text, Order: 1})
	}
	if to.Context != "" {
		edits = append(edits, r.context.insert(to.Context, len(to.Conversation.GetMessages()) > 0))
	}
	edits = r.streamEdits(edits, stream)
	return jsonscan.Splice(r.raw, edits), nil
}

// insert makes the edit that puts the context block in its place.
func (c contextPlace) insert(block string, behindOthers bool) jsonscan.Edit {
	e := jsonscan.Edit{Span: jsonscan.Span{Start: c.at, End: c.at}, Text: block}
	switch c.kind {
	case placeString:
		e.After = `\n\n`
	case placeParts:
		e.Before, e.After = `{"type":"text","text":"`, `"},`
	case placeEmptyPart:
		e.Before, e.After = `{"type":"text","text":"`, `"}`
	default:
		e.Before, e.After = `{"role":"user","content":"`, `"}`
		if behindOthers {
			e.Before = "," + e.Before
		}
	}
	return e
}

// streamEdits makes stream and stream_options what the gateway needs: with a
// stream, usage is always asked for.
func (r *Request) streamEdits(edits []jsonscan.Edit, stream bool) []jsonscan.Edit {
	top := jsonscan.Span{Start: r.body, End: r.body}
	options := r.streamOptions
	if stream != r.stream.value {
		if r.stream.present {
			edits = append(edits, jsonscan.Edit{Span: r.stream.Span, Before: strconv.FormatBool(stream)})
		} else {
			edits = append(edits, jsonscan.Edit{Span: top, Before: `"stream":true,`})
		}
	}
	switch {
	case !stream && options.present:
		edits = append(edits, jsonscan.Edit{Span: options.Span, Before: "null"})
	case !stream || options.includeUsage.value:
	case options.includeUsage.present:
		edits = append(edits, jsonscan.Edit{Span: options.includeUsage.Span, Before: "true"})
	case options.present:
		after := `"include_usage":true`
		if !r.emptyOptions() {
			after += ","
		}
		edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: options.Start + 1, End: options.Start + 1}, Before: after})
	case r.optionsNull.present:
		edits = append(edits, jsonscan.Edit{Span: r.optionsNull.Span, Before: `{"include_usage":true}`})
	default:
		edits = append(edits, jsonscan.Edit{Span: top, Before: `"stream_options":{"include_usage":true},`, Order: 1})
	}
	return edits
}

func (r *Request) emptyOptions() bool {
	for _, c := range r.raw[r.streamOptions.Start+1 : r.streamOptions.End-1] {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}
