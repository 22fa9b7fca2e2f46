package app

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// repository is the root, seen from this package.
var repository = filepath.Join("..", "..", "..")

// composition is what the tests look at in docker-compose.yml.
type composition struct {
	Services map[string]container `yaml:"services"`
	Networks map[string]any       `yaml:"networks"`
	Volumes  map[string]any       `yaml:"volumes"`
	Secrets  map[string]any       `yaml:"secrets"`
	Configs  map[string]any       `yaml:"configs"`
}

type container struct {
	Image       string
	Build       map[string]string
	Command     []string
	User        string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	Profiles    []string
	Environment map[string]string
	Networks    []string
	Ports       []string
	Volumes     []mount
	Healthcheck struct{ Test []string }
	DependsOn   map[string]any `yaml:"depends_on"`
}

type mount struct{ Type, Source, Target string }

// UnmarshalYAML reads the short and the long form.
func (m *mount) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		m.Type = "volume"
		m.Source, m.Target, _ = strings.Cut(node.Value, ":")
		return nil
	}
	type plain mount
	return node.Decode((*plain)(m))
}

func readRepository(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readComposition(t *testing.T) composition {
	t.Helper()
	var c composition
	if err := yaml.Unmarshal(readRepository(t, "docker-compose.yml"), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) < 10 {
		t.Fatalf("only %d services were read", len(c.Services))
	}
	return c
}

// ours are the services that run Tollgate itself.
func (c composition) ours() map[string]container {
	out := map[string]container{}
	for name, s := range c.Services {
		if s.Build != nil {
			out[name] = s
		}
	}
	return out
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+)([^}]*)\}`)

// setEnvironment gives a container's variables to this process, with made-up secrets.
func setEnvironment(t *testing.T, s container) {
	t.Helper()
	for name, value := range s.Environment {
		if value == sharing {
			value = ""
		}
		t.Setenv(name, variable.ReplaceAllString(value, strings.Repeat("5ec7e7", 8)))
	}
}

// port is the port of an address, which must hold one.
func port(t *testing.T, addr string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("address %q: %v", addr, err)
	}
	return p
}

func TestImagesArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$`)
	for name, s := range readComposition(t).Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned to a version", name, s.Image)
		}
	}
	dockerfile := string(readRepository(t, "deploy/Dockerfile"))
	for _, from := range regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(dockerfile, -1) {
		if from[1] != "scratch" && !pinned.MatchString(from[1]) {
			t.Errorf("Dockerfile: image %q is not pinned to a version", from[1])
		}
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(readRepository(t, "services/go.mod")))
	if !strings.Contains(dockerfile, "golang:"+goVersion[1]) {
		t.Errorf("Dockerfile builds with another Go than services/go.mod wants: %s", goVersion[1])
	}
	for _, want := range []string{"CGO_ENABLED=0", "\nUSER 65532:65532\n", "\nFROM scratch\n"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("Dockerfile lacks %q", want)
		}
	}
}

func TestCompositionStaysOnLoopback(t *testing.T) {
	taken := map[string]string{}
	for name, s := range readComposition(t).Services {
		for _, p := range s.Ports {
			host, ok := strings.CutPrefix(p, "127.0.0.1:")
			if !ok {
				t.Errorf("%s publishes %s beyond loopback", name, p)
				continue
			}
			host, _, _ = strings.Cut(host, ":")
			if other, there := taken[host]; there {
				t.Errorf("%s and %s both publish port %s", name, other, host)
			}
			taken[host] = name
		}
	}
	for _, p := range []string{"8080", "9090"} {
		if taken[p] != Router {
			t.Errorf("port %s is published by %q, want the router", p, taken[p])
		}
	}
}

// sharing is what the router is told of where to share.
const sharing = "${TOLLGATE_VALKEY_ADDR:-}"

// Routers share a Valkey if they are told of one, and there is none to be told of
// but the one with that profile.
func TestCompositionShares(t *testing.T) {
	c := readComposition(t)
	router, valkey := c.Services[Router], c.Services["valkey"]
	if router.Environment["TOLLGATE_VALKEY_ADDR"] != sharing || !slices.Equal(valkey.Profiles, []string{"scale"}) {
		t.Errorf("router %v, valkey's profiles %v", router.Environment, valkey.Profiles)
	}
	if router.Environment["VALKEY_PASSWORD"] != valkey.Environment["REDISCLI_AUTH"] {
		t.Error("the router and Valkey do not have the same password")
	}
	if !slices.ContainsFunc(router.Networks, func(n string) bool { return slices.Contains(valkey.Networks, n) }) {
		t.Error("the router cannot reach Valkey")
	}
	for _, addr := range []string{"", "valkey:6379"} {
		setEnvironment(t, router)
		t.Setenv("TOLLGATE_VALKEY_ADDR", addr)
		cfg, err := LoadConfig(filepath.Join(repository, "deploy", "tollgate.yaml"))
		if err != nil {
			t.Fatalf("with %q: %v", addr, err)
		}
		if got := cfg.Router.Valkey; got.Addr != addr || got.Password.IsZero() {
			t.Errorf("with %q the router shares at %q", addr, got.Addr)
		}
	}
}

