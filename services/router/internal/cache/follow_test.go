package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// shown is a flight with an answer that can be followed.
type shown struct {
	*Flight
	set       *Flights
	answer    *Collector
	abandoned bool
}

func show(most int, t Terms) *shown {
	s := &shown{set: NewFlights(), answer: NewCollector(most, false)}
	s.Flight, _ = s.set.Join(Key{1})
	s.Show(s.answer, t, func() { s.abandoned = true })
	return s
}

func (s *shown) add(events ...stream.Event) { s.Add(&stream.Chunk{Events: events}, time.Time{}) }

func (s *shown) follow(t testing.TB) *Follower {
	t.Helper()
	f, end, err := s.Follow(context.Background(), time.Second)
	if f == nil || err != nil {
		t.Fatalf("nobody follows: %+v, %v", end, err)
	}
	return f
}

// said reads all that can be read without waiting.
func said(f *Follower) (text string, events []stream.Event) {
	for f.reader.read(f.flight.live.answer) && len(f.reader.chunk.Events) > 0 {
		for _, e := range f.reader.chunk.Events {
			text += string(e.Delta)
			e.Delta = []byte(string(e.Delta))
			events = append(events, e)
		}
	}
	return text, events
}

var ended = Landing{Entry: &Entry{Target: "t"}}

// Whoever comes at any time, and reads at any pace, gets the same whole answer in
// a legal order.
func TestFollowersGetTheWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := drawn(rt)
		s := show(1<<20, Terms{Tools: true})
		var followers []*Follower
		var copies []*Collector
		read := func(i int) {
			f := followers[i]
			f.reader.read(s.answer)
			for _, e := range f.reader.chunk.Events {
				if len(e.Delta) > pieceBytes+utf8.UTFMax || !utf8.Valid(e.Delta) {
					rt.Errorf("a piece of %d bytes: %.40q", len(e.Delta), e.Delta)
				}
			}
			copies[i].Add(&f.reader.chunk, time.Time{})
		}
		var beats []Beat
		for range rapid.IntRange(1, 50).Draw(rt, "beats") {
			beats = append(beats, Beat{Bytes: rapid.IntRange(1, 5000).Draw(rt, "bytes")})
		}
		replay := Paced(want, beats)
		for chunk, _ := replay.Next(); chunk != nil; chunk, _ = replay.Next() {
			s.Add(chunk, time.Time{})
			if len(followers) < 4 && s.live.begun && rapid.Bool().Draw(rt, "one more") {
				f, _ := s.board(nil)
				followers, copies = append(followers, f), append(copies, NewCollector(1<<20, false))
			}
			for i := range followers {
				if rapid.Bool().Draw(rt, "reads") {
					read(i)
				}
			}
		}
		for i := range followers {
			for n := 1; n > 0; n = len(followers[i].reader.chunk.Events) {
				read(i)
			}
			got := copies[i].Completion()
			if got != nil {
				got.Id = want.GetId()
			}
			if !proto.Equal(got, want) {
				rt.Errorf("got  %v\nwant %v", got, want)
			}
		}
	})
}

func TestFollowingLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := show(1<<10, Terms{})
		got := make(chan string, 10)
		for range 2 {
			go func() {
				f := s.follow(t)
				defer f.Close()
				for {
					chunk, err := f.Next(context.Background())
					if chunk == nil {
						got <- fmt.Sprint("end ", f.Entry().Target, " ", err)
						return
					}
					for _, e := range chunk.Events {
						got <- fmt.Sprint(e.Kind, string(e.Delta))
					}
				}
			}()
		}
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			if len(got) != 2*len(strings.Fields(want)) && want != "end t <nil>" {
				t.Fatalf("%d events, want twice %s", len(got), want)
			}
			for len(got) > 0 {
				if one := <-got; !strings.Contains(want, one) {
					t.Errorf("got %s, want %s", one, want)
				}
			}
		}
		s.add(stream.Event{Kind: stream.Start, ID: "id"})
		expect("")
		s.add(say(0, "one"))
		expect(fmt.Sprint(stream.Start, " ", stream.Text, "one"))
		s.add(say(0, "two"))
		expect(fmt.Sprint(stream.Text, "two"))
		s.add(finish)
		expect(fmt.Sprint(stream.Finish))
		s.Land(ended)
		expect("end t <nil>")
		if s.live.listeners != 0 || s.live.aboard != 1 || s.abandoned {
			t.Errorf("%d listen, %d are aboard, abandoned %v", s.live.listeners, s.live.aboard, s.abandoned)
		}
	})
}

