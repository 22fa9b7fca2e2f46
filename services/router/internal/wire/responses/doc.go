// Package responses is the wire format of OpenAI's Responses API for clients:
// requests of items are read into the canonical form, answers and streams are
// written from it. Targets speak other formats: a response is always made
// here, never passed on.
package responses

// Dialect names the format.
const Dialect = "responses"
