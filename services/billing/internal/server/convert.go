package server

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

var modesFromProto = map[billingv1.Mode]price.Mode{
	billingv1.Mode_MODE_UNSPECIFIED: price.Standard, billingv1.Mode_MODE_STANDARD: price.Standard,
	billingv1.Mode_MODE_BATCH: price.Batch, billingv1.Mode_MODE_FLEX: price.Flex, billingv1.Mode_MODE_PRIORITY: price.Priority,
}

var modesToProto = map[price.Mode]billingv1.Mode{
	price.Standard: billingv1.Mode_MODE_STANDARD, price.Batch: billingv1.Mode_MODE_BATCH,
	price.Flex: billingv1.Mode_MODE_FLEX, price.Priority: billingv1.Mode_MODE_PRIORITY,
}

func tokensFromProto(u *llmv1.Usage) price.Tokens {
	return price.Tokens{
		price.Input: u.GetInputTokens(), price.CacheRead: u.GetCacheReadTokens(), price.CacheWrite5m: u.GetCacheWrite_5MTokens(),
		price.CacheWrite1h: u.GetCacheWrite_1HTokens(), price.InputAudio: u.GetInputAudioTokens(), price.InputImage: u.GetInputImageTokens(),
		price.Output: u.GetOutputTokens(), price.Reasoning: u.GetReasoningTokens(), price.OutputAudio: u.GetOutputAudioTokens(),
	}
}

func tokensToProto(t *price.Tokens) *llmv1.Usage {
	return &llmv1.Usage{
		InputTokens: t[price.Input], CacheReadTokens: t[price.CacheRead], CacheWrite_5MTokens: t[price.CacheWrite5m],
		CacheWrite_1HTokens: t[price.CacheWrite1h], InputAudioTokens: t[price.InputAudio], InputImageTokens: t[price.InputImage],
		OutputTokens: t[price.Output], ReasoningTokens: t[price.Reasoning], OutputAudioTokens: t[price.OutputAudio],
	}
}

func scopesFromProto(s *billingv1.Scopes) budget.Scopes {
	return budget.Scopes{
		Organization: id("organizations", s.GetOrganization()), Team: id("teams", s.GetTeam()),
		User: id("users", s.GetUser()), Key: id("keys", s.GetKey()),
	}
}

// query asks for the price of a model at a moment.
func query(m *billingv1.PricedModel, at time.Time, tokens *price.Tokens) price.Query {
	return price.Query{
		Provider: m.GetProvider(), Model: m.GetModel(), Region: m.GetRegion(), Mode: modesFromProto[m.GetMode()],
		At: at, Context: tokens.Context(),
	}
}

// recordFromProto reads a usage record. The numbers of sources and outcomes
// are those of the contract.
func recordFromProto(r *billingv1.UsageRecord) ledger.Record {
	m := r.GetPricedModel()
	return ledger.Record{
		RequestID: r.GetRequestId(), Attempt: r.GetAttempt(), Scopes: scopesFromProto(r.GetScopes()),
		Provider: m.GetProvider(), Model: m.GetModel(), Region: m.GetRegion(), Mode: modesFromProto[m.GetMode()],
		Target: r.GetTarget(), RequestedModel: r.GetRequestedModel(), Tokens: tokensFromProto(r.GetUsage()),
		Source: ledger.Source(r.GetUsage().GetSource()), Outcome: ledger.Outcome(r.GetOutcome()),
		Start: timeOf(r.GetStartTime()), Duration: r.GetDuration().AsDuration(), FirstToken: r.GetTimeToFirstToken().AsDuration(),
		Streamed: r.GetStreamed(), Hold: id("holds", r.GetHold()), Last: r.GetLast(), TraceID: r.GetTraceId(), Metadata: r.GetMetadata(),
	}
}

func recordToProto(r *ledger.Record) *billingv1.UsageRecord {
	usage := tokensToProto(&r.Tokens)
	usage.Source = llmv1.UsageSource(r.Source)
	record := &billingv1.UsageRecord{
		RequestId: r.RequestID, Attempt: r.Attempt,
		Scopes: &billingv1.Scopes{
			Organization: name("organizations", r.Scopes.Organization), Team: name("teams", r.Scopes.Team),
			User: name("users", r.Scopes.User), Key: name("keys", r.Scopes.Key),
		},
		PricedModel: &billingv1.PricedModel{Provider: r.Provider, Model: r.Model, Region: r.Region, Mode: modesToProto[r.Mode]},
		Target:      r.Target, RequestedModel: r.RequestedModel, Usage: usage, Outcome: billingv1.Outcome(r.Outcome),
		StartTime: stampOf(r.Start), Duration: durationpb.New(r.Duration), Streamed: r.Streamed,
		Hold: name("holds", r.Hold), Last: r.Last, TraceId: r.TraceID, Metadata: r.Metadata,
	}
	if r.FirstToken > 0 {
		record.TimeToFirstToken = durationpb.New(r.FirstToken)
	}
	return record
}
