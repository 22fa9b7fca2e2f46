package load

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what a run found. The first gateway is the one that the others are
// compared with: usually the provider itself, called directly.
type Report struct {
	Time        time.Time `json:"time"`
	Cores       int       `json:"cores"`
	System      string    `json:"system"`
	Clients     int       `json:"clients"`
	Rate        float64   `json:"rate_per_second,omitempty"`
	Rounds      int       `json:"rounds"`
	PromptBytes int       `json:"prompt_bytes"`
	Results     []Result  `json:"results"`
}

// Result is one gateway in one mode, over all rounds. Times are microseconds;
// percentiles are of all requests of all rounds together. A figure that is not
// known is absent.
type Result struct {
	Mode          Mode     `json:"mode"`
	Gateway       string   `json:"gateway"`
	Requests      int      `json:"requests"`
	Errors        int64    `json:"errors"`
	FirstError    string   `json:"first_error,omitempty"`
	PerSecond     float64  `json:"requests_per_second"`
	P50           float64  `json:"latency_p50_us"`
	P99           float64  `json:"latency_p99_us"`
	FirstTokenP50 *float64 `json:"first_token_p50_us,omitempty"`
	FirstTokenP99 *float64 `json:"first_token_p99_us,omitempty"`
	Chunks        int64    `json:"chunks,omitempty"`
	CPUPerRequest *float64 `json:"cpu_per_request_us,omitempty"`
	CPUPerChunk   *float64 `json:"cpu_per_chunk_us,omitempty"`
	RSSBytes      int64    `json:"rss_bytes,omitempty"`
	PeakBytes     int64    `json:"rss_peak_bytes,omitempty"`
	// Slowdown is the p50 latency over that of the first gateway.
	Slowdown float64 `json:"latency_ratio_to_first,omitempty"`
	// OtherText counts sampled answers whose text is not that of the first gateway.
	OtherText int `json:"other_text,omitempty"`
	// NoUsage counts sampled answers without usage.
	NoUsage int64 `json:"no_usage,omitempty"`
}

func newReport(p Plan, now time.Time) *Report {
	return &Report{
		Time: now.UTC().Truncate(time.Second), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Clients: p.Clients, Rate: p.Rate, Rounds: p.Rounds, PromptBytes: p.PromptBytes,
	}
}

// add sums the rounds of every gateway in one mode.
func (rep *Report) add(mode Mode, gateways []Gateway, rounds [][]round) {
	first := len(rep.Results)
	want, known, perRequest := "", false, 0.0
	for i, g := range gateways {
		all := merge(rounds[i])
		res := Result{
			Mode: mode, Gateway: g.Name, Requests: len(all.latencies), Errors: all.errors, FirstError: all.firstErr,
			Chunks: all.chunks, NoUsage: all.noUsage,
			P50: percentile(all.latencies, 50), P99: percentile(all.latencies, 99),
		}
		if mode == Stream && len(all.firsts) > 0 {
			res.FirstTokenP50, res.FirstTokenP99 = ptr(percentile(all.firsts, 50)), ptr(percentile(all.firsts, 99))
		}
		if i == 0 && res.Requests > 0 {
			perRequest = float64(res.Chunks) / float64(res.Requests)
		}
		res.cost(g, rounds[i], perRequest)
		for _, text := range all.texts {
			if i == 0 && !known {
				want, known = text, true
			}
			if known && text != want {
				res.OtherText++
			}
		}
		rep.Results = append(rep.Results, res)
		if base := rep.Results[first].P50; base > 0 {
			rep.Results[len(rep.Results)-1].Slowdown = res.P50 / base
		}
	}
}

// cost adds what the gateway's processes used. Failed requests cost too, but
// are not counted: with errors the figures per request are too high, never too low.
// perRequest is how many chunks the first gateway's answers have: a gateway that
// joins chunks is measured by the chunks that it was given.
func (res *Result) cost(g Gateway, rounds []round, perRequest float64) {
	var elapsed, cpu time.Duration
	for _, r := range rounds {
		elapsed += r.elapsed
		cpu += r.cpu.CPU()
		res.RSSBytes = r.cpu.RSSBytes
		res.PeakBytes = max(res.PeakBytes, r.cpu.PeakBytes)
	}
	if elapsed > 0 {
		res.PerSecond = float64(res.Requests) / elapsed.Seconds()
	}
	if len(g.PIDs) == 0 || res.Requests == 0 {
		return
	}
	res.CPUPerRequest = ptr(micros(cpu) / float64(res.Requests))
	if perRequest > 0 {
		res.CPUPerChunk = ptr(micros(cpu) / (float64(res.Requests) * perRequest))
	}
}

// percentile sorts in place and takes the nearest rank.
func percentile(d []time.Duration, p int) float64 {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	rank := (len(d)*p + 99) / 100
	return micros(d[max(1, rank)-1])
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func ptr(f float64) *float64 { return &f }

// Failed says whether any request failed, or no request succeeded.
func (rep *Report) Failed() bool {
	return slices.ContainsFunc(rep.Results, func(r Result) bool { return r.Errors > 0 || r.Requests == 0 || r.OtherText > 0 })
}

// WriteText writes the report as a table.
func (rep *Report) WriteText(w io.Writer) error {
	loop := "closed loop"
	if rep.Rate > 0 {
		loop = fmt.Sprintf("%g requests/s", rep.Rate)
	}
	fmt.Fprintf(w, "%s, %d cores, %d clients, %s, %d rounds in turn, prompt of %d bytes\n",
		rep.System, rep.Cores, rep.Clients, loop, rep.Rounds, rep.PromptBytes)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	var mode Mode
	for _, r := range rep.Results {
		if r.Mode != mode {
			mode = r.Mode
			fmt.Fprintf(tw, "\n%s\treq/s\tp50 µs\tp99 µs\tfirst p50\tfirst p99\tCPU µs/req\tCPU µs/chunk\tRSS MiB\t× first\terrors\t\n", mode)
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%s\t%.2f\t%d\t\n", r.Gateway, r.PerSecond, r.P50, r.P99,
			figure(r.FirstTokenP50, 0), figure(r.FirstTokenP99, 0), figure(r.CPUPerRequest, 1), figure(r.CPUPerChunk, 2),
			mebibytes(r.RSSBytes), r.Slowdown, r.Errors)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for _, r := range rep.Results {
		if r.Errors > 0 {
			fmt.Fprintf(w, "\n%s %s: %d errors, the first: %s\n", r.Gateway, r.Mode, r.Errors, r.FirstError)
		}
		if r.OtherText > 0 {
			fmt.Fprintf(w, "\n%s %s: %d sampled answers differ from the first gateway's\n", r.Gateway, r.Mode, r.OtherText)
		}
	}
	return nil
}

func figure(f *float64, digits int) string {
	if f == nil {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, *f)
}

func mebibytes(b int64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", float64(b)/(1<<20))
}
