package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOneLeadsAndTheOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewFlights()
		f, leads := s.Join(Key{1})
		if !leads {
			t.Fatal("the first does not lead")
		}
		if _, leads := s.Join(Key{2}); !leads {
			t.Error("another question waits for this one")
		}
		answered := &Kept{[]byte("answer")}
		got := make(chan Landing, 10)
		for range cap(got) {
			go func() {
				f, leads := s.Join(Key{1})
				if leads {
					t.Error("two lead")
				}
				end, err := f.Wait(context.Background(), time.Minute)
				if err != nil {
					t.Error(err)
				}
				got <- end
			}()
		}
		synctest.Wait()
		f.Land(Landing{Kept: answered})
		f.Land(Landing{Again: true}) // too late
		for range cap(got) {
			if end := <-got; end.Kept != answered || end.Again {
				t.Errorf("got %+v", end)
			}
		}
		if _, leads := s.Join(Key{1}); !leads {
			t.Error("a flight that has landed is joined")
		}
	})
}

func TestLandingLateLeavesTheNextFlightAlone(t *testing.T) {
	s := NewFlights()
	first, _ := s.Join(Key{})
	first.Land(Landing{})
	second, leads := s.Join(Key{})
	first.Land(Landing{Again: true})
	if !leads || s.Len() != 1 {
		t.Fatal("the second flight was landed by the first's leader")
	}
	second.Land(Landing{})
	if s.Len() != 0 {
		t.Error("a flight is left")
	}
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := NewFlights().Join(Key{})
		began := time.Now()
		if end, err := f.Wait(context.Background(), 3*time.Second); err != nil || end.Kept != nil || end.Again || time.Since(began) != 3*time.Second {
			t.Errorf("%+v, %v after %v", end, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := f.Wait(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
