// Package peer reaches the other services through their generated clients. It
// bounds each call in time and keeps what changes seldom.
package peer
