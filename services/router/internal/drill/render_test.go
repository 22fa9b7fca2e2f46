package drill

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func example() *routerv1.DrillReport {
	ms := func(n float64) *durationpb.Duration {
		return durationpb.New(time.Duration(n * float64(time.Millisecond)))
	}
	event := func(offset float64, text string) *routerv1.DrillEvent {
		return &routerv1.DrillEvent{Offset: ms(offset), Text: text}
	}
	return &routerv1.DrillReport{
		Name: "drills/abcdefghijkl", Targets: []string{"east", "east-2"},
		Faults: &routerv1.DrillFaults{
			Share: .5, Latency: ms(250), Statuses: []*routerv1.DrillStatus{{Code: 503}, {Code: 429, Weight: 2}}, RetryAfter: ms(2000),
		},
		StartTime:       timestamppb.New(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)),
		FaultsStartTime: timestamppb.New(time.Date(2026, 11, 22, 9, 0, 10, 0, time.UTC)),
		FaultsEndTime:   timestamppb.New(time.Date(2026, 11, 22, 9, 0, 22, 500e6, time.UTC)),
		Stopped:         "no heartbeat came", Injected: 12, TimeToDetect: ms(812.25), TimeToFailOver: ms(1903), UsualShare: 2. / 3,
		Phases: []*routerv1.DrillFigures{
			{
				Phase: before, Duration: ms(10000), Requests: 30, Succeeded: 30, Attempts: 30, Share: 2. / 3,
				Served: map[string]int64{"east": 20, "west": 10}, P50: ms(101), P99: ms(1250), P50TimeToFirstToken: ms(20.5), P99TimeToFirstToken: ms(31),
			},
			{
				Phase: during, Duration: ms(12500), Requests: 40, Succeeded: 35, Failed: 3, Refused: 1, Cancelled: 1, Rescued: 4, Recovered: 2,
				Attempts: 49, TokensLost: 77, Served: map[string]int64{"west": 35}, P50: ms(140), P99: ms(2250),
				Failures: map[string]int64{"STREAM_INTERRUPTED": 2, "PROVIDER_UNAVAILABLE": 1},
			},
			{Phase: after, Duration: ms(0)},
		},
		Events: []*routerv1.DrillEvent{
			event(12, "the first exchange was hit"), event(824.25, "the circuit of a|b on east: open"),
		},
		EventsLeftOut: true,
	}
}

func TestReportForPeople(t *testing.T) {
	for name, write := range map[string]func(*routerv1.DrillReport) string{"report.txt": text, "report.md": markdown} {
		path := filepath.Join("testdata", name)
		got := write(example())
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs:\n%s", name, got)
		}
	}
}

func TestFaultsForPeople(t *testing.T) {
	for want, f := range map[string]*routerv1.DrillFaults{
		"blackhole, on 100.0 % of exchanges":                              {Blackhole: true},
		"latency 2s, on 25.0 % of exchanges":                              {Share: .25, Latency: seconds(2)},
		"cut after 100 bytes or after 3 events, on 100.0 % of exchanges":  {Cut: &routerv1.DrillCut{Bytes: 100, Events: 3}},
		"cut after 5 events, on 100.0 % of exchanges":                     {Cut: &routerv1.DrillCut{Events: 5}},
		"cut before the body, on 100.0 % of exchanges":                    {Cut: &routerv1.DrillCut{}},
		"latency 1s, errors 500, retry-after 3s, on 100.0 % of exchanges": {Latency: seconds(1), Statuses: []*routerv1.DrillStatus{{Code: 500}}, RetryAfter: seconds(3)},
	} {
		if got := describe(f); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
