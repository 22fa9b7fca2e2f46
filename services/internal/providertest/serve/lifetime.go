package main

import "testing"

// lifetime stands in for a test: the providers are made for tests, and take
// from one only when it ends.
type lifetime struct {
	testing.TB // nil: whatever else a provider asks of a test fails at once
	cleanups   []func()
}

// Helper marks nothing, for nothing is reported.
func (l *lifetime) Helper() {}

// Cleanup keeps what must be done at the end.
func (l *lifetime) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

// end undoes everything, the last thing first.
func (l *lifetime) end() {
	for i := len(l.cleanups) - 1; i >= 0; i-- {
		l.cleanups[i]()
	}
	l.cleanups = nil
}
