package server

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestFill: records that come within the time share a commit, one after a pause
// waits for nobody, and neither does the end of the stream.
func TestFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		incoming := make(chan received, maxUsageCommit)
		fillAfter := func(wait time.Duration) (records int, took time.Duration) {
			begin := time.Now()
			return len(fill(make([]received, 1, maxUsageCommit), incoming, wait)), time.Since(begin)
		}
		incoming <- received{}
		if n, took := fillAfter(-time.Hour); n != 2 || took != 0 {
			t.Errorf("after a pause: %d records, %s", n, took)
		}
		go func() {
			for range 3 {
				time.Sleep(commitEvery / 4)
				incoming <- received{}
			}
		}()
		if n, took := fillAfter(commitEvery); n != 4 || took != commitEvery {
			t.Errorf("under load: %d records, %s", n, took)
		}
		for range maxUsageCommit {
			incoming <- received{}
		}
		if n, took := fillAfter(commitEvery); n != maxUsageCommit || took != 0 {
			t.Errorf("full: %d records, %s", n, took)
		}
		<-incoming
		close(incoming)
		if n, took := fillAfter(commitEvery); n != 1 || took != 0 {
			t.Errorf("at the end: %d records, %s", n, took)
		}
	})
}
