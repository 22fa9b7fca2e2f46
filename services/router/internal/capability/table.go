package capability

// Class says what happens to a feature that a target lacks.
type Class uint8

// The classes.
const (
	// Content is never dropped.
	Content Class = iota
	// Parameter is refused unless the route drops it.
	Parameter
	// Hint is always dropped, and listed.
	Hint
)

// The client dialects, as fields of a row. A dialect is also the name of the
// wire format; see Wire.
const (
	openai = iota
	responses
	anthropic
	converse
	gemini
	canonical
	dialects
)

// row is one feature: its name in the configuration and in reasons, and the
// client's parameter of it in each dialect, empty where the dialect has none.
type row struct {
	bit   Set
	name  string
	class Class
	field [dialects]string
}

// table holds a row for each feature, in the order of the bits. The columns
// are openai, responses, anthropic, converse, gemini, canonical.
var table = [...]row{
	{Chat, "chat", Content, [dialects]string{"messages", "input", "messages", "messages", "contents", "conversation.messages"}},
	{Embeddings, "embeddings", Content, [dialects]string{"input", "input", "input", "inputText", "content", "inputs"}},
	{System, "system", Content, [dialects]string{"messages", "instructions", "system", "system", "systemInstruction", "conversation.messages"}},
	{Images, "images", Content, [dialects]string{"messages[].content[].image_url", "input[].content[].image_url", "messages[].content[].source", "messages[].content[].image", "contents[].parts[].inlineData", "conversation.messages[].parts[].image"}},
	{Documents, "documents", Content, [dialects]string{"messages[].content[].file", "input[].content[].file_data", "messages[].content[].source", "messages[].content[].document", "contents[].parts[].inlineData", "conversation.messages[].parts[].document"}},
	{Audio, "audio", Content, [dialects]string{"messages[].content[].input_audio", "", "", "messages[].content[].audio", "contents[].parts[].inlineData", "conversation.messages[].parts[].audio"}},
	{ImageURLs, "image_urls", Content, [dialects]string{"messages[].content[].image_url.url", "input[].content[].image_url", "messages[].content[].source.url", "", "contents[].parts[].fileData.fileUri", "conversation.messages[].parts[].image.blob.uri"}},
	{DocumentURLs, "document_urls", Content, [dialects]string{"", "input[].content[].file_url", "messages[].content[].source.url", "", "contents[].parts[].fileData.fileUri", "conversation.messages[].parts[].document.blob.uri"}},
	{AudioURLs, "audio_urls", Content, [dialects]string{"", "", "", "", "contents[].parts[].fileData.fileUri", "conversation.messages[].parts[].audio.blob.uri"}},
	{S3Objects, "s3_objects", Content, [dialects]string{"messages[].content[].image_url.url", "input[].content[].image_url", "messages[].content[].source.url", "messages[].content[].image.source.s3Location", "contents[].parts[].fileData.fileUri", "conversation.messages[].parts[].image.blob.uri"}},
	{GSObjects, "gs_objects", Content, [dialects]string{"messages[].content[].image_url.url", "input[].content[].image_url", "messages[].content[].source.url", "", "contents[].parts[].fileData.fileUri", "conversation.messages[].parts[].image.blob.uri"}},
	{Tools, "tools", Content, [dialects]string{"tools", "tools", "tools", "toolConfig.tools", "tools", "conversation.tools"}},
	{ToolResultMedia, "tool_result_media", Content, [dialects]string{"messages[].content[]", "input[].output[]", "messages[].content[].content[]", "messages[].content[].toolResult.content[]", "contents[].parts[].functionResponse.parts[]", "conversation.messages[].parts[].tool_result.parts[]"}},
	{ToolHistory, "tool_history", Content, [dialects]string{"messages[].tool_calls", "input", "messages[].content[]", "messages[].content[].toolUse", "contents[].parts[].functionCall", "conversation.messages[].parts[].tool_call"}},
	{Prefill, "prefill", Content, [dialects]string{"messages", "input", "messages", "messages", "contents", "conversation.messages"}},

	{ToolChoice, "tool_choice", Parameter, [dialects]string{"tool_choice", "tool_choice", "tool_choice", "toolConfig.toolChoice", "toolConfig.functionCallingConfig", "conversation.tool_choice"}},
	{ToolChoiceNone, "tool_choice_none", Parameter, [dialects]string{"tool_choice", "tool_choice", "tool_choice", "", "toolConfig.functionCallingConfig.mode", "conversation.tool_choice"}},
	{ParallelControl, "parallel_control", Parameter, [dialects]string{"parallel_tool_calls", "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", "", "", "conversation.tool_choice.disable_parallel"}},
	{StrictTools, "strict_tools", Parameter, [dialects]string{"tools[].function.strict", "tools[].strict", "tools[].strict", "toolConfig.tools[].toolSpec.strict", "", "conversation.tools[].strict"}},
	{JSONObject, "json_object", Parameter, [dialects]string{"response_format", "text.format", "", "", "generationConfig.responseMimeType", "conversation.response_format"}},
	{JSONSchema, "json_schema", Parameter, [dialects]string{"response_format", "text.format", "output_config.format", "outputConfig.textFormat", "generationConfig.responseJsonSchema", "conversation.response_format"}},
	{Temperature, "temperature", Parameter, [dialects]string{"temperature", "temperature", "temperature", "inferenceConfig.temperature", "generationConfig.temperature", "conversation.sampling.temperature"}},
	{HighTemperature, "high_temperature", Parameter, [dialects]string{"temperature", "temperature", "temperature", "inferenceConfig.temperature", "generationConfig.temperature", "conversation.sampling.temperature"}},
	{TopP, "top_p", Parameter, [dialects]string{"top_p", "top_p", "top_p", "inferenceConfig.topP", "generationConfig.topP", "conversation.sampling.top_p"}},
	{TopK, "top_k", Parameter, [dialects]string{"top_k", "", "top_k", "additionalModelRequestFields.top_k", "generationConfig.topK", "conversation.sampling.top_k"}},
	{TemperatureWithTopP, "temperature_with_top_p", Parameter, [dialects]string{"top_p", "top_p", "top_p", "inferenceConfig.topP", "generationConfig.topP", "conversation.sampling.top_p"}},
	{Seed, "seed", Parameter, [dialects]string{"seed", "", "", "", "generationConfig.seed", "conversation.sampling.seed"}},
	{PresencePenalty, "presence_penalty", Parameter, [dialects]string{"presence_penalty", "", "", "", "generationConfig.presencePenalty", "conversation.sampling.presence_penalty"}},
	{FrequencyPenalty, "frequency_penalty", Parameter, [dialects]string{"frequency_penalty", "", "", "", "generationConfig.frequencyPenalty", "conversation.sampling.frequency_penalty"}},
	{Candidates, "candidates", Parameter, [dialects]string{"n", "", "", "", "generationConfig.candidateCount", "conversation.sampling.candidate_count"}},
	{Stop, "stop", Parameter, [dialects]string{"stop", "", "stop_sequences", "inferenceConfig.stopSequences", "generationConfig.stopSequences", "conversation.sampling.stop"}},
	{BlankStops, "blank_stops", Parameter, [dialects]string{"stop", "", "stop_sequences", "inferenceConfig.stopSequences", "generationConfig.stopSequences", "conversation.sampling.stop"}},
	{StopsOver4, "stops_over_4", Parameter, [dialects]string{"stop", "", "stop_sequences", "inferenceConfig.stopSequences", "generationConfig.stopSequences", "conversation.sampling.stop"}},
	{StopsOver5, "stops_over_5", Parameter, [dialects]string{"stop", "", "stop_sequences", "inferenceConfig.stopSequences", "generationConfig.stopSequences", "conversation.sampling.stop"}},
	{OutputLimit, "output_limit", Parameter, [dialects]string{"max_completion_tokens", "max_output_tokens", "max_tokens", "inferenceConfig.maxTokens", "generationConfig.maxOutputTokens", "conversation.sampling.max_output_tokens"}},
	{Reasoning, "reasoning", Parameter, [dialects]string{"reasoning_effort", "reasoning.effort", "thinking", "additionalModelRequestFields.thinking", "generationConfig.thinkingConfig", "conversation.reasoning"}},
	{ReasoningOff, "reasoning_off", Parameter, [dialects]string{"reasoning_effort", "reasoning.effort", "thinking", "additionalModelRequestFields.thinking", "generationConfig.thinkingConfig", "conversation.reasoning"}},

	{ReasoningBudget, "reasoning_budget", Hint, [dialects]string{"", "", "thinking.budget_tokens", "additionalModelRequestFields.thinking.budget_tokens", "generationConfig.thinkingConfig.thinkingBudget", "conversation.reasoning.budget_tokens"}},
	{ReasoningEffort, "reasoning_effort", Hint, [dialects]string{"reasoning_effort", "reasoning.effort", "output_config.effort", "outputConfig.effort", "generationConfig.thinkingConfig.thinkingLevel", "conversation.reasoning.effort"}},
	{ReasoningXHigh, "reasoning_xhigh", Hint, [dialects]string{"reasoning_effort", "reasoning.effort", "output_config.effort", "outputConfig.effort", "", "conversation.reasoning.effort"}},
	{IncludeThinking, "include_thinking", Hint, [dialects]string{"", "reasoning.summary", "thinking", "additionalModelRequestFields.thinking", "generationConfig.thinkingConfig.includeThoughts", "conversation.reasoning.include_thinking"}},
	{ThinkingHistory, "thinking_history", Hint, [dialects]string{"", "input[].encrypted_content", "messages[].content[].thinking", "messages[].content[].reasoningContent", "contents[].parts[].thoughtSignature", "conversation.messages[].parts[].thinking"}},
	{UnsignedThinking, "unsigned_thinking", Hint, [dialects]string{"", "input[].summary", "messages[].content[].thinking", "messages[].content[].reasoningContent", "contents[].parts[].thought", "conversation.messages[].parts[].thinking"}},
	{CallSignatures, "call_signatures", Hint, [dialects]string{"", "", "", "", "contents[].parts[].thoughtSignature", "conversation.messages[].parts[].tool_call.signature"}},
	{CachePoints, "cache_points", Hint, [dialects]string{"", "", "cache_control", "cachePoint", "", "conversation.messages[].parts[].cache_point"}},
	{CacheTTL, "cache_ttl", Hint, [dialects]string{"", "", "cache_control.ttl", "cachePoint.ttl", "", "conversation.messages[].parts[].cache_point.ttl"}},
	{EndUser, "end_user", Hint, [dialects]string{"user", "user", "metadata.user_id", "", "", "conversation.end_user"}},
	{ParticipantNames, "participant_names", Hint, [dialects]string{"messages[].name", "", "", "", "", "conversation.messages[].name"}},
	{LateSystem, "late_system", Hint, [dialects]string{"messages[].role", "input[].role", "messages[].role", "", "", "conversation.messages[].role"}},
	{ToolErrors, "tool_errors", Hint, [dialects]string{"", "", "messages[].content[].is_error", "messages[].content[].toolResult.status", "contents[].parts[].functionResponse.response.error", "conversation.messages[].parts[].tool_result.is_error"}},
	{ImageDetail, "image_detail", Hint, [dialects]string{"messages[].content[].image_url.detail", "input[].content[].detail", "", "", "contents[].parts[].mediaResolution", "conversation.messages[].parts[].image.detail"}},
	{DocumentTitles, "document_titles", Hint, [dialects]string{"messages[].content[].file.filename", "input[].content[].filename", "messages[].content[].title", "messages[].content[].document.name", "contents[].parts[].inlineData.displayName", "conversation.messages[].parts[].document.title"}},
	{Citations, "citations", Hint, [dialects]string{"messages[].annotations", "input[].content[].annotations", "messages[].content[].citations", "messages[].content[].citationsContent", "", "conversation.messages[].parts[].text.citations"}},
}

