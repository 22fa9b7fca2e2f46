package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// killedDatabase names the environment variable that turns this test binary
// into the process that is killed.
const killedDatabase = "TOLLGATE_KILL_TEST_DATABASE"

// TestMain below runs this in the child: it books records for ever and prints
// the number of each once it is acknowledged.
func bookUntilKilled(path string) {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		panic(err)
	}
	book, _ := price.NewBook(nil)
	recorder := ledger.NewRecorder(func() ledger.Pricer { return book }, s)
	var mu sync.Mutex
	var number int64
	for range 8 {
		go func() {
			for {
				mu.Lock()
				number++
				record := benchRecord(number)
				mine := number
				mu.Unlock()
				record.Start = time.Unix(1_780_000_000, 0)
				if _, err := recorder.Record(context.Background(), []ledger.Record{record}); err != nil {
					panic(err)
				}
				fmt.Println(mine)
			}
		}()
	}
	select {}
}

// TestNothingAcknowledgedIsLostByAKill kills a process in the middle of
// booking and looks for everything that it had acknowledged; sending all of
// it again then changes nothing.
func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "billing.db")
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), killedDatabase+"="+path)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[int64]bool{}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var number int64
		if _, err := fmt.Sscan(lines.Text(), &number); err != nil {
			t.Fatal(err)
		}
		acknowledged[number] = true
		if len(acknowledged) == 500 {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	book, _ := price.NewBook(nil)
	recorder := ledger.NewRecorder(func() ledger.Pricer { return book }, s)
	for number := range acknowledged {
		record := benchRecord(number)
		record.Start = time.Unix(1_780_000_000, 0)
		results, err := recorder.Record(t.Context(), []ledger.Record{record})
		if err != nil || results[0].Status != ledger.Duplicate {
			t.Fatalf("record %d of %d: %+v, %v", number, len(acknowledged), results, err)
		}
	}
	if len(acknowledged) < 500 {
		t.Errorf("only %d records were acknowledged", len(acknowledged))
	}
}
