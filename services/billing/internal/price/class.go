// Package price holds what models cost: a shipped catalogue of public list
// prices, the operator's own prices above it, and the arithmetic that turns
// token counts into amounts. A model without a price is unpriced, never free.
package price

import (
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// Class is a kind of token with a price of its own. Classes do not overlap:
// their counts add up to what the provider counts in total.
type Class uint8

// The classes, in the order in which components are listed.
const (
	Input Class = iota
	CacheRead
	CacheWrite5m
	CacheWrite1h
	InputAudio
	InputImage
	Output
	Reasoning
	OutputAudio
	ClassCount // the number of classes, not a class
)

// classNames are the names in catalogue files, configuration and reports.
var classNames = [ClassCount]string{
	"input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image",
	"output", "reasoning", "output_audio",
}

// insteadOf says which class's rate applies where a price list has none for a
// class: the provider then charges those tokens as ordinary input or output.
var insteadOf = [ClassCount]Class{
	Input: Input, CacheRead: Input, CacheWrite5m: Input, CacheWrite1h: CacheWrite5m, InputAudio: Input, InputImage: Input,
	Output: Output, Reasoning: Output, OutputAudio: Output,
}

// String is the class's name in files and reports.
func (c Class) String() string { return classNames[c] }

// ClassNamed finds a class by its name.
func ClassNamed(name string) (Class, bool) {
	for class, known := range classNames {
		if known == name {
			return Class(class), true
		}
	}
	return 0, false
}

// Tokens counts tokens by class.
type Tokens [ClassCount]int64

// Context is the length of the prompt, which decides the context tier.
func (t *Tokens) Context() int64 {
	return t[Input] + t[CacheRead] + t[CacheWrite5m] + t[CacheWrite1h] + t[InputAudio] + t[InputImage]
}

// Total adds up all classes.
func (t *Tokens) Total() int64 {
	return t.Context() + t[Output] + t[Reasoning] + t[OutputAudio]
}

// Rates are the prices of the classes; a class may have none of its own.
type Rates struct {
	rate   [ClassCount]money.Rate
	listed [ClassCount]bool
}

// Set lists a rate for a class.
func (r *Rates) Set(class Class, rate money.Rate) {
	r.rate[class], r.listed[class] = rate, true
}

// Listed gives a class's own rate, if the price list has one.
func (r *Rates) Listed(class Class) (money.Rate, bool) { return r.rate[class], r.listed[class] }

// For gives the rate that applies to a class, following insteadOf; false when
// neither the class nor its substitutes are listed.
func (r *Rates) For(class Class) (money.Rate, bool) {
	for !r.listed[class] {
		next := insteadOf[class]
		if next == class {
			return 0, false
		}
		class = next
	}
	return r.rate[class], true
}
