package peer

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/router/internal/spool"
)

// Billing reaches the billing service.
type Billing struct {
	client  billingv1.BillingServiceClient
	timeout time.Duration
}

// NewBilling makes a client that waits at most timeout for an answer.
func NewBilling(conn grpc.ClientConnInterface, timeout time.Duration) *Billing {
	return &Billing{billingv1.NewBillingServiceClient(conn), timeout}
}

// Hold reserves the worst case of a request.
func (b *Billing) Hold(ctx context.Context, r *billingv1.CreateHoldRequest) (*billingv1.CreateHoldResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return b.client.CreateHold(ctx, r)
}

// Release gives a hold back.
func (b *Billing) Release(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err := b.client.ReleaseHold(ctx, &billingv1.ReleaseHoldRequest{Name: name})
	return err
}

// Price says what a usage costs.
func (b *Billing) Price(ctx context.Context, r *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return b.client.PriceUsage(ctx, r)
}

// Open opens a stream for usage records; it ends with ctx.
func (b *Billing) Open(ctx context.Context) (spool.Conn, error) {
	s, err := b.client.RecordUsage(ctx)
	if err != nil {
		return nil, err
	}
	return recording{s}, nil
}

type recording struct {
	grpc.BidiStreamingClient[billingv1.RecordUsageRequest, billingv1.RecordUsageResponse]
}

// Send sends one record.
func (r recording) Send(record *billingv1.UsageRecord) error {
	return r.BidiStreamingClient.Send(&billingv1.RecordUsageRequest{Record: record})
}

// NoBilling stands in where there is no billing service: nothing is held,
// nothing has a price, and records wait in the spool.
type NoBilling struct{}

// Hold reserves nothing.
func (NoBilling) Hold(context.Context, *billingv1.CreateHoldRequest) (*billingv1.CreateHoldResponse, error) {
	return &billingv1.CreateHoldResponse{}, nil
}

// Release gives nothing back.
func (NoBilling) Release(context.Context, string) error { return nil }

// Price knows no price.
func (NoBilling) Price(context.Context, *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error) {
	return &billingv1.PriceUsageResponse{Unpriced: true}, nil
}

// Open fails: there is nobody to send records to.
func (NoBilling) Open(context.Context) (spool.Conn, error) {
	return nil, errors.New("no billing service is configured")
}