func TestCompositionHoldsNoSecret(t *testing.T) {
	text := string(readRepository(t, "docker-compose.yml"))
	required := map[string]bool{}
	for _, v := range variable.FindAllStringSubmatch(text, -1) {
		if v[0] == sharing {
			continue // an address, and none is a good one
		}
		if !strings.HasPrefix(v[2], ":?") {
			t.Errorf("%s is not required: a secret has no default", v[0])
		}
		required[v[1]] = true
	}
	out, err := exec.Command("bash", filepath.Join(repository, "deploy", "env")).Output()
	if err != nil {
		t.Fatalf("deploy/env: %v", err)
	}
	for _, line := range strings.Fields(string(out)) {
		name, value, _ := strings.Cut(line, "=")
		if len(value) < 32 || strings.Count(string(out), value) != 1 {
			t.Errorf("deploy/env: %s has a weak value", name)
		}
		if !required[name] {
			t.Errorf("deploy/env prints %s, which nobody reads", name)
		}
		delete(required, name)
	}
	for name := range required {
		t.Errorf("deploy/env does not print %s", name)
	}
	for name, s := range readComposition(t).Services {
		for key, value := range s.Environment {
			secret := regexp.MustCompile(`TOKEN|PASSWORD|API_KEY|PEPPER|AUTH$`).MatchString(key)
			if secret && !variable.MatchString(value) {
				t.Errorf("%s: %s is written into the file", name, key)
			}
		}
	}
}

func TestCompositionHangsTogether(t *testing.T) {
	c := readComposition(t)
	usedVolumes, usedNetworks := map[string]bool{}, map[string]bool{}
	for name, s := range c.Services {
		for _, m := range s.Volumes {
			if m.Type == "bind" {
				if _, err := os.Stat(filepath.Join(repository, m.Source)); err != nil {
					t.Errorf("%s mounts %s: %v", name, m.Source, err)
				}
				continue
			}
			if _, ok := c.Volumes[m.Source]; !ok {
				t.Errorf("%s uses volume %q, which is not declared", name, m.Source)
			}
			usedVolumes[m.Source] = true
		}
		for _, n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s uses network %q, which is not declared", name, n)
			}
			usedNetworks[n] = true
		}
		for other := range s.DependsOn {
			if len(c.Services[other].Healthcheck.Test) == 0 {
				t.Errorf("%s waits for %s, which has no health check", name, other)
			}
			if !slices.ContainsFunc(s.Networks, func(n string) bool { return slices.Contains(c.Services[other].Networks, n) }) {
				t.Errorf("%s cannot reach %s: they share no network", name, other)
			}
		}
		if len(s.Healthcheck.Test) == 0 && name != "otel-collector" {
			t.Errorf("%s has no health check", name)
		}
	}
	if len(usedVolumes) != len(c.Volumes) || len(usedNetworks) != len(c.Networks) {
		t.Errorf("declared but not used: volumes %d of %d, networks %d of %d", len(usedVolumes), len(c.Volumes), len(usedNetworks), len(c.Networks))
	}
}

