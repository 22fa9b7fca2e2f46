package recall_test

import (
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/recall"
	"github.com/tollgate/tollgate/services/router/internal/recall/storetest"
)

func TestMemoryKeeps(t *testing.T) {
	now := time.Unix(0, 0)
	storetest.Run(t, storetest.Backend{
		Open: func(_ *testing.T, ttl time.Duration) storetest.Store {
			o := recall.Options{TTL: ttl, MaxEntries: 1000, MaxBytes: 32 << 20}
			return recall.NewMemory(o, func() time.Time { return now })
		},
		Unit: time.Hour, Advance: func(d time.Duration) { now = now.Add(d) }, TooLarge: 8 << 20,
	})
}
