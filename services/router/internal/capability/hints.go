package capability

import "strings"

// hintPaths are members of each dialect that the canonical form does not carry
// and that do not change what is answered: how it is billed, kept, cached and
// traced. They are dropped and listed, never refused.
var hintPaths = map[string][]string{
	"openai":    {"store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"},
	"responses": {"store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "include"},
	"anthropic": {"cache_control", "service_tier", "anthropic_beta"},
	"converse":  {"requestMetadata", "performanceConfig", "serviceTier"},
	"gemini":    {"labels"},
}

// HintPath says whether a member that the canonical form cannot carry is a hint.
func HintPath(dialect, path string) bool {
	for _, hint := range hintPaths[dialect] {
		if rest, ok := strings.CutPrefix(path, hint); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