// classes holds the features of each class.
var classes = func() (sets [Hint + 1]Set) {
	for i := range table {
		sets[table[i].class] |= table[i].bit
	}
	return sets
}()

// ClassOf says what happens to one feature where it is lacked.
func ClassOf(f Set) Class { return rowOf(f).class }

// column finds the column of a dialect; our own form is that of every other name.
func column(dialect string) int {
	switch dialect {
	case "openai":
		return openai
	case "responses":
		return responses
	case "anthropic":
		return anthropic
	case "converse", "bedrock":
		return converse
	case "gemini":
		return gemini
	default: // gRPC and REST
		return canonical
	}
}

// Field is the client's parameter of a feature in a dialect: for a dialect
// that has none, and for gRPC and REST ("grpc", or empty), its canonical path.
func Field(dialect string, f Set) string {
	r := rowOf(f)
	if name := r.field[column(dialect)]; name != "" {
		return name
	}
	return r.field[canonical]
}

// AppendFields appends the client's parameters of features, each once.
func AppendFields(fields []string, dialect string, s Set) []string {
	for f := range (s & All).Each() {
		fields = appendNew(fields, Field(dialect, f))
	}
	return fields
}

func appendNew(list []string, name string) []string {
	for _, have := range list {
		if have == name {
			return list
		}
	}
	return append(list, name)
}
