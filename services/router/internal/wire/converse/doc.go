// Package converse is the wire format of Amazon Bedrock's Converse and
// ConverseStream, in both directions: the client dialect reads requests and
// writes answers with it, the provider adapter writes requests and reads answers.
//
// What the format says beyond the canonical form is kept: a request is
// rendered from the client's own bytes, an answer from the provider's. A stream
// is a sequence of AWS event-stream messages; such a message, whole, is the
// native form of a chunk.
//
// The input of a tool is an object here and a text in the canonical form: the
// text is the object's JSON, byte for byte.
package converse

// Dialect names the format.
const Dialect = "converse"
