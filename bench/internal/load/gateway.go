// Package load drives gateways with chat requests and measures what they cost.
package load

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/bench/internal/loopback"
)

// Gateway is one thing to measure.
type Gateway struct {
	// Name stands in the report.
	Name string
	// URL is where its OpenAI API begins, for example http://127.0.0.1:8080/v1.
	URL *url.URL
	// PIDs are its processes; without any its CPU is not known.
	PIDs []int
	// Model is what it is asked for; empty takes the run's.
	Model string

	key string
}

// ParseGateway reads "name=…,url=…,pid=1+2,model=…,key_env=VAR,key_file=PATH". A
// key never stands on the command line, where every user of the machine sees it.
func ParseGateway(spec string, getenv func(string) string) (Gateway, error) {
	var g Gateway
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, pair := range strings.Split(spec, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || value == "" {
			fail("want name=value, not %q", pair)
			continue
		}
		var err error
		switch name {
		case "name":
			g.Name = value
		case "url":
			g.URL, err = loopback.CheckURL(strings.TrimSuffix(value, "/"))
		case "pid":
			g.PIDs, err = parsePIDs(value)
		case "model":
			g.Model = value
		case "key_env":
			if g.key = getenv(value); g.key == "" {
				fail("environment variable %s is empty", value)
			}
		case "key_file":
			g.key, err = readKey(value)
		default:
			fail("unknown setting %q: use name, url, pid, model, key_env, key_file", name)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if g.Name == "" || g.URL == nil {
		fail("name and url are required")
	}
	if len(problems) > 0 {
		return Gateway{}, fmt.Errorf("gateway %q: %w", g.Name, errors.Join(problems...))
	}
	return g, nil
}

func parsePIDs(value string) ([]int, error) {
	var pids []int
	for _, digits := range strings.Split(value, "+") {
		pid, err := strconv.Atoi(digits)
		if err != nil || pid < 1 {
			return nil, fmt.Errorf("pid %q is not a process id", digits)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func readKey(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
