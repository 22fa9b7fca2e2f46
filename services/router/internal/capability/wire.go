package capability

// Whether a provider embeds is a matter of its kind and of the model, not of
// the wire format of its conversations: no row here holds Embeddings or Chat.

// wires say what each wire format cannot express. They follow the references
// of the providers' own APIs:
//
//   - openai, responses: platform.openai.com/docs/api-reference, chat and responses
//   - anthropic: platform.claude.com/docs/en/api/messages
//   - converse: docs.aws.amazon.com/bedrock/latest/APIReference, Converse
//   - gemini: ai.google.dev/api/generate-content
//   - titan: docs.aws.amazon.com/bedrock/latest/userguide, Titan Text parameters
//
// What a format has, but not every model behind it takes, is a row of the model
// catalogue.
var wires = map[string]Set{
	// A tool's message holds text only. A file comes as bytes. What the answer
	// must begin with has no place: an assistant's message at the end is history.
	// Penalties are there, top_k is not; four stop texts at most.
	"openai": S3Objects | GSObjects | DocumentURLs | AudioURLs | ToolResultMedia | Prefill |
		TopK | StopsOver4 | StopsOver5 |
		ReasoningBudget | IncludeThinking | ThinkingHistory | UnsignedThinking | CallSignatures |
		CachePoints | CacheTTL | ToolErrors | Citations,

	// Of sampling it has temperature and top_p. Reasoning items go back encrypted,
	// as they came. It takes no sound.
	"responses": S3Objects | GSObjects | Audio | AudioURLs | Prefill |
		TopK | Seed | PresencePenalty | FrequencyPenalty | Candidates |
		Stop | BlankStops | StopsOver4 | StopsOver5 |
		ReasoningBudget | UnsignedThinking | CallSignatures |
		CachePoints | CacheTTL | ParticipantNames | ToolErrors | Citations,

	// Temperature ends at 1. Thinking goes back signed or not at all. Instructions
	// stand beside the messages.
	"anthropic": S3Objects | GSObjects | Audio | AudioURLs |
		JSONObject | HighTemperature | Seed | PresencePenalty | FrequencyPenalty | Candidates | BlankStops |
		UnsignedThinking | CallSignatures | ParticipantNames | LateSystem | ImageDetail | Citations,

	// Media come as bytes or from S3. A choice of no tool and of one call at a
	// time are missing. top_k and thinking pass through additionalModelRequestFields.
	"converse": ImageURLs | DocumentURLs | AudioURLs | GSObjects |
		ToolChoiceNone | ParallelControl |
		JSONObject | HighTemperature | Seed | PresencePenalty | FrequencyPenalty | Candidates | BlankStops |
		UnsignedThinking | CallSignatures | EndUser | ParticipantNames | LateSystem | ImageDetail | Citations,

	// Five stop texts at most; prompt caches are resources of their own. The last
	// turn is the user's. It signs calls, not thoughts: signed ones are another's.
	"gemini": S3Objects | Prefill |
		ParallelControl | StrictTools | StopsOver5 | ReasoningXHigh | ThinkingHistory |
		CachePoints | CacheTTL | EndUser | ParticipantNames | LateSystem | ImageDetail | DocumentTitles | Citations,

	// One text in, one text out.
	"titan": System | Images | Documents | Audio | ImageURLs | DocumentURLs | AudioURLs | S3Objects | GSObjects |
		Tools | ToolResultMedia | ToolHistory | Prefill |
		ToolChoice | ToolChoiceNone | ParallelControl | StrictTools | JSONObject | JSONSchema |
		HighTemperature | TopK | Seed | PresencePenalty | FrequencyPenalty | Candidates |
		Reasoning | ReasoningOff | ReasoningBudget | ReasoningEffort | ReasoningXHigh | IncludeThinking |
		ThinkingHistory | UnsignedThinking | CallSignatures |
		CachePoints | CacheTTL | EndUser | ParticipantNames | LateSystem | ToolErrors | ImageDetail | DocumentTitles | Citations,
}

// Wire is what a wire format cannot express. A target without one (the
// built-in answerer, say) reads the canonical form: it lacks nothing here.
func Wire(dialect string) Set { return wires[dialect] }

// Dialects lists the wire formats that have a row.
func Dialects() []string {
	return []string{"openai", "responses", "anthropic", "converse", "gemini", "titan"}
}
