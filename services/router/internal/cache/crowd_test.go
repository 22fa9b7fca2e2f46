package cache

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// A crowd follows one answer: each hears all of it, and whoever leads does not
// wait for those who do not read.
func TestACrowdFollows(t *testing.T) {
	const many, words = 1000, 50
	s := show(1<<20, Terms{})
	s.add(say(0, "word "))
	var work sync.WaitGroup
	sleeper := s.follow(t)
	for range many {
		work.Go(func() {
			f := s.follow(t)
			defer f.Close()
			text := 0
			for {
				chunk, err := f.Next(context.Background())
				if chunk == nil {
					if want := (words + 1) * len("word "); err != nil || text != want {
						t.Errorf("heard %d bytes of %d, %v", text, want, err)
					}
					return
				}
				for _, e := range chunk.Events {
					text += len(e.Delta)
				}
			}
		})
	}
	for { // all are there
		s.mu.RLock()
		n := s.live.aboard
		s.mu.RUnlock()
		if n == many+2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for range words {
		s.add(say(0, "word "))
		time.Sleep(time.Millisecond)
	}
	s.add(finish)
	s.Land(ended)
	work.Wait()
	if text, _ := said(sleeper); len(text) != (words+1)*len("word ") {
		t.Errorf("one who slept heard %d bytes", len(text))
	}
	sleeper.Close()
}

// A chunk costs nothing but the room for its text, however many follow.
func TestShowingStaysCheap(t *testing.T) {
	for _, followers := range []int{0, 1, 10} {
		s := show(4<<20, Terms{})
		s.add(say(0, strings.Repeat("x", 1<<16))) // room for the rest
		chunk := &stream.Chunk{Events: []stream.Event{say(0, "word ")}}
		var readers []*Follower
		for range followers {
			readers = append(readers, s.follow(t))
			said(readers[len(readers)-1])
		}
		n := testing.AllocsPerRun(1000, func() {
			s.Add(chunk, time.Time{})
			for _, f := range readers {
				if _, err := f.Next(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n != 0 {
			t.Errorf("%v allocations a chunk with %d followers", n, followers)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, followers := range []int{0, 1, 1000} {
		b.Run(fmt.Sprint(followers), func(b *testing.B) {
			s := show(1<<30, Terms{})
			s.add(say(0, "x"))
			var work sync.WaitGroup
			for range followers {
				f := s.follow(b)
				work.Go(func() {
					defer f.Close()
					for chunk, _ := f.Next(context.Background()); chunk != nil; chunk, _ = f.Next(context.Background()) {
					}
				})
			}
			chunk := &stream.Chunk{Events: []stream.Event{say(0, "word ")}}
			b.ReportAllocs()
			for b.Loop() {
				s.Add(chunk, time.Time{})
			}
			s.Land(ended)
			work.Wait()
		})
	}
}