func TestFailuresReachFollowers(t *testing.T) {
	down := errors.New("down")
	for name, tt := range map[string]struct {
		end  Landing
		want error
	}{"said": {Landing{Again: true, Err: down}, down}, "unsaid": {Landing{Again: true}, errLost}} {
		s := show(1<<10, Terms{})
		s.add(say(0, "half"))
		f := s.follow(t)
		s.Land(tt.end)
		if chunk, err := f.Next(context.Background()); err != nil || string(chunk.Events[1].Delta) != "half" {
			t.Errorf("%s: the half is lost: %v", name, err)
		}
		if chunk, err := f.Next(context.Background()); chunk != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", name, chunk, err)
		}
		f.Close()
	}
	s := show(1<<10, Terms{})
	s.add(stream.Event{Kind: stream.Start})
	s.Land(Landing{Again: true, Err: down})
	if f, end, err := s.Follow(context.Background(), time.Hour); f != nil || !end.Again || err != nil {
		t.Errorf("before the first content: %v, %+v, %v", f, end, err)
	}
}

func TestWaitingToFollowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := show(1<<10, Terms{}), time.Now()
		if f, end, err := s.Follow(context.Background(), 3*time.Second); f != nil || end.Again || err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("%v, %+v, %v after %v", f, end, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, _, err := s.Follow(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		s.add(say(0, "one"))
		f := s.follow(t)
		_, _ = f.Next(context.Background())
		if _, err := f.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		f.Close()
		if s.live.listeners != 0 || s.live.changed != nil {
			t.Errorf("%d listen", s.live.listeners)
		}
	})
}

// What is not to be shared is not begun to be; who has a part of it gets the rest.
func TestWhatIsNotShown(t *testing.T) {
	call := stream.Event{Kind: stream.PartStart, Index: 1, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Name: "f"}}}}
	arguments := stream.Event{Kind: stream.ToolArguments, Index: 1, Delta: []byte("{}")}
	refused := stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_REFUSAL}
	limit := stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_LENGTH}
	for name, tt := range map[string]struct {
		event stream.Event
		terms Terms
		shown bool
	}{
		"text":              {say(0, "x"), Terms{}, true},
		"a call":            {call, Terms{}, false},
		"its arguments":     {arguments, Terms{}, false},
		"a call, allowed":   {call, Terms{Tools: true}, true},
		"a refusal":         {refused, Terms{Tools: true, Truncated: true}, false},
		"its limit":         {limit, Terms{Tools: true}, false},
		"its limit, let be": {limit, Terms{Truncated: true}, true},
		"too much":          {say(0, strings.Repeat("x", 101)), Terms{}, false},
	} {
		s := show(100, tt.terms)
		s.add(tt.event)
		if f, _ := s.board(nil); (f != nil) != tt.shown || (s.set.Len() == 1) != tt.shown {
			t.Errorf("%s: followed %v, %d can be joined", name, f != nil, s.set.Len())
		}
		s = show(100, tt.terms)
		s.add(say(0, "before"))
		f := s.follow(t)
		s.add(tt.event)
		if _, events := said(f); events[len(events)-1].Kind != tt.event.Kind {
			t.Errorf("%s: one who follows got %v", name, events)
		}
		if _, leads := s.set.Join(Key{1}); leads == tt.shown {
			t.Errorf("%s: the next one leads: %v", name, leads)
		}
	}
}

// Whoever waits for what turns out not to be shared does not wait for its end.
func TestWaitersDoNotWaitForWhatIsNotShared(t *testing.T) {
	s := show(10, Terms{})
	s.add(say(0, "more than ten bytes"))
	if end, err := s.Wait(context.Background(), time.Hour); end.Kept != nil || end.Again || err != nil {
		t.Errorf("%+v, %v", end, err)
	}
	s.Land(Landing{Kept: &Kept{}})
	if s.end.Kept != nil {
		t.Error("what they were told has changed")
	}
}

