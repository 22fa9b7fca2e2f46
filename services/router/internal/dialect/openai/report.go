package openai

import (
	"net/http"
	"strconv"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// Headers that say what the gateway did.
const (
	headerRequestID = "X-Tollgate-Request-Id"
	headerTarget    = "X-Tollgate-Target"
	headerAttempts  = "X-Tollgate-Attempts"
	headerCost      = "X-Tollgate-Cost-Nanousd"
	headerCache     = "X-Tollgate-Cache"
	headerGuardrail = "X-Tollgate-Guardrail"
)

// setReport sets what is known once a target answers.
func setReport(h http.Header, r *routerv1.RequestReport) {
	if id := r.GetRequestId(); id != "" {
		h.Set(headerRequestID, id)
	}
	h.Set(headerTarget, r.GetTarget())
	h.Set(headerAttempts, strconv.Itoa(int(r.GetAttempts())))
	h.Set(headerCache, "none")
	h.Set(headerGuardrail, guardrail(r))
}

// setCost sets what only the whole answer shows. A model without a price has
// no cost, which is not the same as a cost of 0.
func setCost(h http.Header, r *routerv1.RequestReport) {
	if !r.GetUnpriced() {
		h.Set(headerCost, strconv.FormatInt(r.GetCostNanousd(), 10))
	}
}

// guardrail is the strongest thing that a policy did.
func guardrail(r *routerv1.RequestReport) string {
	done := make(map[string]bool)
	for _, n := range r.GetGuardrailNotices() {
		done[n.GetAction()] = true
	}
	for _, action := range []string{"block", "mask", "flag"} {
		if done[action] {
			return action
		}
	}
	return "pass"
}
