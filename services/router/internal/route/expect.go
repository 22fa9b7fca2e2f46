package route

import (
	"context"
	"sync/atomic"
)

// usualOutput is how many tokens an answer is expected to have as long as a
// route has seen none.
const usualOutput = 500

// outputs is the moving mean of what answers of a route had.
type outputs struct{ mean atomic.Int64 } // times smooth; 0 for none seen

// smooth is what the mean moves by: a sixteenth of the difference.
const smooth = 16

// Observe takes note of how many tokens an answer had, so that costs are
// expected as they were.
func (e *Entry) Observe(tokens int64) {
	for tokens > 0 {
		mean := e.outputs.mean.Load()
		next := mean + tokens - mean/smooth
		if mean == 0 {
			next = tokens * smooth
		}
		if e.outputs.mean.CompareAndSwap(mean, next) {
			return
		}
	}
}

// expected is how many tokens the answer to a question is expected to have: as
// many as the route's answers had of late, and no more than may be.
func (e *Entry) expected(q *Question) int64 {
	if q.Conversation == nil {
		return 0 // vectors
	}
	n := int64(usualOutput)
	if mean := e.outputs.mean.Load(); mean > 0 {
		n = mean / smooth
	}
	limit := q.Output
	if limit == 0 {
		limit = e.Defaults.outputLimit(q.Conversation.GetSampling())
	}
	if limit > 0 {
		n = min(n, limit)
	}
	return n
}

// cost is what a candidate is expected to cost, nano-USD; -1 if that is not known.
func (e *Entry) cost(c *Candidate, q *Question) (cost int64) {
	known := false
	switch rate := e.rates[c.ref]; {
	case c.Model == "" || e.world.Prices == nil:
	case rate != nil:
		cost, known = rate.Cost(q.Input, e.expected(q))
	default:
		cost, known = e.world.Prices.Cost(c.Target.Provider, c.Model, c.Target.Region, q.Input, e.expected(q))
	}
	if !known {
		return -1
	}
	return cost
}

// estimate fills in costs that the strategy did not need.
func (d *Decision) estimate() {
	for i := range d.Order {
		if c := &d.Order[i]; c.Cost < 0 {
			c.Cost = d.Entry.cost(c, &d.question)
		}
	}
}

// LearnPrices waits until the prices of all candidates are known, or that they
// have none, and looks at them again, so that what is foreseen is what later
// requests will meet.
func (d *Decision) LearnPrices(ctx context.Context) {
	prices := d.Entry.world.Prices
	if prices == nil {
		return
	}
	learn := func(c *Candidate) {
		if c.Model != "" {
			prices.Learn(ctx, c.Target.Provider, c.Model, c.Target.Region, d.question.Input)
		}
	}
	for i := range d.Order {
		learn(&d.Order[i])
	}
	for i := range d.Rejected {
		learn(&d.Rejected[i].Candidate)
	}
	d.Entry.Candidates(d.question, d)
}
