package dialect

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

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
	headerDropped   = "X-Tollgate-Dropped"
	headerRecovered = "X-Tollgate-Recoveries"
	headerRoute     = "X-Tollgate-Decision" // the answer to a header of this name
)

// SetReport sets what is known once a target answers.
func SetReport(h http.Header, r *routerv1.RequestReport) {
	if id := r.GetRequestId(); id != "" {
		h.Set(headerRequestID, id)
	}
	if target := r.GetTarget(); target != "" { // else the cache answered
		h.Set(headerTarget, target)
	}
	h.Set(headerAttempts, strconv.Itoa(int(r.GetAttempts())))
	h.Set(headerCache, cmp.Or(r.GetCache(), "none"))
	h.Set(headerGuardrail, guardrail(r))
	if n := r.GetRecoveries(); n > 0 {
		h.Set(headerRecovered, strconv.Itoa(int(n)))
	}
	if d := r.GetDecision(); d != nil {
		h.Set(headerRoute, decision(d))
	}
	if names := r.GetDropped(); len(names) > 0 {
		h.Set(headerDropped, dropped(names))
	}
}

// maxDropped bounds the header that lists what was dropped.
const maxDropped = 1024

// dropped lists names. They may be a client's own: what has no place in a
// header is replaced, and a long list is cut with how many more there are.
func dropped(names []string) string {
	var list strings.Builder
	for i, name := range names {
		if list.Len()+len(name) > maxDropped {
			return list.String() + " (and " + strconv.Itoa(len(names)-i) + " more)"
		}
		if i > 0 {
			list.WriteString(", ")
		}
		list.WriteString(strings.Map(printable, name))
	}
	return list.String()
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// SetCost sets what only the whole answer shows. A model without a price has
// no cost, which is not the same as a cost of 0.
func SetCost(h http.Header, r *routerv1.RequestReport) {
	if !r.GetUnpriced() {
		h.Set(headerCost, strconv.FormatInt(r.GetCostNanousd(), 10))
	}
}

// setEnd sets what only the end of a stream shows, as trailers. A stream that
// was recovered has another target, and more attempts, than its headers say.
func setEnd(h http.Header, r *routerv1.RequestReport) {
	SetCost(h, r)
	h.Set(headerGuardrail, guardrail(r))
	h.Set(headerRecovered, strconv.Itoa(int(r.GetRecoveries())))
	if r.GetRecoveries() > 0 {
		h.Set(http.TrailerPrefix+headerTarget, r.GetTarget())
		h.Set(http.TrailerPrefix+headerAttempts, strconv.Itoa(int(r.GetAttempts())))
	}
}

// guardrail is the strongest thing that a policy did, with how often each check
// fired: "mask; email=1, payment_card=2".
func guardrail(r *routerv1.RequestReport) string {
	strongest, fired := "pass", make([]string, 0, len(r.GetGuardrailNotices()))
	for _, n := range r.GetGuardrailNotices() {
		if rank[n.GetAction()] > rank[strongest] {
			strongest = n.GetAction()
		}
		fired = append(fired, n.GetCheck()+"="+strconv.Itoa(int(n.GetCount())))
	}
	if len(fired) == 0 {
		return strongest
	}
	return strongest + "; " + strings.Join(fired, ", ")
}

var rank = map[string]int{"pass": 0, "flag": 1, "mask": 2, "block": 3}
