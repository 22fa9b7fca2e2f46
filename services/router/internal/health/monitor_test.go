package health

import (
	"testing"
	"time"
)

func TestMeanFollowsSamples(t *testing.T) {
	m := NewMonitor()
	sample := func(first time.Duration) {
		m.Begin(time.Now())
		m.End(End{Verdict: Good, Time: time.Now(), FirstContent: first})
	}
	for range 100 {
		sample(time.Second)
	}
	for range 8 {
		sample(2 * time.Second)
	}
	mean := m.Seen().MeanFirstContent
	if mean < 1500*time.Millisecond || mean > 1800*time.Millisecond { // 2 - (7/8)^8
		t.Errorf("mean %v", mean)
	}
}
