// Package gemini is the wire format of Google's Gemini API and of Gemini on
// Vertex AI, in both directions: the client dialect reads requests and writes
// answers with it, the provider adapters write requests and read answers.
//
// Google's JSON parsers take each member in camel case and in snake case, and
// a single value where a list is wanted; so does this package. What the format
// says beyond the canonical form is kept: a request is rendered from the
// client's own bytes, an answer from the provider's.
package gemini

// Dialect names the format.
const Dialect = "gemini"
