package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/price"
)

const insertPrice = `INSERT INTO price_versions (version, provider, model, region, mode, above_tokens, effective_at, source, rates, first_used)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (version) DO NOTHING`

// KeepPrices stores what each price version says, so that a ledger row can be
// explained after the price list has changed.
func (s *Store) KeepPrices(ctx context.Context, prices []*price.Price) error {
	return wrap("keep prices", s.writer.do(ctx, func(tx *tx) error {
		now := stamp(time.Now())
		for _, p := range prices {
			rates := map[string]int64{}
			for class := range price.ClassCount {
				if rate, ok := p.Rates.Listed(class); ok {
					rates[class.String()] = int64(rate)
				}
			}
			encoded, err := json.Marshal(rates)
			if err != nil {
				return err
			}
			_, err = tx.exec(insertPrice, p.Version, storable(p.Provider), storable(p.Model), storable(p.Region), string(p.Mode), p.Above,
				stamp(p.From), storable(p.Source), string(encoded), now)
			if err != nil {
				return err
			}
		}
		return nil
	}))
}
