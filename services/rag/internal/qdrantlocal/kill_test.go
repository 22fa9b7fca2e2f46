package qdrantlocal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/qdrant/go-client/qdrant"
)

// killDirEnv makes the test binary the process that is killed.
const killDirEnv = "QDRANTLOCAL_KILL_DIR"

// TestWriterForKill is the body of the process that TestKill kills: it writes
// points for ever and prints each that was acknowledged.
func TestWriterForKill(t *testing.T) {
	dir := os.Getenv(killDirEnv)
	if dir == "" {
		t.Skip("runs as a child of TestKill")
	}
	_, c := open(t, dir, Options{CompactBytes: 4096})
	exists, err := c.CollectionExists(t.Context(), "a")
	must(t, err)
	if !exists {
		must(t, c.CreateCollection(t.Context(), definition("a")))
	}
	for i := uint64(0); ; i++ {
		// Ten points are overwritten all the time, so that compactions run too.
		upsert(t, c, "a",
			doc{1_000_000 + i%10, map[uint32]float32{2: 1}, map[string]any{"v": fmt.Sprint(i)}},
			doc{i, map[uint32]float32{1: 1}, map[string]any{"v": "x"}})
		_, _ = fmt.Fprintln(os.Stdout, "ack", i)
		if i%3 == 2 {
			_, err := c.Delete(t.Context(), &qdrant.DeletePoints{
				CollectionName: "a", Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelector(qdrant.NewIDNum(i)),
			})
			must(t, err)
			_, _ = fmt.Fprintln(os.Stdout, "gone", i)
		}
	}
}

// A process killed at any moment has lost nothing that it acknowledged and
// kept nothing that it acknowledged as deleted.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for round := range 5 {
		dir := t.TempDir()
		// The time limit is for a child that hangs; the test kills it long before.
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriterForKill$", "-test.timeout=1m") // this test binary
		child.Env = append(os.Environ(), killDirEnv+"="+dir)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		acked := map[uint64]bool{}
		last := uint64(0)
		kill := 40 + 61*round
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var what string
			var id string
			if n, _ := fmt.Sscan(lines.Text(), &what, &id); n != 2 {
				continue
			}
			i, err := strconv.ParseUint(id, 10, 64)
			if err != nil {
				continue
			}
			acked[i], last = what == "ack", i
			if len(acked) == kill {
				must(t, child.Process.Kill()) // it goes on writing until the signal arrives
			}
		}
		_ = child.Wait()
		if len(acked) < kill {
			t.Fatalf("the writer ended by itself after %d writes", len(acked))
		}
		got, err := reopen(t, dir)
		must(t, err)
		for i, there := range acked {
			if _, ok := got[i]; ok != there && i != last {
				t.Fatalf("round %d: point %d of %d there: %v, want %v", round, i, last, ok, there)
			}
		}
		if _, ok := got[last]; !ok && acked[last] && last%3 != 2 {
			t.Fatalf("round %d: the last acknowledged point %d is lost", round, last)
		}
	}
}
