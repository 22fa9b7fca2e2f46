// Package openai is the wire format of OpenAI's chat completions, embeddings
// and models, in both directions: the client dialect reads requests and writes
// answers with it, the provider adapter writes requests and reads answers.
//
// What the format says beyond the canonical form is kept: a request is
// rendered from the client's own bytes, an answer from the provider's.
package openai

// Dialect names the format.
const Dialect = "openai"
