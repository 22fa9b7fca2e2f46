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

// expected is how many tokens the answer is expected to have: as many as the
// route's answers had of late, and no more than may be.
func (d *Decision) expected() int64 {
	q := &d.question
	if q.Conversation == nil {
		return 0 // vectors
	}
	n := int64(usualOutput)
	if mean := d.Entry.outputs.mean.Load(); mean > 0 {
		n = mean / smooth
	}
	limit := q.Output
	if limit == 0 {
		limit = d.Defaults().outputLimit(q.Conversation.GetSampling())
	}
	if limit > 0 {
		n = min(n, limit)
	}
	return n
}

// price says what the request is expected to cost, if that is needed.
func (d *Decision) price() {
	if d.Entry.priced {
		d.estimate(d.expected())
	}
}

// estimate says of all candidates what the request costs there with so many
// tokens of output.
func (d *Decision) estimate(output int64) {
	for _, c := range d.Order {
		c.Cost = d.Entry.cost(c, d.question.Input, output)
	}
}

// cost is what so many tokens cost with a candidate, nano-USD; -1 if that is not
// known.
func (e *Entry) cost(c *Candidate, input, output int64) (cost int64) {
	known := false
	switch {
	case c.Model == "" || e.world.Prices == nil:
	case c.rate != nil:
		cost, known = c.rate.Cost(input, output)
	default:
		cost, known = e.world.Prices.Cost(c.Target.Provider, c.Model, c.Target.Region, input, output)
	}
	if !known {
		return -1
	}
	return cost
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
	for i := range d.all {
		learn(&d.all[i])
	}
	d.Entry.Candidates(d.question, d)
}
