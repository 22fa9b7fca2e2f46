package drill

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	there = []route.Ref{{Name: "east"}, {Name: "west"}}
)

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

// sample is a request that began at ms, took 10 ms, and asked these targets, of
// which the last answered.
func sample(ms int, asked ...string) *Sample {
	s := &Sample{Began: at(ms), Ended: at(ms + 10), Route: there, Asked: asked}
	if len(asked) > 0 {
		s.Served, s.Failed = asked[len(asked)-1], len(asked)-1
	}
	return s
}

func failing(s *Sample, reason llmv1.ErrorReason) *Sample {
	s.Served, s.Reason, s.Failed = "", reason, len(s.Asked)
	return s
}

func TestFigures(t *testing.T) {
	const (
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		interrupted = llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	)
	recovered := sample(1030, "east", "west")
	recovered.Recovered, recovered.First = true, at(1034)
	lost := failing(sample(1040, "east"), interrupted)
	lost.Lost = 17
	elsewhere := sample(1080, "west")
	elsewhere.Route = []route.Ref{{Name: "west"}}
	late := sample(990, "east") // it began before the faults
	late.Ended = at(1500)

	r := NewRecorder([]string{"east"})
	r.enter(before, at(0))
	r.Record(sample(-5, "east")) // before all
	r.Record(sample(1, "east"))
	r.enter(during, at(1000))
	for _, s := range []*Sample{
		sample(1000, "east", "west"), recovered, lost, late, elsewhere,
		failing(sample(1050, "east", "west"), unavailable),
		failing(sample(1060), llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED),
		failing(sample(1070, "west"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED),
		failing(sample(1071, "east"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED),
		failing(sample(1072, "east"), llmv1.ErrorReason_ERROR_REASON_CANCELLED),
		sample(1075), // from the cache
	} {
		r.Record(s)
	}
	f := r.figures(before, at(1000))
	if f.GetRequests() != 2 || f.GetSucceeded() != 2 || f.GetShare() != 1 || f.GetP99().AsDuration() != 510*time.Millisecond || f.GetDuration().AsDuration() != time.Second {
		t.Errorf("before: %v", f)
	}
	f = r.figures(during, at(2000))
	got := fmt.Sprintf("all %d, ok %d, failed %d %v, refused %d, cancelled %d, rescued %d, recovered %d, attempts %d, lost %d, served %v",
		f.GetRequests(), f.GetSucceeded(), f.GetFailed(), f.GetFailures(), f.GetRefused(), f.GetCancelled(),
		f.GetRescued(), f.GetRecovered(), f.GetAttempts(), f.GetTokensLost(), f.GetServed())
	want := "all 9, ok 3, failed 3 map[PROVIDER_REJECTED:1 PROVIDER_UNAVAILABLE:1 STREAM_INTERRUPTED:1], refused 2, cancelled 1, " +
		"rescued 2, recovered 1, attempts 10, lost 17, served map[(cache):1 west:2]"
	if got != want {
		t.Errorf("during:\n%s, want\n%s", got, want)
	}
	if f.GetP50TimeToFirstToken().AsDuration() != 4*time.Millisecond || f.GetShare() != 0 {
		t.Errorf("first token %v, share %v", f.GetP50TimeToFirstToken(), f.GetShare())
	}
}

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		q      float64
		want   *durationpb.Duration
	}{
		{nil, .5, nil},
		{hundred[:1], .5, lasting(1)},
		{hundred[:1], .99, lasting(1)},
		{hundred[:2], .5, lasting(1)},
		{hundred[:3], .5, lasting(2)},
		{hundred, .5, lasting(50)},
		{hundred, .99, lasting(99)},
		{hundred[:50], .99, lasting(50)},
	} {
		if got := quantile(c.sorted, c.q); got.AsDuration() != c.want.AsDuration() || (got == nil) != (c.want == nil) {
			t.Errorf("%v of %d: %v, want %v", c.q, len(c.sorted), got, c.want)
		}
	}
}

func TestReservoirIsBoundedAndEven(t *testing.T) {
	var r reservoir
	const n = 4 * maxDurations
	for i := range n {
		r.add(time.Duration(i))
	}
	if len(r.kept) != maxDurations {
		t.Fatalf("%d are kept", len(r.kept))
	}
	if median := quantile(r.sorted(), .5).AsDuration(); median < n*48/100 || median > n*52/100 {
		t.Errorf("the median of what is kept is %d of %d", median, n)
	}
}

// way is one letter a request, ten milliseconds apart: e asked the east, w went
// to the west at once, f failed in the east and was answered in the west, x failed.
func way(r *Recorder, from int, letters string) {
	for i, l := range letters {
		ms := from + 10*i
		switch l {
		case 'e':
			r.Record(sample(ms, "east"))
		case 'w':
			r.Record(sample(ms, "west"))
		case 'f':
			r.Record(sample(ms, "east", "west"))
		case 'x':
			r.Record(failing(sample(ms, "east"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE))
		}
	}
}

func TestTurns(t *testing.T) {
	const never = -1
	for _, c := range []struct {
		name                  string
		before, during, after string
		over, back            int // milliseconds behind the first fault, and the end
	}{
		{"a circuit opens, and closes", "eeeeee", "fffffwwwwwwwwwwwwwwwwwwwwwwwww", "wwwweeeeeeeeee", 50, 40},
		{"probes in between", "eeeeee", "fffwwwwwwwwwfwwwwwwwwwfwwwwwww", "wwweewwwwwwwwwwwwwwwwweeeeeeeeeeeeeeeeeeeeee", 30, 220},
		{"never", "eeeeee", "fffffffffffffffxxxffffffffffff", "wwwwwwwwwwwww", never, never},
		{"at once", "eeeeee", "wwwwwwwwwwwwwwwwwwwwwwwwwwwwww", "eeeeeeeeee", 0, 0},
		{"half of the load", "ewewewewewewewewewew", "fwfwfwfwfwwwwwwwwwwwwwwwwwwwwwwwwww", "wwwwwwwwwwewewewewewewewewewewewew", 70, 100},
		{"too few", "eeeeee", "fwwww", "eeee", never, never},
		{"nothing before", "", "ffffffwwwwwwwwwwwwwwwwwwwwwww", "eeeeeeeeee", 60, never},
	} {
		r := NewRecorder([]string{"east"})
		r.enter(before, at(0))
		way(r, 0, c.before)
		r.enter(during, at(1000))
		way(r, 1000, c.during)
		r.enter(after, at(2000))
		way(r, 2000, c.after)
		turns := r.turns(at(1000))
		check := func(what string, got, from time.Time, want int) {
			if want == never && !got.IsZero() || want != never && !got.Equal(from.Add(time.Duration(want)*time.Millisecond)) {
				t.Errorf("%s: %s at %v, want %d ms behind %v", c.name, what, got, want, from)
			}
		}
		check("over", turns.failOver, at(1000), c.over)
		check("back", turns.failBack, at(2000), c.back)
	}
}
