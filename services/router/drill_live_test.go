package router

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// streamOne asks for one stream and reads it to its end.
func streamOne(ctx context.Context, client routerv1.RouterServiceClient) error {
	answer, err := client.StreamGenerate(ctx, &routerv1.StreamGenerateRequest{Conversation: conversation("gpt-4o-mini", question)})
	for err == nil {
		_, err = answer.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// runDrill runs a drill to its report.
func runDrill(t *testing.T, client routerv1.RouterServiceClient, r *routerv1.RunDrillRequest) *routerv1.DrillReport {
	t.Helper()
	drill, err := client.RunDrill(t.Context(), r)
	for err == nil {
		var m *routerv1.RunDrillResponse
		if m, err = drill.Recv(); m.GetReport() != nil {
			return m.GetReport()
		}
	}
	t.Fatal(err)
	return nil
}

// A whole drill: requests go on while a target fails, and the report says what
// became of them.
func TestDrillUnderLoad(t *testing.T) {
	east, west := providertest.New(t), providertest.New(t)
	cfg := DefaultConfig()
	cfg.Targets = []Target{
		{Name: "east", Provider: "openai-compatible", BaseURL: east.BaseURL(), Models: provider.NewModels("gpt-4o-mini")},
		{Name: "west", Provider: "openai-compatible", BaseURL: west.BaseURL(), Models: provider.NewModels("gpt-4o-mini")},
	}
	cfg.Routes = []Route{{Model: "gpt-4o-mini", Targets: []route.Ref{{Name: "east", Weight: 1}, {Name: "west", Weight: 1}}}}
	_, client, _ := start(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for ctx.Err() == nil {
				if err := streamOne(ctx, client); err != nil && ctx.Err() == nil {
					t.Errorf("a request failed: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	defer load.Wait()
	defer stop()
	report := runDrill(t, client, &routerv1.RunDrillRequest{
		Targets: []string{"east"}, Faults: &routerv1.DrillFaults{Cut: &routerv1.DrillCut{Events: 4}},
		Before: durationpb.New(700 * time.Millisecond), During: durationpb.New(2 * time.Second), After: durationpb.New(300 * time.Millisecond),
	})
	phases := report.GetPhases()
	if len(phases) != 3 || report.GetUsualShare() != 1 || report.GetInjected() == 0 || report.GetStopped() != "" {
		t.Fatalf("report:\n%s", report.GetText())
	}
	before, during := phases[0], phases[1]
	if before.GetSucceeded() == 0 || before.GetSucceeded() != before.GetServed()["east"] || before.GetRescued() != 0 || before.GetP50TimeToFirstToken() == nil {
		t.Errorf("before: %v", before)
	}
	if during.GetRecovered() == 0 || during.GetServed()["west"] != during.GetSucceeded() || during.GetFailed() != 0 || during.GetTokensLost() != 0 ||
		during.GetAttempts() != during.GetRequests()+during.GetRecovered() {
		t.Errorf("during: %v", during)
	}
	if report.GetTimeToDetect() == nil || report.GetTimeToFailOver() == nil || !strings.Contains(report.GetText(), "the circuit of gpt-4o-mini on east") {
		t.Errorf("nobody noticed:\n%s", report.GetText())
	}
}

// With nobody else to go on, what had been delivered is lost, and counted.
func TestDrillCountsWhatIsLost(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Targets = []Target{{Name: "east", Provider: "openai-compatible", BaseURL: providertest.New(t).BaseURL(), Models: provider.NewModels("gpt-4o-mini")}}
	cfg.Routes = []Route{{Model: "gpt-4o-mini", Targets: []route.Ref{{Name: "east", Weight: 1}}}}
	_, client, _ := start(t, cfg)
	ended := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() { ended <- streamOne(t.Context(), client) })
	report := runDrill(t, client, &routerv1.RunDrillRequest{
		Targets: []string{"east"}, AllowOutage: true, During: durationpb.New(1500 * time.Millisecond),
		Faults: &routerv1.DrillFaults{Cut: &routerv1.DrillCut{Events: 6}},
	})
	<-ended // in-band, or as the call's error
	f := report.GetPhases()[0]
	if f.GetFailed() != 1 || f.GetTokensLost() == 0 || f.GetFailures()["STREAM_INTERRUPTED"] != 1 || f.GetAttempts() == 0 {
		t.Errorf("%v", f)
	}
}
