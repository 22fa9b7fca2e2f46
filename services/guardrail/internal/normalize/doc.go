// Package normalize folds text into the form that checks read, and keeps for
// every folded byte the bytes of the original it came from.
//
// Folding undoes the ways of writing one text so that a pattern misses it:
// compatibility forms (fullwidth, mathematical), combining marks, invisible
// and tag characters, and letters of other scripts that look Latin. Everything
// works rune by rune, so that it can run over a stream cut anywhere.
package normalize