// Each container gets exactly what the configuration needs of its environment.
func TestCompositionConfiguration(t *testing.T) {
	c := readComposition(t)
	file := filepath.Join(repository, "deploy", "tollgate.yaml")
	if got := len(c.ours()); got != 4 {
		t.Fatalf("%d services of ours, want 4", got)
	}
	for name, s := range c.ours() {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, s)
			cfg, err := LoadConfig(file)
			if err != nil {
				t.Fatalf("the configuration has faults:\n%v", err)
			}
			own := map[string]string{
				Router: cfg.GRPC.Router.Addr, Guardrail: cfg.GRPC.Guardrail.Addr, RAG: cfg.GRPC.RAG.Addr, Billing: cfg.GRPC.Billing.Addr,
			}
			if want := []string{"serve", name, "--config", "/etc/tollgate/tollgate.yaml"}; !slices.Equal(s.Command, want) {
				t.Errorf("command %q, want %q", s.Command, want)
			}
			mounted := slices.ContainsFunc(s.Volumes, func(m mount) bool {
				return m.Target == s.Command[len(s.Command)-1] && filepath.Join(repository, m.Source) == file
			})
			if !mounted || !slices.ContainsFunc(s.Volumes, func(m mount) bool { return m.Type == "volume" && m.Target == cfg.DataDir }) {
				t.Errorf("configuration or data folder are not mounted: %+v", s.Volumes)
			}
			if probe := s.Healthcheck.Test; len(probe) != 4 || probe[1] != "/tollgate" || probe[2] != "healthcheck" || port(t, probe[3]) != port(t, own[name]) {
				t.Errorf("health check %q does not ask %s", probe, own[name])
			}
			if cfg.InternalToken.IsZero() || s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
				t.Errorf("the internal token is missing, or the container has more rights than it needs: %+v", s)
			}
			for peer, addr := range map[string]string{Guardrail: cfg.Peers.Guardrail.Addr, RAG: cfg.Peers.RAG.Addr, Billing: cfg.Peers.Billing.Addr} {
				if addr != peer+":"+port(t, own[peer]) {
					t.Errorf("%s is looked for at %s, it listens on %s", peer, addr, own[peer])
				}
			}
			if name == Router {
				for _, addr := range []string{cfg.HTTP.Addr, cfg.GRPC.Router.Addr} {
					if !slices.Contains(s.Ports, "127.0.0.1:"+port(t, addr)+":"+port(t, addr)) {
						t.Errorf("%s is not published: %v", addr, s.Ports)
					}
				}
			}
		})
	}
}

func TestCompositionStores(t *testing.T) {
	c := readComposition(t)
	setEnvironment(t, c.Services[Billing])
	setEnvironment(t, c.Services[RAG])
	cfg, err := LoadConfig(filepath.Join(repository, "deploy", "tollgate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := url.Parse(cfg.Billing.Database.Reveal())
	if err != nil || db.Scheme != "postgres" || db.Host != "postgres:5432" || cfg.Billing.Pepper.IsZero() {
		t.Fatalf("billing does not use PostgreSQL: %v", err)
	}
	server := c.Services["postgres"].Environment
	if db.User.Username() != server["POSTGRES_USER"] || db.Path != "/"+server["POSTGRES_DB"] {
		t.Errorf("billing signs in as %s at %s, the server has %s at %s", db.User.Username(), db.Path, server["POSTGRES_USER"], server["POSTGRES_DB"])
	}
	if q := cfg.RAG.Qdrant; q.Addr != "qdrant:6334" || q.APIKey.IsZero() {
		t.Errorf("rag does not use Qdrant, but %q", q.Addr)
	}
	if rag := c.Services[RAG].Environment["QDRANT_API_KEY"]; rag == "" || rag != c.Services["qdrant"].Environment["QDRANT__SERVICE__API_KEY"] {
		t.Error("rag and Qdrant do not have the same key")
	}
	otlp, err := url.Parse(cfg.Telemetry.OTLPEndpoint)
	if err != nil || otlp.Hostname() != "otel-collector" {
		t.Errorf("telemetry goes to %s", cfg.Telemetry.OTLPEndpoint)
	}
	var collector struct {
		Receivers struct {
			OTLP struct {
				Protocols struct{ GRPC struct{ Endpoint string } }
			}
		}
	}
	if err := yaml.Unmarshal(readRepository(t, "deploy/otel-collector.yaml"), &collector); err != nil {
		t.Fatal(err)
	}
	if got := port(t, collector.Receivers.OTLP.Protocols.GRPC.Endpoint); got != otlp.Port() {
		t.Errorf("the collector listens on port %s, telemetry goes to %s", got, otlp.Port())
	}
	var prometheus struct {
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(readRepository(t, "deploy/prometheus.yml"), &prometheus); err != nil {
		t.Fatal(err)
	}
	scraped := map[string]bool{}
	for _, job := range prometheus.ScrapeConfigs {
		for _, target := range job.StaticConfigs[0].Targets {
			host, p, _ := strings.Cut(target, ":")
			if _, ok := c.Services[host]; !ok {
				t.Errorf("Prometheus reads %s, which no service is", target)
			}
			if job.JobName == "tollgate" && p != port(t, cfg.Telemetry.MetricsAddr) {
				t.Errorf("Prometheus reads %s, metrics are at %s", target, cfg.Telemetry.MetricsAddr)
			}
			scraped[host] = true
		}
	}
	for name := range c.ours() {
		if !scraped[name] {
			t.Errorf("Prometheus does not read %s", name)
		}
	}
}
