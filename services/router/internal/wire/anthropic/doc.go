// Package anthropic is the wire format of Anthropic's Messages API, in both
// directions: the client dialect reads requests and writes answers with it, the
// provider adapter writes requests and reads answers. The bodies of Bedrock's
// InvokeModel for Claude are the same format in another envelope.
//
// What the format says beyond the canonical form is kept: a request is
// rendered from the client's own bytes, an answer from the provider's.
package anthropic

// Dialect names the format.
const Dialect = "anthropic"

// BedrockVersion is the version that bodies of Bedrock's InvokeModel name.
const BedrockVersion = "bedrock-2023-05-31"
