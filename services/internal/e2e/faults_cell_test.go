package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// cell is one request of the suite.
type cell struct {
	fault
	side
	name           string // of the model that the client asks for
	client         string
	dialect, other string // of the target with the fault, and of the fallback
	stream         bool
	expected       want
}

// result is what came of it.
type result struct {
	cell
	got        verdict
	own, other int
	request    string
	first, gap time.Duration
	total      time.Duration
	err        error // why it is not what is wanted
}

// hang is how long a cell may take at most: far more than any of them should.
const hang = 20 * time.Second

// slack is how much longer than the fault itself a cell may take, on a machine
// that does other things too.
const slack = 4 * time.Second

// patience is how long the cell may take at most.
func (c *cell) patience() time.Duration {
	if c.heavy {
		return c.cost + 3*slack
	}
	return c.cost + slack
}

// words is a question whose answer has sixty words.
var words = func() string {
	var out []string
	for i := range 58 {
		out = append(out, fmt.Sprintf("wörd%d", i))
	}
	return strings.Join(out, " ")
}()

// question is what the cell asks.
func (c *cell) question() (question, outcome) {
	switch c.ask {
	case forTools:
		calls := []call{{Name: "f", Arguments: `{"city":"some text"}`}}
		if b := c.behaviour; b == providertest.ParallelTools || b == providertest.Interleaved {
			calls = append(calls, call{Name: "g", Arguments: `{"city":"some text 2"}`})
		}
		return question{text: "call", tools: true, stream: c.stream}, outcome{Calls: calls}
	case forTwo:
		return question{text: words, two: true, stream: c.stream}, outcome{Text: "You said: " + words, Second: "You said: " + words}
	}
	text := "You said: " + words
	if c.expected.text != "" {
		text = c.expected.text
	}
	return question{text: words, stream: c.stream}, outcome{Text: text}
}

// run asks, and judges what came.
func (c *cell) run(client sdk, asked func(model string) int) *result {
	out := &result{cell: *c}
	q, right := c.question()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	ctx, s := watched(ctx)
	got, err := client.ask(ctx, c.name, q)
	out.total = time.Since(s.began)
	out.own, out.other = asked(c.own()), asked(c.substitute())
	s.mu.Lock()
	defer s.mu.Unlock()
	out.first, out.gap, out.request = s.first, s.gap, s.request
	out.got, out.err = c.judge(client, got, err, right, s)
	switch {
	case ctx.Err() != nil:
		out.err = fmt.Errorf("hangs: no end after %v", hang)
	case out.err != nil:
	case out.got != c.expected.verdict:
		out.err = fmt.Errorf("%s, not %s: %w", out.got, c.expected.verdict, err)
	case out.own != c.expected.own || out.other != c.expected.other:
		out.err = fmt.Errorf("%d+%d attempts, not %d+%d", out.own, out.other, c.expected.own, c.expected.other)
	case out.total < c.cost || out.total > c.patience():
		out.err = fmt.Errorf("took %v, not from %v to %v", out.total, c.cost, c.patience())
	}
	return out
}

// own is what the provider with the fault is asked for, and substitute what the
// fallback is: names that nobody else asks for, so that attempts can be counted.
func (c *cell) own() string        { return c.name + "~" + c.behaviour }
func (c *cell) substitute() string { return c.name + "-fallback~" + c.fallback }

// judge says what came, and what is wrong whatever was wanted: a wrong answer
// that looks right, or an error that is not Tollgate's.
func (c *cell) judge(client sdk, got *outcome, err error, right outcome, s *seen) (verdict, error) {
	body := s.body.String()
	if err == nil {
		if wrong := expect(got, nil, right); wrong != nil {
			return "WRONG", fmt.Errorf("a wrong answer is shown as complete: %w", wrong)
		}
		if got.Second != right.Second {
			return "WRONG", fmt.Errorf("a wrong second answer is shown as complete: %q", got.Second)
		}
		if c.expected.verdict == passed {
			return passed, nil
		}
		return rescued, nil
	}
	if leaks(err.Error()) || leaks(body) {
		return "LEAK", fmt.Errorf("the error leaks: %w in %s", err, body)
	}
	if s.status != http.StatusOK {
		want := statusOf(c.expected.reason, client.name)
		if status := client.status(err); c.expected.verdict == refused && status != want {
			return refused, fmt.Errorf("status %d, not %d: %w", status, want, err)
		}
		return refused, nil
	}
	if !strings.Contains(body, marks[client.name]) {
		return "BROKEN", fmt.Errorf("the stream ends without a typed error: %w, behind %d bytes: %s", err, len(body), tail(body))
	}
	return interrupted, c.beginning(body, right)
}

// beginning checks that what came before an error is a right beginning: each
// word once, in its order.
func (c *cell) beginning(body string, right outcome) error {
	if c.ask != forText {
		return nil
	}
	next := 0
	for word := range strings.FieldsFuncSeq(body, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if !strings.HasPrefix(word, "wörd") {
			continue
		}
		if word == "wörd0" && next > 0 && c.client == "openai responses" {
			break // the error repeats the whole beginning
		}
		if word != fmt.Sprintf("wörd%d", next) {
			return fmt.Errorf("behind word %d came %s: what was shown is no beginning of %q", next-1, word, right.Text)
		}
		next++
	}
	if next == 0 {
		return fmt.Errorf("nothing came before the error: %s", tail(body))
	}
	return nil
}

func leaks(text string) bool {
	return strings.Contains(text, "sk-leaked") || strings.Contains(text, "10.1.2.3")
}

func tail(text string) string { return text[max(0, len(text)-300):] }

// marks are what a typed error within a stream looks like, by client.
var marks = map[string]string{
	"openai chat":        `"code":"stream_interrupted"`,
	"openai responses":   `stream_interrupted`,
	"anthropic messages": "event: error\n",
	"bedrock converse":   "modelStreamErrorException",
	"gemini":             `"ABORTED"`,
}

// statuses are those of errors, by their reason.
var statuses = map[string]int{
	"PROVIDER_RATE_LIMITED": 429, "PROVIDER_UNAVAILABLE": 502, "PROVIDER_TIMEOUT": 504, "PROVIDER_AUTH": 502,
	"PROVIDER_REJECTED": 400, "PROVIDER_CONTENT_FILTERED": 400, "CONTEXT_EXCEEDED": 400,
}

// bedrockStatuses are what differs in Bedrock's dialect.
var bedrockStatuses = map[string]int{"PROVIDER_UNAVAILABLE": 503, "PROVIDER_TIMEOUT": 408, "PROVIDER_AUTH": 424}

func statusOf(reason, client string) int {
	if status, ok := bedrockStatuses[reason]; ok && client == "bedrock converse" {
		return status
	}
	return statuses[reason]
}
