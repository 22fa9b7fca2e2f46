package bedrock

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// plane is a control plane.
type plane struct {
	answers map[string]string // by the beginning of the path
	asked   atomic.Int32
	down    atomic.Bool
}

func (p *plane) Get(ctx context.Context, path string) ([]byte, error) {
	p.asked.Add(1)
	if p.down.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if answer, ok := p.answers[path]; ok {
		return []byte(answer), nil
	}
	return nil, errors.New("forbidden: " + path)
}

func (*plane) Close() error { return nil }

const listedModels = `{"modelSummaries":[
 {"modelId":"anthropic.claude-a-v1:0","modelName":"Claude A","inputModalities":["TEXT","IMAGE"],"outputModalities":["TEXT"],"responseStreamingSupported":true,"inferenceTypesSupported":["INFERENCE_PROFILE"],"modelLifecycle":{"status":"ACTIVE"}},
 {"modelId":"amazon.nova-x-v1:0","outputModalities":["TEXT"],"inferenceTypesSupported":["ON_DEMAND","INFERENCE_PROFILE"],"modelLifecycle":{"status":"LEGACY"}},
 {"modelId":"amazon.nova-x-v1:0:24k","inferenceTypesSupported":["PROVISIONED"]}]}`

var listedProfiles = map[string]string{
	"/inference-profiles?maxResults=1000":                 `{"inferenceProfileSummaries":[{"inferenceProfileId":"eu.anthropic.claude-a-v1:0","inferenceProfileName":"EU Claude A","status":"ACTIVE","models":[{"modelArn":"arn:aws:bedrock:eu-west-1::foundation-model/other"},{"modelArn":"arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude-a-v1:0"}]}],"nextToken":"a/b"}`,
	"/inference-profiles?maxResults=1000&nextToken=a%2Fb": `{"inferenceProfileSummaries":[{"inferenceProfileId":"eu.old.x","status":"LEGACY"}]}`,
}

func newPlane(profiles bool) *plane {
	p := &plane{answers: map[string]string{"/foundation-models": listedModels}}
	if profiles {
		for path, answer := range listedProfiles {
			p.answers[path] = answer
		}
	}
	return p
}

func TestOffers(t *testing.T) {
	for model, want := range map[string][3]bool{ // known and offered; known where profiles are forbidden
		"anthropic.claude-a-v1:0":    {true, false, true}, // by its profile only
		"amazon.nova-x-v1:0":         {true, true, true},
		"amazon.nova-x-v1:0:24k":     {true, false, true}, // by provisioned throughput only
		"anthropic.claude-b-v1:0":    {true, false, true},
		"eu.anthropic.claude-a-v1:0": {true, true, false},
		"us.anthropic.claude-a-v1:0": {true, false, false},
		"eu.anthropic.claude-b-v1:0": {true, false, false},
		"imported":                   {false, false, false},
		"arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-x-v1:0":                      {true, true, true},
		"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-a-v1:0": {true, true, false},
		"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/us.anthropic.claude-a-v1:0": {true, false, false},
		"arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/x":              {false, false, false},
		"arn:aws:bedrock:eu-central-1:123456789012:provisioned-model/x":                          {false, false, false},
	} {
		for _, profiles := range []bool{true, false} {
			l, err := fetch(t.Context(), newPlane(profiles), "eu-central-1")
			if err != nil {
				t.Fatal(err)
			}
			known, offered := l.offers(model)
			wantKnown := want[0]
			if !profiles {
				wantKnown = want[2]
			}
			if known != wantKnown || known && offered != want[1] {
				t.Errorf("%s, profiles %v: known %v, offered %v", model, profiles, known, offered)
			}
		}
	}
}

func TestOfferings(t *testing.T) {
	l, err := fetch(t.Context(), newPlane(true), "eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range l.offerings {
		names = append(names, o.Model)
		if o.Region != "eu-central-1" {
			t.Errorf("region %s", o.Region)
		}
	}
	if got := strings.Join(names, " "); got != "amazon.nova-x-v1:0 amazon.nova-x-v1:0:24k anthropic.claude-a-v1:0 eu.anthropic.claude-a-v1:0" {
		t.Errorf("got %s", got)
	}
	o := l.find("eu.anthropic.claude-a-v1:0")
	if !o.Streams || len(o.Inputs) != 2 || o.Lifecycle != "ACTIVE" || o.Title != "EU Claude A" {
		t.Errorf("profile %+v", o)
	}
	for _, bad := range []map[string]string{{}, {"/foundation-models": "<html>"}} {
		if l, err := fetch(t.Context(), &plane{answers: bad}, "r"); err == nil {
			t.Errorf("got %+v", l)
		}
	}
}

// The list is asked for again each hour, while it is used, and stays known
// while the control plane is away.
func TestCatalogRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlane(true)
		c := newCatalog(p, "eu-central-1")
		defer c.close()
		synctest.Wait()
		if known, offered := c.offers("amazon.nova-x-v1:0"); !known || !offered || p.asked.Load() != 3 {
			t.Fatalf("known %v, offered %v, asked %d times", known, offered, p.asked.Load())
		}
		time.Sleep(59 * time.Minute)
		c.offers("x")
		synctest.Wait()
		if n := p.asked.Load(); n != 3 {
			t.Errorf("asked %d times within an hour", n)
		}
		p.down.Store(true)
		time.Sleep(15 * time.Minute)
		c.offers("x")
		time.Sleep(time.Second)
		if known, _ := c.offers("amazon.nova-x-v1:0"); !known || p.asked.Load() != 4 {
			t.Errorf("known %v, asked %d times", known, p.asked.Load())
		}
		time.Sleep(5 * time.Minute) // the request is given up, and made again
		p.down.Store(false)
		if len(c.offerings()) != 4 {
			t.Errorf("offered %v", c.offerings())
		}
		synctest.Wait()
		if n := p.asked.Load(); n != 7 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Closing ends a request under way, and nothing is asked afterwards.
func TestCatalogClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlane(true)
		p.down.Store(true)
		c := newCatalog(p, "eu-central-1")
		synctest.Wait()
		c.close()
		asked := p.asked.Load()
		time.Sleep(3 * time.Hour)
		if known, _ := c.offers("amazon.nova-x-v1:0"); known || p.asked.Load() != asked {
			t.Errorf("known %v, asked %d times", known, p.asked.Load())
		}
	})
}
