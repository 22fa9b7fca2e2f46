package valkey

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
)

// message is what replicas tell each other of a circuit: until when it is kept
// by Valkey's clock, which is when a state ends that does so by itself, who says so, the state, the target and the model.
type message struct {
	until         time.Time
	from          string
	state         health.State
	target, model string
}

var errMessage = errors.New("not what a router says of a circuit")

// states are those that are told, by their names.
var states = map[string]health.State{
	health.Closed.String(): health.Closed, health.Open.String(): health.Open, health.HalfOpen.String(): health.HalfOpen,
	health.Ejected.String(): health.Ejected, health.Cooling.String(): health.Cooling,
}

// lasting says whether a state ends by itself, at a time that is known.
func lasting(s health.State) bool {
	return s == health.Open || s == health.Ejected || s == health.Cooling
}

// field names a circuit.
func field(target, model string) string {
	return url.QueryEscape(target) + " " + url.QueryEscape(model)
}

func parseMessage(text string) (m message, err error) {
	parts := strings.Split(text, " ")
	if len(parts) != 5 {
		return m, fmt.Errorf("%w: %d parts", errMessage, len(parts))
	}
	millis, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return m, fmt.Errorf("%w: %w", errMessage, err)
	}
	m.until, m.from = time.UnixMilli(millis), parts[1]
	var ok bool
	if m.state, ok = states[parts[2]]; !ok {
		return m, fmt.Errorf("%w: state %q", errMessage, parts[2])
	}
	if m.target, err = url.QueryUnescape(parts[3]); err != nil {
		return m, fmt.Errorf("%w: %w", errMessage, err)
	}
	if m.model, err = url.QueryUnescape(parts[4]); err != nil {
		return m, fmt.Errorf("%w: %w", errMessage, err)
	}
	return m, nil
}
