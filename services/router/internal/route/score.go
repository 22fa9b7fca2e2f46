package route

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// score weighs cost, quality and latency against each other.
const score = "score"

// Score says how much each counts; the sum need not be 1.
type Score struct {
	Cost    float64 `yaml:"cost"`
	Quality float64 `yaml:"quality"`
	Latency float64 `yaml:"latency"`
}

// defaultScore holds for a route that says nothing.
var defaultScore = Score{Cost: .3, Quality: .4, Latency: .3}

// useCases are what routes are for, with what counts there.
var useCases = map[string]Score{
	"chat":     {Cost: .25, Quality: .35, Latency: .4},
	"coding":   {Cost: .15, Quality: .65, Latency: .2},
	"analysis": {Cost: .2, Quality: .7, Latency: .1},
	"batch":    {Cost: .7, Quality: .3},
	"realtime": {Cost: .1, Quality: .2, Latency: .7},
	"simple":   {Cost: .6, Quality: .1, Latency: .3},
}

func (s *Score) validate(v *config.Validator) {
	if s == nil {
		return
	}
	for name, weight := range map[string]float64{"cost": s.Cost, "quality": s.Quality, "latency": s.Latency} {
		if !(weight >= 0 && weight <= 1000) {
			v.Fail(name, "must be from 0 to 1000")
		}
	}
	if s.Cost+s.Quality+s.Latency == 0 {
		v.Fail("", "must weigh something: cost, quality or latency")
	}
}

func validateUseCase(v *config.Validator, name string) {
	if _, ok := useCases[name]; !ok && name != "" {
		v.Fail("use_case", "%q is not known", name).
			WithHelp("use %s", strings.Join(slices.Sorted(maps.Keys(useCases)), ", "))
	}
}

// share is the weights with a sum of 1.
func (s Score) share() Score {
	sum := s.Cost + s.Quality + s.Latency
	return Score{s.Cost / sum, s.Quality / sum, s.Latency / sum}
}

// neutral is what counts where nothing is known.
const neutral = .5

// nearly is how near to the best score another is as good.
const nearly = .95

type scoreStrategy struct {
	weights Score
	quality []float64 // by the index of Route.Targets; 0 for not given
	trials  trials
}

func newScore(e *Entry) strategy {
	s := &scoreStrategy{weights: defaultScore, trials: newTrials(e)}
	if w, ok := useCases[e.UseCase]; ok {
		s.weights = w
	}
	if e.Score != nil {
		s.weights = *e.Score
	}
	s.weights = s.weights.share()
	for _, r := range e.Targets {
		s.quality = append(s.quality, r.Quality)
	}
	return s
}

// order scores each candidate by what it is beside the best: the least cost and
// the least latency count 1, twice as much a half. Latency that is not known
// counts 1 for a request that tries it, so that it becomes known.
func (s *scoreStrategy) order(candidates []*Candidate, d *Decision, commit bool) float64 {
	at := d.question.Time.UnixMilli()
	cost, latency := math.Inf(1), math.Inf(1)
	for _, c := range candidates {
		if c.Cost >= 0 {
			cost = min(cost, float64(c.Cost))
		}
		if c.key = expectedLatency(c, &d.question); c.key > 0 {
			latency = min(latency, c.key)
		}
	}
	for _, c := range candidates {
		price, speed := neutral, neutral
		if c.Cost >= 0 {
			price = relative(cost, float64(c.Cost))
		}
		switch pending := s.trials.pending(c, at); {
		case c.key > 0 && !pending:
			speed = relative(latency, c.key)
		case c.key == 0 && s.trials.due(c, at):
			speed = 1
		}
		c.Score = s.weights.Cost*price + s.weights.Quality*s.qualityOf(c) + s.weights.Latency*speed
		c.key = c.Score
	}
	sortByKey(candidates)
	if commit {
		first := candidates[0]
		s.trials.took(first, at, expectedLatency(first, &d.question) > 0)
	}
	if len(candidates) == 1 {
		return 1
	}
	return candidates[0].Score - candidates[1].Score
}

func (s *scoreStrategy) qualityOf(c *Candidate) float64 {
	switch {
	case s.quality[c.ref] > 0:
		return s.quality[c.ref]
	case c.Known != nil && c.Known.Quality > 0:
		return c.Known.Quality
	default:
		return neutral
	}
}

// tier implements tiered: those that are nearly as good.
func (s *scoreStrategy) tier(candidates []*Candidate, _ *Decision) int {
	n := 1
	for n < len(candidates) && candidates[n].Score >= nearly*candidates[0].Score {
		n++
	}
	return n
}

func (s *scoreStrategy) reason(d *Decision, place int) string {
	c := d.Order[place]
	price, latency := "a price that is not known", "a latency that is not known"
	if c.Cost >= 0 {
		price = dollars(c.Cost)
	}
	if l := expectedLatency(c, &d.question); l > 0 {
		latency = fmt.Sprintf("%.3g ms", l/1e6)
	}
	return fmt.Sprintf("scores %.3f with %s (weight %.2f), quality %.2f (%.2f) and %s (%.2f): %s", c.Score, price,
		s.weights.Cost, s.qualityOf(c), s.weights.Quality, latency, s.weights.Latency, ordinal(place))
}