// The work goes on while somebody wants it, and nobody follows what is being ended.
func TestTheLastToLeaveEndsTheWork(t *testing.T) {
	s := show(1<<10, Terms{})
	s.add(say(0, "one"))
	a, b := s.follow(t), s.follow(t)
	for range 2 { // only the first counts
		if !s.Leave() || s.abandoned {
			t.Error("the flight ends although two follow")
		}
	}
	a.Close()
	if s.abandoned {
		t.Error("the flight ends although one follows")
	}
	b.Close()
	if !s.abandoned || s.Leave() {
		t.Error("nobody follows, and the flight goes on")
	}
	if f, _ := s.board(nil); f != nil {
		t.Error("an abandoned flight is boarded")
	}
	s = show(1<<10, Terms{})
	if s.Leave() || !s.abandoned {
		t.Error("a flight that nobody follows goes on without its client")
	}
}

// An answer beyond the bound takes nobody new, goes on for those who keep up,
// and holds no more than two pages for those who do not.
func TestFollowersBeyondTheBound(t *testing.T) {
	const most = 1000
	s := show(most, Terms{})
	s.add(say(0, "begun "))
	quick, late, slow := s.follow(t), s.follow(t), s.follow(t)
	var heard, want strings.Builder
	want.WriteString("begun ")
	for i := range 1000 {
		word := fmt.Sprintf("word %d ", i)
		want.WriteString(word)
		s.add(say(0, word))
		text, _ := said(quick)
		heard.WriteString(text)
		if i == 150 { // on the second page, the first not yet read
			if text, _ := said(late); text != want.String() {
				t.Errorf("one who is a page behind got %.40q…", text)
			}
		}
		if held := s.answer.page.size + s.answer.full.bytes(); held > 2*most {
			t.Fatalf("%d bytes are held", held)
		}
	}
	s.add(finish)
	text, events := said(quick)
	if heard.WriteString(text); heard.String() != want.String() || events[len(events)-1].Kind != stream.Finish {
		t.Errorf("one who keeps up got %d bytes of %d", heard.Len(), want.Len())
	}
	for _, f := range []*Follower{late, slow} {
		if _, err := f.Next(context.Background()); !errors.Is(err, ErrBehind) {
			t.Errorf("one who is too far behind: %v", err)
		}
	}
	if s.answer.Completion() != nil || s.set.Len() != 0 {
		t.Error("it is kept, or can be joined")
	}
}

func (p *page) bytes() int {
	if p == nil {
		return 0
	}
	return p.size
}

// Without followers an answer beyond the bound is freed at once.
func TestBeyondTheBoundUnfollowed(t *testing.T) {
	s := show(100, Terms{})
	s.add(say(0, "begun"))
	s.follow(t).Close()
	s.add(say(0, strings.Repeat("x", 100)))
	if s.answer.page != nil {
		t.Error("it is held")
	}
	s.add(finish)
}

// A provider's absurd index ends the answer for all who follow.
func TestAbsurdAnswersAreLost(t *testing.T) {
	s := show(100, Terms{})
	s.add(say(0, "begun"))
	f := s.follow(t)
	s.add(say(1<<30, "x"))
	if _, err := f.Next(context.Background()); !errors.Is(err, ErrBehind) {
		t.Errorf("got %v", err)
	}
}

// No two get the same message.
func TestFollowersShareNoMessages(t *testing.T) {
	s := show(1<<10, Terms{Tools: true})
	s.add(stream.Event{Kind: stream.PartStart, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Name: "f"}}}},
		stream.Event{Kind: stream.Notice, Guardrail: &llmv1.GuardrailNotice{Check: "f"}},
		stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{OutputTokens: 1}},
		stream.Event{Kind: stream.PartStop, Citations: []*llmv1.Citation{{Marker: "f"}}})
	for range 2 {
		_, events := said(s.follow(t))
		if len(events) != 5 {
			t.Fatalf("got %v", events)
		}
		for _, e := range events {
			switch e.Kind {
			case stream.PartStart:
				if e.Part.GetToolCall().Name += "!"; e.Part.GetToolCall().GetName() != "f!" {
					t.Error("a call is shared")
				}
			case stream.Notice:
				if e.Guardrail.Check += "!"; e.Guardrail.GetCheck() != "f!" {
					t.Error("a notice is shared")
				}
			case stream.Usage:
				if e.Tokens.OutputTokens++; e.Tokens.GetOutputTokens() != 2 {
					t.Error("a usage is shared")
				}
			case stream.PartStop:
				if e.Citations[0].Marker += "!"; e.Citations[0].GetMarker() != "f!" {
					t.Error("a citation is shared")
				}
			}
		}
	}
}
