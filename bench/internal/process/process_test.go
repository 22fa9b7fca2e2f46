package process

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	stat := "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 75 0 0 20 0 9 0\n"
	u, err := parseStat([]byte(stat))
	if err != nil {
		t.Fatal(err)
	}
	if u.User != 2500*time.Millisecond || u.System != 750*time.Millisecond || u.CPU() != 3250*time.Millisecond {
		t.Errorf("got %+v", u)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S 1 2 3 4 5 6 7 8 9 10 a 1 0"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestReadSelf(t *testing.T) {
	before, err := Read([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); { // until a tick has passed
		after, err := Read([]int{os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		if after.CPU() > before.CPU() {
			if after.RSSBytes <= 0 || after.PeakBytes < after.RSSBytes/2 {
				t.Errorf("memory %+v", after)
			}
			return
		}
	}
	t.Error("no CPU time passed in ten busy seconds")
}

func TestReadGone(t *testing.T) {
	if _, err := Read([]int{1 << 30}); err == nil {
		t.Error("a process that cannot be is read")
	}
}
