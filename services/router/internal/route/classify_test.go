package route

import (
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

func picture() *llmv1.Part { return &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{}}} }

func TestClassify(t *testing.T) {
	withImage := say("", "What is this?")
	withImage.Messages[1].Parts = append(withImage.Messages[1].Parts, picture())
	earlierImage := say("", "Look at this.", "I see a cat.", "Which breed is it?")
	earlierImage.Messages[1].Parts = append(earlierImage.Messages[1].Parts, picture())
	figures := "Compare the quarters: 12.1 13.4 11.9 15.2 18.0 17.3 9.9 12.2 and explain the decline in revenue."
	for _, c := range []struct {
		name   string
		c      *llmv1.Conversation
		input  int64
		want   string
		surely float64 // at least
	}{
		{"a greeting", say("Be kind.", "Hello, how are you?"), 20, "simple", .7},
		{"a fact", say("", "What is the capital of Portugal?"), 20, "simple", .7},
		{"a fenced program", say("", "Why does this fail?\n```go\nfunc main() { panic(1) }\n```"), 60, "coding", .7},
		{"a programming question", say("", "Write a Python function that parses JSON and returns a list."), 30, "coding", .5},
		{"a stack trace", say("", "I get a NullPointerException, the stacktrace points to this Java method."), 30, "coding", .5},
		{"a later turn about code", say("", "Fix it:\n```js\nlet x = ;\n```", "```js\nlet x = 1;\n```", "Now the same in TypeScript, please, with a test."), 100, "coding", .5},
		{"program text without a fence", say("", strings.Repeat("for (i = 0; i < n; i++) { a[i] = b[i] * (c[i] + d[i]); } ", 3)), 100, "coding", .5},
		{"figures to compare", say("", figures), 60, "analysis", .6},
		{"a long text", say("", "Please go through this. "+strings.Repeat("The meeting then turned to other matters. ", 300)), 3000, "analysis", .5},
		{"an evaluation", say("", "Evaluate the methodology and assess the implications of the trend for our strategy."), 30, "analysis", .6},
		{"a picture", withImage, 800, "vision", .7},
		{"a picture in an earlier turn", earlierImage, 900, "vision", .4},
		{"nothing in particular", say("", strings.Repeat("Tell me a story about a dragon and a knight who meet at the river. ", 12)), 250, generalTask, 0},
		{"nothing at all", &llmv1.Conversation{}, 0, generalTask, 0},
	} {
		all := classes(0)
		for _, name := range classNames {
			all = all.with(name)
		}
		f := classify(&Question{Conversation: c.c, Input: c.input}, all)
		if f.name != c.want || f.sure < c.surely || f.sure > 1 {
			t.Errorf("%s is %s (%.2f: %s), want %s", c.name, f.name, f.sure, f.why(), c.want)
		}
		if f := classify(&Question{Conversation: c.c, Input: c.input}, 0); f.name != generalTask {
			t.Errorf("%s is %s, which no route wants", c.name, f.name)
		}
	}
}

func TestTaskOrders(t *testing.T) {
	r := Route{Strategy: byTask, Tasks: map[string]Task{
		"coding":  {Targets: []Ref{{Name: "c"}, {Name: "b", Model: "long"}}},
		"simple":  {Targets: []Ref{{Name: "d"}}},
		otherTask: {Targets: []Ref{{Name: "b"}}},
	}}
	e := scene(t, r, "a", "long", "c", "d")
	for _, c := range []struct {
		task, text, order, found, reason string
		sure                             float64
	}{
		{"coding", "Hello", "cbad", "coding", "the task is coding, as the caller says, for which it is number 1: tried first", 1},
		{"", "What is the capital of Portugal?", "dabc", "simple", "the task looks like simple (confidence 0.75: 6 words), for which it is number 1", .75},
		{"poetry", "Hello", "bacd", "poetry", "for which it is number 1", 1},
	} {
		order, d := decided(e, Question{Task: c.task, Input: 20, Conversation: say("", c.text)})
		explained := d.Explain()
		if order != c.order || explained.GetTask() != c.found || d.Confidence != c.sure {
			t.Errorf("%s %q: order %s, task %s, confidence %v", c.task, c.text, order, explained.GetTask(), d.Confidence)
		}
		if got := explained.GetCandidates()[0].GetReason(); !strings.Contains(got, c.reason) {
			t.Errorf("reason %q, want %q", got, c.reason)
		}
	}
}

// Whatever is sent, reading it is bounded, and the confidence is a share.
func FuzzClassify(f *testing.F) {
	for _, text := range []string{"", "```", "func main() {}", "1 2 3", "éàü 漢字", strings.Repeat("a", 40_000), "\xff\xfe"} {
		f.Add(text, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, input int64) {
		q := Question{Conversation: say("", text), Input: input}
		got := classify(&q, 0xff)
		if !(got.sure >= 0 && got.sure <= 1) || got.name == "" || got.signs.bytes > longestRead+edge {
			t.Fatalf("%+v", got)
		}
		affinity(ByConversation, &q)
	})
}
