package server

import (
	"context"
	"strconv"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

var dimensions = map[billingv1.ReportUsageRequest_Dimension]ledger.Dimension{
	billingv1.ReportUsageRequest_DIMENSION_DAY: ledger.ByDay, billingv1.ReportUsageRequest_DIMENSION_TEAM: ledger.ByTeam,
	billingv1.ReportUsageRequest_DIMENSION_USER: ledger.ByUser, billingv1.ReportUsageRequest_DIMENSION_KEY: ledger.ByKey,
	billingv1.ReportUsageRequest_DIMENSION_MODEL: ledger.ByModel, billingv1.ReportUsageRequest_DIMENSION_PROVIDER: ledger.ByProvider,
	billingv1.ReportUsageRequest_DIMENSION_TARGET: ledger.ByTarget,
}

// collections are the dimensions whose values are resources.
var collections = map[ledger.Dimension]string{ledger.ByTeam: "teams", ledger.ByUser: "users", ledger.ByKey: "keys"}

// ReportUsage implements the contract.
func (s *Billing) ReportUsage(ctx context.Context, r *billingv1.ReportUsageRequest) (*billingv1.ReportUsageResponse, error) {
	p, err := member(ctx)
	if err != nil {
		return nil, err
	}
	query := ledger.ReportQuery{Organization: p.Organization, From: timeOf(r.GetStartTime()), Until: timeOf(r.GetEndTime())}
	if query.Until.IsZero() {
		query.Until = now()
	}
	if query.From.IsZero() {
		query.From = budget.Month.Start(now())
	}
	if query.Until.Before(query.From) {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "end_time is before start_time").WithField("end_time")
	}
	total, err := s.Reports.Report(ctx, query)
	if err != nil {
		return nil, public(err)
	}
	response := &billingv1.ReportUsageResponse{Total: sumsToProto(&total[0])}
	if len(r.GetGroupBy()) == 0 {
		response.Rows = []*billingv1.ReportUsageResponse_Row{sumsToProto(&total[0])}
		return response, nil
	}
	for _, dimension := range r.GetGroupBy() {
		query.GroupBy = append(query.GroupBy, dimensions[dimension])
	}
	rows, err := s.Reports.Report(ctx, query)
	if err != nil {
		return nil, public(err)
	}
	for i := range rows {
		response.Rows = append(response.Rows, sumsToProto(&rows[i]))
	}
	return response, nil
}

func sumsToProto(sums *ledger.Sums) *billingv1.ReportUsageResponse_Row {
	row := &billingv1.ReportUsageResponse_Row{
		Group: make(map[string]string, len(sums.Group)), Attempts: sums.Attempts, Requests: sums.Requests,
		Usage: tokensToProto(&sums.Tokens), CostNanousd: int64(sums.Cost), UnpricedAttempts: sums.Unpriced, EstimatedAttempts: sums.Estimated,
	}
	for dimension, value := range sums.Group {
		if collection := collections[dimension]; collection != "" {
			value = name(collection, value)
		}
		row.Group[string(dimension)] = value
	}
	return row
}

// ListUsage implements the contract.
func (s *Billing) ListUsage(ctx context.Context, r *billingv1.ListUsageRequest) (*billingv1.ListUsageResponse, error) {
	p, err := member(ctx)
	if err != nil {
		return nil, err
	}
	before, err := numberOf("usage", r.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(r.GetPageSize())
	rows, err := s.Reports.Rows(ctx, ledger.RowQuery{Organization: p.Organization, RequestID: r.GetRequestId(), Before: before, Limit: size + 1})
	if err != nil {
		return nil, public(err)
	}
	rows, next := paged(rows, size, "usage", func(row *ledger.Row) string { return strconv.FormatInt(row.Sequence, 10) })
	response := &billingv1.ListUsageResponse{NextPageToken: next}
	for i := range rows {
		row := &rows[i]
		response.Rows = append(response.Rows, &billingv1.UsageRow{
			Record: recordToProto(&row.Record), CostNanousd: int64(row.Cost), PriceVersion: row.PriceVersion,
			Unpriced: row.Unpriced, CommitTime: stampOf(row.Committed),
		})
	}
	return response, nil
}
