package capability

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Strip returns the conversation without the parameters and hints that
// somebody lacks. Content is left alone: without it nobody should be asked. What
// stays is shared with c, which is not changed; if nothing goes, c itself is
// returned, without an allocation.
func Strip(c *llmv1.Conversation, lacks Set) *llmv1.Conversation {
	s := stripper{in: c, lacks: lacks.Parameters() | lacks.Hints()}
	if lacks == None {
		return c
	}
	if messages := s.messages(c.GetMessages()); s.changed {
		s.edit().Messages = messages
	}
	s.toolsOf(c, lacks)
	s.sampling(c.GetSampling())
	s.reasoning(c.GetReasoning())
	if s.drops(formatOf(c)) {
		s.edit().ResponseFormat = nil
	}
	if c.GetEndUser() != "" && s.drops(EndUser) {
		s.edit().EndUser = ""
	}
	if s.out == nil {
		return c
	}
	return s.out
}

// stripper makes the copy once the first change is due.
type stripper struct {
	in, out *llmv1.Conversation
	lacks   Set
	changed bool // among the messages
}

func (s *stripper) drops(f Set) bool { return s.lacks&f != 0 }

func (s *stripper) edit() *llmv1.Conversation {
	if s.out == nil {
		s.out = shallow(s.in)
	}
	return s.out
}

// shallow copies a message; what it points at is shared.
func shallow[M proto.Message](m M) M {
	out := m.ProtoReflect().New()
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		out.Set(field, v)
		return true
	})
	return out.Interface().(M)
}

func formatOf(c *llmv1.Conversation) Set {
	switch c.GetResponseFormat().GetFormat().(type) {
	case *llmv1.ResponseFormat_JsonObject_:
		return JSONObject
	case *llmv1.ResponseFormat_JsonSchema_:
		return JSONSchema
	default:
		return None
	}
}

// toolsOf takes the whole set of what is lacked: whoever lacks tools is not
// shown any that must not be called.
func (s *stripper) toolsOf(c *llmv1.Conversation, lacks Set) {
	needs := ofTools(c)
	if needs&ToolChoiceNone != 0 && lacks&(ToolChoiceNone|Tools) != 0 && !hasToolHistory(c) {
		s.edit().Tools, s.edit().ToolChoice = nil, nil
		return
	}
	if needs&s.lacks&StrictTools != 0 {
		tools := slices.Clone(c.GetTools())
		for i, t := range tools {
			if t.GetStrict() {
				tools[i] = shallow(t)
				tools[i].Strict = false
			}
		}
		s.edit().Tools = tools
	}
	choice := c.GetToolChoice()
	if needs&s.lacks&(ToolChoice|ToolChoiceNone) != 0 {
		s.edit().ToolChoice = &llmv1.ToolChoice{DisableParallel: choice.GetDisableParallel()}
	}
	if choice.GetDisableParallel() && s.drops(ParallelControl) {
		out := s.edit()
		out.ToolChoice = shallow(out.GetToolChoice())
		out.ToolChoice.DisableParallel = false
	}
}

func hasToolHistory(c *llmv1.Conversation) bool {
	for _, m := range c.GetMessages() {
		for _, p := range m.GetParts() {
			if p.GetToolCall() != nil || p.GetToolResult() != nil {
				return true
			}
		}
	}
	return false
}

// sampling clears also what is set to what every model does anyway.
func (s *stripper) sampling(in *llmv1.Sampling) {
	if in == nil || s.lacks&sampled == 0 {
		return
	}
	var out *llmv1.Sampling
	edit := func() *llmv1.Sampling {
		if out == nil {
			out = shallow(in)
		}
		return out
	}
	clearField(s, in.Temperature, Temperature, func() { edit().Temperature = nil })
	if in.GetTemperature() > 1 && s.drops(HighTemperature) {
		edit().Temperature = nil
	}
	clearField(s, in.TopP, TopP, func() { edit().TopP = nil })
	if in.Temperature != nil && in.TopP != nil && s.drops(TemperatureWithTopP) {
		edit().TopP = nil
	}
	clearField(s, in.TopK, TopK, func() { edit().TopK = nil })
	clearField(s, in.Seed, Seed, func() { edit().Seed = nil })
	clearField(s, in.PresencePenalty, PresencePenalty, func() { edit().PresencePenalty = nil })
	clearField(s, in.FrequencyPenalty, FrequencyPenalty, func() { edit().FrequencyPenalty = nil })
	clearField(s, in.CandidateCount, Candidates, func() { edit().CandidateCount = nil })
	clearField(s, in.MaxOutputTokens, OutputLimit, func() { edit().MaxOutputTokens = nil })
	if stops := s.stops(in.GetStop()); len(stops) != len(in.GetStop()) {
		edit().Stop = stops
	}
	if out != nil {
		s.edit().Sampling = out
	}
}

const sampled = Temperature | HighTemperature | TemperatureWithTopP | TopP | TopK | Seed | PresencePenalty | FrequencyPenalty |
	Candidates | OutputLimit | Stop | BlankStops | StopsOver4 | StopsOver5

func clearField[T any](s *stripper, value *T, f Set, drop func()) {
	if value != nil && s.drops(f) {
		drop()
	}
}

// stops keeps the first ones where there are too many.
func (s *stripper) stops(stops []string) []string {
	if s.drops(Stop) {
		return nil
	}
	if s.drops(BlankStops) && slices.ContainsFunc(stops, blank) {
		stops = slices.DeleteFunc(slices.Clone(stops), blank)
	}
	most := len(stops)
	if s.drops(StopsOver4) {
		most = 4
	} else if s.drops(StopsOver5) {
		most = 5
	}
	return stops[:min(most, len(stops))]
}
