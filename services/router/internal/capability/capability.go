// Package capability says what a request needs, and what a wire format, a
// target or a model lacks, as sets that can be compared in one instruction.
package capability

import (
	"iter"
	"math/bits"
	"strings"
)

// Set is a set of features.
type Set uint64

// The features. Each has a row in the table of this package.
const (
	// Chat: answers conversations. Every conversation needs it; Of leaves it to
	// its callers.
	Chat Set = 1 << iota
	// Embeddings: turns texts into vectors.
	Embeddings
	// System: takes instructions besides the conversation.
	System
	// Images, Documents and Audio: media as bytes.
	Images
	Documents
	Audio
	// ImageURLs, DocumentURLs and AudioURLs: media by an address of the web.
	ImageURLs
	DocumentURLs
	AudioURLs
	// S3Objects and GSObjects: media by an address in Amazon's or Google's storage.
	S3Objects
	GSObjects
	// Tools: functions that the model may call.
	Tools
	// ToolResultMedia: images and documents in the result of a tool.
	ToolResultMedia
	// ToolHistory: calls and results in the history.
	ToolHistory
	// Prefill: the last message is the assistant's, and the answer goes on from it.
	Prefill

	// ToolChoice: the model must call some tool, or the named one.
	ToolChoice
	// ToolChoiceNone: the model must not call the tools that it is shown.
	ToolChoiceNone
	// ParallelControl: no more than one call in an answer.
	ParallelControl
	// StrictTools: arguments match the tool's schema exactly.
	StrictTools
	// JSONObject and JSONSchema: the answer is an object, or one of this shape.
	JSONObject
	JSONSchema
	// Temperature; HighTemperature is one above 1.
	Temperature
	HighTemperature
	// TopP and TopK narrow which tokens are drawn.
	TopP
	TopK
	// TemperatureWithTopP: both at once.
	TemperatureWithTopP
	// Seed makes answers repeatable.
	Seed
	// PresencePenalty and FrequencyPenalty make repetition less likely.
	PresencePenalty
	FrequencyPenalty
	// Candidates: more than one answer.
	Candidates
	// Stop: texts that end the answer; BlankStops are such of white space only,
	// StopsOver4 and StopsOver5 more than so many.
	Stop
	BlankStops
	StopsOver4
	StopsOver5
	// OutputLimit: the most tokens that the answer may have.
	OutputLimit
	// Reasoning: how much to think; ReasoningOff: not at all.
	Reasoning
	ReasoningOff

	// ReasoningBudget: how many tokens to think with. Without it, the effort
	// that comes nearest takes its place.
	ReasoningBudget
	// ReasoningEffort: how hard to think, by name. Without it, the number of tokens
	// that comes nearest takes its place: nothing is lost.
	ReasoningEffort
	// ReasoningXHigh: more effort than high, which takes its place.
	ReasoningXHigh
	// IncludeThinking: the thinking comes with the answer.
	IncludeThinking
	// ThinkingHistory: signed or redacted thinking in the history; UnsignedThinking:
	// such without a signature.
	ThinkingHistory
	UnsignedThinking
	// CallSignatures: signatures of the thinking behind calls of tools in the history.
	CallSignatures
	// CachePoints: marks of what to keep in a prompt cache; CacheTTL: for how long.
	CachePoints
	CacheTTL
	// EndUser: who the caller's user is.
	EndUser
	// ParticipantNames: names of those who speak.
	ParticipantNames
	// LateSystem: instructions behind the first turn. Without it they move to the front.
	LateSystem
	// ToolErrors: a result of a tool is marked as a failure.
	ToolErrors
	// ImageDetail: how closely to look at an image.
	ImageDetail
	// DocumentTitles: names of documents.
	DocumentTitles
	// Citations: sources of texts in the history.
	Citations

	end // the bit behind the last
)

// None is the empty set.
const None Set = 0

// All is the set of every feature.
const All = end - 1

// Has says whether s holds all of f.
func (s Set) Has(f Set) bool { return s&f == f }

// Each yields the features of s one by one.
func (s Set) Each() iter.Seq[Set] {
	return func(yield func(Set) bool) {
		for s != 0 {
			f := s & -s
			if !yield(f) {
				return
			}
			s &^= f
		}
	}
}

// First is the first feature of s, in the order of the table: content before
// parameters before hints.
func (s Set) First() Set { return s & -s }

// Len is how many features s holds.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// Names lists the features.
func (s Set) Names() []string {
	names := make([]string, 0, s.Len())
	for f := range (s & All).Each() {
		names = append(names, rowOf(f).name)
	}
	return names
}

// String lists the features for people.
func (s Set) String() string { return strings.Join(s.Names(), ", ") }

// Content is what of s is never dropped: an answer without it would be an
// answer to another question.
func (s Set) Content() Set { return s & classes[Content] }

// Parameters is what of s is refused, unless the route drops it.
func (s Set) Parameters() Set { return s & classes[Parameter] }

// Hints is what of s is always dropped where it is lacked, and listed.
func (s Set) Hints() Set { return s & classes[Hint] }

// Lost is what a request that needs s loses with somebody who lacks the given
// features. Not everything lacked is lost: who does not think need not be told
// not to, and who shall call no tool, and never has, need not see one.
func (s Set) Lost(lacks Set) Set {
	if lacks&Reasoning != 0 {
		lacks = lacks&^ReasoningOff | ReasoningBudget | ReasoningXHigh | IncludeThinking
	}
	lost := s & lacks
	if lacks&ReasoningBudget == 0 {
		lost &^= ReasoningEffort
	}
	if s&(ToolChoiceNone|ToolHistory) == ToolChoiceNone {
		lost &^= Tools | ToolChoiceNone | StrictTools | ParallelControl
	}
	return lost
}

// Parse finds a feature by its name.
func Parse(name string) (Set, bool) {
	for i := range table {
		if table[i].name == name {
			return table[i].bit, true
		}
	}
	return None, false
}

func rowOf(f Set) *row { return &table[bits.TrailingZeros64(uint64(f))] }
