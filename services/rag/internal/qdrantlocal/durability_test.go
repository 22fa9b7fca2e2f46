package qdrantlocal

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func reopen(t *testing.T, dir string) (map[uint64]string, error) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		return nil, err
	}
	defer func() { must(t, s.Close()) }()
	out := map[uint64]string{}
	for k, slot := range s.collections["a"].index.byKey {
		fields, err := decodePayload(s.collections["a"].index.slots[slot].payload)
		must(t, err)
		out[k.lo] = fields["v"].GetStringValue()
	}
	return out, nil
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	must(t, os.CopyFS(filepath.Join(to, "a"), os.DirFS(filepath.Join(from, "a"))))
	return to
}

// Every prefix of a log must open as the state after some whole number of
// records: that is what a process killed in the middle of a write leaves.
func TestTornTailAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir, Options{Sync: SyncNever})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	sizes := []int64{s.collections["a"].file.size.Load()}
	for i := range uint64(3) {
		upsert(t, c, "a", doc{i, map[uint32]float32{1: 1}, map[string]any{"v": "x"}})
		sizes = append(sizes, s.collections["a"].file.size.Load())
	}
	for cut := sizes[0]; cut <= sizes[3]; cut++ {
		damaged := copyDir(t, dir)
		must(t, os.Truncate(filepath.Join(damaged, "a", logName(1)), cut))
		want := 0
		for _, s := range sizes[1:] {
			if cut >= s {
				want++
			}
		}
		got, err := reopen(t, damaged)
		if err != nil || len(got) != want {
			t.Fatalf("cut at %d: %d points (%v), want %d", cut, len(got), err, want)
		}
		// What was cut off must be gone for good: opening again finds the same.
		if again, err := reopen(t, damaged); err != nil || len(again) != want {
			t.Fatalf("cut at %d, opened again: %d points (%v), want %d", cut, len(again), err, want)
		}
	}
}

func TestDamageInTheMiddleIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir, Options{})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	at := s.collections["a"].file.size.Load()
	upsert(t, c, "a", doc{1, map[uint32]float32{1: 1}, nil})
	upsert(t, c, "a", doc{2, map[uint32]float32{1: 1}, nil})
	damaged := copyDir(t, dir)
	path := filepath.Join(damaged, "a", logName(1))
	raw, err := os.ReadFile(path)
	must(t, err)
	raw[at+recordHeader+2] ^= 0xff
	must(t, os.WriteFile(path, raw, 0o600))
	if _, err := reopen(t, damaged); err == nil {
		t.Error("damage in the middle of the log went unnoticed")
	}
}

// What a process leaves that dies while it makes, deletes or compacts a
// collection is removed, and never taken for a collection.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir, Options{})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	upsert(t, c, "a", doc{1, map[uint32]float32{1: 1}, map[string]any{"v": "new"}})
	must(t, s.collections["a"].compact()) // the living log is the second now
	left := copyDir(t, dir)
	for _, path := range []string{"a/" + logName(1), "a/compacting.tmp", "b" + creatingSuffix + "/x", "c" + deletedSuffix + "/x"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(left, path)), 0o700))
		must(t, os.WriteFile(filepath.Join(left, path), []byte("rest"), 0o600))
	}
	got, err := reopen(t, left)
	if err != nil || got[1] != "new" {
		t.Fatalf("points %v, %v", got, err)
	}
	var names []string
	must(t, filepath.WalkDir(left, func(path string, e os.DirEntry, err error) error {
		if !e.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	}))
	if fmt.Sprint(names) != fmt.Sprint([]string{logName(2), lockName}) {
		t.Errorf("files %v", names)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("the directory was opened twice")
	}
}

func TestCompactionKeepsWhatLives(t *testing.T) {
	dir := t.TempDir()
	s, c := open(t, dir, Options{CompactBytes: 2048, Sync: SyncNever})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	for round := range 60 {
		for id := range uint64(5) {
			upsert(t, c, "a", doc{id, map[uint32]float32{1: float32(id)}, map[string]any{"v": fmt.Sprint(round)}})
		}
	}
	col := s.collections["a"]
	must(t, col.compact())
	if got := col.file.size.Load(); got > 4096 {
		t.Errorf("log is %d bytes after compaction", got)
	}
	if col.generation < 3 {
		t.Errorf("generation %d: nothing was compacted on the way", col.generation)
	}
	near(t, search(t, c, "a", nil, map[uint32]float32{1: 1})[0].GetScore(), 4*idf(5, 5))
	got, err := reopen(t, copyDir(t, dir))
	must(t, err)
	for id := range uint64(5) {
		if got[id] != "59" {
			t.Errorf("point %d holds %q after compaction", id, got[id])
		}
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{5, 0, 0, 0, 1, 2, 3, 4, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x.log")
		must(t, os.WriteFile(path, raw, 0o600))
		c := &collection{opts: Options{}.withDefaults()}
		l, torn, err := openLog(path, c.replay)
		if err != nil {
			return
		}
		if l.size.Load()+torn != int64(len(raw)) {
			t.Fatal("bytes went missing")
		}
		must(t, l.close())
	})
}
