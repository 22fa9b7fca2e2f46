package route

import "context"

// prices know every model at once, but the one called unpriced.
type prices struct{}

func (prices) Cost(_, model, _ string, input, output int64) (int64, bool) {
	return flat{model}.Cost(input, output)
}
func (prices) Of(_, model, _ string) Rate                           { return flat{model} }
func (prices) Learn(context.Context, string, string, string, int64) {}

// slowPrices know a model once somebody has waited for it.
type slowPrices struct {
	prices
	known map[string]bool
}

func (s *slowPrices) Cost(_, model, _ string, input, output int64) (int64, bool) {
	cost, _ := flat{model}.Cost(input, output)
	return cost, s.known[model]
}

func (s *slowPrices) Learn(_ context.Context, _, model, _ string, _ int64) {
	if s.known == nil {
		s.known = map[string]bool{}
	}
	s.known[model] = true
}
