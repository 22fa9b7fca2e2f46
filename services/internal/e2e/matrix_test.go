package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// call is a tool call as an SDK shows it.
type call struct{ ID, Name, Arguments string }

// outcome is an answer as an SDK shows it.
type outcome struct {
	Text     string
	Second   string // the text of a second candidate
	Thinking string
	Calls    []call
	// raw is the SDK's own message, sent back in the next turn.
	raw any
}

// turn is a turn that went before: what was answered, and what its tools gave
// back or, without tools, what the user said then.
type turn struct {
	*outcome
	results []string
	then    string
}

// question is what is asked of an SDK.
type question struct {
	text     string
	image    []byte // a PNG
	tools    bool   // f and g, both with a city
	schema   bool   // {"a": "one" or "two"}
	thinking bool
	stream   bool
	two      bool // two candidates, where the dialect has them
	before   []turn
}

// sdk is an official client.
type sdk struct {
	name string
	// ask asks a model.
	ask func(ctx context.Context, model string, q question) (*outcome, error)
	// status is the HTTP status of the SDK's own error; 0 if it is none.
	status func(error) int
	// lacks says which tasks the dialect cannot express, and why.
	lacks map[string]string
}

// family is a wire format of providers.
type family struct {
	name  string
	lacks map[string]string
}

// Tasks of the matrix.
const (
	taskPlain      = "plain"
	taskStream     = "stream"
	taskTools      = "tools"
	taskParallel   = "parallel tools"
	taskStructured = "structured"
	taskImage      = "image"
	taskThinking   = "thinking"
	taskMultiTurn  = "multi-turn"
	taskError      = "error"
)

// png is a picture of one pixel, as far as anybody here looks.
var png = []byte("\x89PNG\r\n\x1a\n one pixel")

// tasks are the columns of the grid. Each asks through an SDK and says what is
// wrong with the answer.
var tasks = []struct {
	name string
	run  func(ctx context.Context, s sdk, model string) error
}{
	{taskPlain, func(ctx context.Context, s sdk, model string) error {
		got, err := s.ask(ctx, model, question{text: "one two"})
		return expect(got, err, outcome{Text: "You said: one two"})
	}},
	{taskStream, func(ctx context.Context, s sdk, model string) error {
		got, err := s.ask(ctx, model+"~"+providertest.Awkward, question{text: "one two 🗼 three", stream: true})
		return expect(got, err, outcome{Text: "You said: one two 🗼 three"})
	}},
	{taskTools, func(ctx context.Context, s sdk, model string) error {
		return bothWays(func(stream bool) error {
			got, err := s.ask(ctx, model, question{text: "call", tools: true, stream: stream})
			return expect(got, err, outcome{Calls: []call{{Name: "f", Arguments: `{"city":"some text"}`}}})
		})
	}},
	{taskParallel, func(ctx context.Context, s sdk, model string) error {
		return bothWays(func(stream bool) error {
			got, err := s.ask(ctx, model+"~"+providertest.ParallelTools, question{text: "call", tools: true, stream: stream})
			return expect(got, err, outcome{Calls: []call{
				{Name: "f", Arguments: `{"city":"some text"}`}, {Name: "g", Arguments: `{"city":"some text 2"}`},
			}})
		})
	}},
	{taskStructured, func(ctx context.Context, s sdk, model string) error {
		got, err := s.ask(ctx, model, question{text: "in JSON", schema: true})
		return expect(got, err, outcome{Text: `{"a":"one"}`})
	}},
	{taskImage, func(ctx context.Context, s sdk, model string) error {
		got, err := s.ask(ctx, model, question{text: "look", image: png})
		return expect(got, err, outcome{Text: fmt.Sprintf("I see image/png of %d bytes. You said: look", len(png))})
	}},
	{taskThinking, thinkTwice},
	{taskMultiTurn, longTalk},
	{taskError, func(ctx context.Context, s sdk, model string) error {
		for behaviour, want := range map[string][]int{
			providertest.RateLimited: {429}, providertest.Rejected: {400},
			providertest.ContextExceeded: {400, 413}, providertest.Unavailable: {502, 503, 500},
		} {
			_, err := s.ask(ctx, model+"~"+behaviour, question{text: "x"})
			got, ok := s.status(err), false
			for _, status := range want {
				ok = ok || got == status
			}
			if !ok {
				return fmt.Errorf("%s: status %d of %T: %v", behaviour, got, err, err)
			}
			if strings.Contains(err.Error(), "sk-leaked") || strings.Contains(err.Error(), "10.1.2.3") {
				return fmt.Errorf("%s: the error leaks: %v", behaviour, err)
			}
		}
		return nil
	}},
}

