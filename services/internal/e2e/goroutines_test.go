package e2e

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strings"
)

// counted is a stack with how many goroutines stand in it: "3 @ 0x1 0x2".
var counted = regexp.MustCompile(`^(\d+) @.*\n`)

// goroutines counts them by what they do.
func goroutines() map[string]int {
	var out bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&out, 1)
	stacks := map[string]int{}
	for block := range strings.SplitSeq(out.String(), "\n\n") {
		var n int
		if head := counted.FindStringSubmatch(block); head != nil {
			_, _ = fmt.Sscan(head[1], &n)
			stacks[block[len(head[0]):]] += n
		}
	}
	return stacks
}

// more lists what there is more of.
func more(before, after map[string]int) string {
	var out strings.Builder
	for stack, n := range after {
		if was := before[stack]; n > was {
			fmt.Fprintf(&out, "%d more:\n%s\n\n", n-was, stack)
		}
	}
	return out.String()
}
