package bedrock

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Times of asking the control plane.
const (
	refreshEvery  = time.Hour
	retryAfter    = time.Minute
	refreshWithin = 30 * time.Second
)

// source is the control plane of a region.
type source interface {
	Get(ctx context.Context, path string) ([]byte, error)
	Close() error
}

// catalog is what a region offers, as the control plane said last. It is
// refreshed in the background when it is asked for and has become old, so that
// a target which nobody uses costs nothing. What is known stays known while the
// control plane cannot be reached.
type catalog struct {
	source source
	region string
	now    func() time.Time
	known  atomic.Pointer[listing]

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	due     time.Time
	running bool
}

func newCatalog(s source, region string) *catalog {
	ctx, cancel := context.WithCancel(context.Background())
	c := &catalog{source: s, region: region, now: time.Now, ctx: ctx, cancel: cancel}
	c.refresh()
	return c
}

// close ends a refresh that is under way.
func (c *catalog) close() {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.work.Wait()
	_ = c.source.Close()
}

// refresh begins to ask, if it is time and nobody does.
func (c *catalog) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running || c.ctx.Err() != nil || c.now().Before(c.due) {
		return
	}
	c.running = true
	c.work.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, refreshWithin)
		defer cancel()
		next := retryAfter
		if listed, err := fetch(ctx, c.source, c.region); err == nil {
			c.known.Store(listed)
			next = refreshEvery
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		// Many targets, begun at one time, should not ask at one time for ever.
		c.due = c.now().Add(next + rand.N(next/5)) //nolint:gosec // no secret
		c.running = false
	})
}

func (c *catalog) offerings() []provider.Offering {
	c.refresh()
	if l := c.known.Load(); l != nil {
		return slices.Clone(l.offerings)
	}
	return nil
}

func (c *catalog) offers(model string) (known, offered bool) {
	c.refresh()
	if l := c.known.Load(); l != nil {
		return l.offers(model)
	}
	return false, false
}

// listing is what a region offers.
type listing struct {
	offerings []provider.Offering // sorted by name
	// profiles is true if inference profiles were listed, too.
	profiles bool
}

// Kinds of resources whose names say which model they are.
const (
	modelResource   = ":foundation-model/"
	profileResource = ":inference-profile/"
)

// offers says whether a name is listed. The name of a resource of the account,
// such as provisioned throughput, does not say which model it is.
func (l *listing) offers(model string) (known, offered bool) {
	if strings.HasPrefix(model, "arn:") {
		_, rest, ok := strings.Cut(model, modelResource)
		if !ok {
			_, rest, ok = strings.Cut(model, profileResource)
		}
		if !ok {
			return false, false
		}
		model = rest
	}
	if o := l.find(model); o != nil {
		return true, onDemand(o)
	}
	if l.isProfile(model) {
		return l.profiles, false
	}
	return strings.Contains(model, "."), false // other names are of imported models
}

func (l *listing) find(model string) *provider.Offering {
	i, ok := slices.BinarySearchFunc(l.offerings, model, func(o provider.Offering, name string) int {
		return strings.Compare(o.Model, name)
	})
	if !ok {
		return nil
	}
	return &l.offerings[i]
}

// onDemand says whether a model can be asked by its name: some only can by that
// of a profile, or of provisioned throughput.
func onDemand(o *provider.Offering) bool {
	return len(o.Inference) == 0 || slices.Contains(o.Inference, "ON_DEMAND") || slices.Contains(o.Inference, crossRegion)
}

// isProfile says whether a name is that of a profile: where its models compute,
// then one of their names. A model's own name begins with who made it.
func (l *listing) isProfile(model string) bool {
	_, rest, ok := strings.Cut(model, ".")
	return ok && strings.Contains(rest, ".") && (l.find(rest) != nil || slices.Contains(geographies, model[:len(model)-len(rest)-1]))
}

// geographies are those that profiles begin with.
var geographies = []string{"us", "eu", "apac", "global", "us-gov", "jp", "au", "ca"}

// crossRegion is how a profile is asked; the word is ours.
const crossRegion = "CROSS_REGION"