func bothWays(ask func(stream bool) error) error {
	if err := ask(false); err != nil {
		return err
	}
	if err := ask(true); err != nil {
		return fmt.Errorf("streamed: %w", err)
	}
	return nil
}

// thinkTwice asks for thoughts and sends them back with the next question. The
// model is one that shows them: OpenAI's own do not, other servers of its format do.
func thinkTwice(ctx context.Context, s sdk, model string) error {
	model += "~" + providertest.Thinking
	return bothWays(func(stream bool) error {
		q := question{text: "why", thinking: true, stream: stream}
		first, err := s.ask(ctx, model, q)
		if err := expect(first, err, outcome{Text: "You said: why", Thinking: "Thinking about: why"}); err != nil {
			return err
		}
		q.before = []turn{{outcome: first, then: "and now"}}
		second, err := s.ask(ctx, model, q)
		return expect(second, err, outcome{Text: "You said: and now", Thinking: "Thinking about: and now"})
	})
}

// longTalk talks for three turns, calls two tools at once, and gives their
// results back.
func longTalk(ctx context.Context, s sdk, model string) error {
	model += "~" + providertest.ParallelTools
	q := question{text: "first"}
	for _, then := range []string{"second", "third", "call both"} {
		got, err := s.ask(ctx, model, q)
		if err != nil {
			return err
		}
		q.before = append(q.before, turn{outcome: got, then: then})
	}
	q.tools = true
	calls, err := s.ask(ctx, model, q)
	if err != nil || len(calls.Calls) != 2 {
		return fmt.Errorf("two calls expected: %+v, %w", calls, err)
	}
	q.before = append(q.before, turn{outcome: calls, results: []string{"sunny in Rome", "rain in Oslo"}})
	got, err := s.ask(ctx, model, q)
	return expect(got, err, outcome{Text: "The tools said: sunny in Rome | rain in Oslo. You said: call both"})
}

func expect(got *outcome, err error, want outcome) error {
	if err != nil {
		return err
	}
	if want.Text != "" && compact(got.Text) != compact(want.Text) {
		return fmt.Errorf("text %q, want %q", got.Text, want.Text)
	}
	if want.Thinking != "" && got.Thinking != want.Thinking {
		return fmt.Errorf("thinking %q, want %q", got.Thinking, want.Thinking)
	}
	if len(got.Calls) != len(want.Calls) {
		return fmt.Errorf("calls %+v, want %+v", got.Calls, want.Calls)
	}
	for i, c := range got.Calls {
		if c.Name != want.Calls[i].Name || compact(c.Arguments) != compact(want.Calls[i].Arguments) {
			return fmt.Errorf("call %+v, want %+v", c, want.Calls[i])
		}
	}
	return nil
}

// compact leaves out the spaces of a JSON text; any other text stays.
func compact(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(out)
}

// TestMatrix asks every family of providers in every dialect for everything.
func TestMatrix(t *testing.T) {
	families, config := newFamilies(t)
	d := deploy(t, false, config)
	grid := map[string]string{}
	for _, s := range sdks(d) {
		for _, f := range families {
			for _, task := range tasks {
				cell := s.name + " → " + f.name + ": " + task.name
				switch why := first(s.lacks[task.name], f.lacks[task.name]); {
				case why != "":
					grid[s.name+f.name+task.name] = "–"
					t.Logf("%s: cannot exist: %s", cell, why)
				default:
					t.Run(cell, func(t *testing.T) {
						grid[s.name+f.name+task.name] = "ok"
						if err := task.run(timeout(t), s, f.name+".m"); err != nil {
							grid[s.name+f.name+task.name] = "FAIL"
							t.Error(err)
						}
					})
				}
			}
		}
	}
	printGrid(t, sdks(d), families, grid)
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func printGrid(t *testing.T, clients []sdk, families []family, grid map[string]string) {
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-28s", "")
	for _, task := range tasks {
		fmt.Fprintf(&out, " %-14s", task.name)
	}
	for _, s := range clients {
		for _, f := range families {
			fmt.Fprintf(&out, "\n%-28s", s.name+" → "+f.name)
			for _, task := range tasks {
				fmt.Fprintf(&out, " %-14s", grid[s.name+f.name+task.name])
			}
		}
	}
	t.Log(out.String())
}
