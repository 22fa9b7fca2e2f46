package billing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/billing/internal/server"
	"github.com/tollgate/tollgate/services/billing/internal/store"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// Dependencies are what the service is given.
type Dependencies struct {
	// Log may be nil.
	Log *slog.Logger
	// DataDir holds the database and the pepper, unless they are configured.
	DataDir string
	// Telemetry may be nil.
	Telemetry *telemetry.Telemetry
	// KeyEnded is told the id of each key that is revoked, so that caches can
	// forget it; may be nil.
	KeyEnded func(keyID string)
}

// Service is the billing service.
type Service struct {
	log      *slog.Logger
	store    *store.Store
	accounts *account.Service
	index    *budget.Index
	holds    *budget.Holds
	billing  *server.Billing
	account  *server.Account
	settings atomic.Pointer[settings]
	stop     context.CancelFunc
	tasks    sync.WaitGroup
}

// settings are what Reload changes.
type settings struct {
	book   *price.Book
	policy server.Policy
}

// New opens the database and starts the service.
func New(ctx context.Context, cfg Config, deps Dependencies) (*Service, error) {
	s := &Service{log: deps.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.configure(cfg); err != nil {
		return nil, err
	}
	meters, err := newMeters(deps.Telemetry)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(deps.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	pepper, err := pepperOf(cfg, deps)
	if err != nil {
		return nil, err
	}
	s.store, err = store.Open(ctx, databaseOf(cfg, deps), store.Options{Durability: store.Durability(cfg.Durability)})
	if err != nil {
		return nil, err
	}
	s.accounts = account.NewService(s.store, pepper, deps.KeyEnded)
	s.index = budget.NewIndex(s.store)
	s.holds = budget.NewHolds(s.index, s.store, budget.Limits{DefaultTTL: cfg.Holds.TTL.Std(), MaxTTL: cfg.Holds.MaxTTL.Std()})
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	s.serveWith(meters)
	s.start(cfg)
	return s, nil
}

// configure makes the price list and the policy of a configuration current.
func (s *Service) configure(cfg Config) error {
	book, faults := price.NewBook(cfg.Prices)
	if len(faults) > 0 {
		return fmt.Errorf("read prices%s", faults[0])
	}
	s.settings.Store(&settings{book: book, policy: server.Policy{RejectUnpriced: cfg.Unpriced == UnpricedReject}})
	return nil
}

func pepperOf(cfg Config, deps Dependencies) (account.Pepper, error) {
	if cfg.Pepper.IsZero() {
		return account.LoadPepper(deps.DataDir)
	}
	return account.NewPepper(cfg.Pepper)
}

func databaseOf(cfg Config, deps Dependencies) string {
	if cfg.Database.IsZero() {
		return filepath.Join(deps.DataDir, "billing.db")
	}
	return cfg.Database.Reveal()
}

// prepare brings the state that outlives a process into this one.
func (s *Service) prepare(ctx context.Context) error {
	if err := s.index.Load(ctx); err != nil {
		return err
	}
	return s.store.KeepPrices(ctx, s.settings.Load().book.Prices())
}

func (s *Service) serveWith(meters *meters) {
	recorder := ledger.NewRecorder(func() ledger.Pricer { return s.settings.Load().book }, s.store)
	s.billing = &server.Billing{
		Budgets: s.index, Holds: s.holds, Recorder: recorder, Reports: s.store, Meters: meters,
		Prices: func() server.Prices { return s.settings.Load().book },
		Policy: func() server.Policy { return s.settings.Load().policy },
	}
	s.account = &server.Account{
		Organizations: s.accounts, Teams: s.accounts, Users: s.accounts, Keys: s.accounts, AuditLog: s.accounts,
	}
}

// start runs what has to be done from time to time.
func (s *Service) start(cfg Config) {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.tasks.Go(func() {
		s.holds.Reap(ctx, cfg.Holds.Sweep.Std(), func(err error) {
			s.log.Error("expire holds", slog.Any("error", err))
		})
	})
	s.tasks.Go(func() {
		ticker := time.NewTicker(cfg.Refresh.Std())
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := s.index.Load(ctx); err != nil && ctx.Err() == nil {
					s.log.Error("refresh budgets", slog.Any("error", err))
				}
			}
		}
	})
}

// Register adds the billing and the account service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	billingv1.RegisterBillingServiceServer(r, s.billing)
	accountv1.RegisterAccountServiceServer(r, s.account)
}

// Reload takes over prices and the policy for unpriced models; what else
// changed waits for a restart.
func (s *Service) Reload(cfg Config) error {
	if err := s.configure(cfg); err != nil {
		return err
	}
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.store.KeepPrices(ctx, s.settings.Load().book.Prices())
}

// Ready fails when the database cannot be reached.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ready(ctx) }

// Close ends the service: what is queued is committed first.
func (s *Service) Close(context.Context) error {
	s.stop()
	s.tasks.Wait()
	return s.store.Close()
}

// EnsureBootstrap makes the organisation "default" with a user "admin" and an
// operator's key if there is no organisation yet. The key is returned once;
// created is false when nothing had to be made.
func (s *Service) EnsureBootstrap(ctx context.Context) (key secret.String, created bool, err error) {
	return s.accounts.Bootstrap(ctx)
}

// VerifyLedger recomputes all balances from the ledger and fails at the first
// that differs. It keeps writers waiting.
func (s *Service) VerifyLedger(ctx context.Context) error { return s.store.Verify(ctx) }
