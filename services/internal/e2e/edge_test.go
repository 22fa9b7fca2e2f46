package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// reflection calls Generate as grpcurl does: knowing nothing but what the
// server says of itself.
func reflection(t *testing.T, d *deployment, _ *upstream) {
	conn, err := grpc.NewClient(d.addr["router"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := timeout(t)
	method := describe(t, ctx, conn, "tollgate.router.v1.RouterService").Methods().ByName("Generate")
	in, out := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	err = protojson.Unmarshal([]byte(`{"conversation":{"model":"`+modelPlain+`","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hello"}}]}]}}`), in)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Invoke(ctx, "/tollgate.router.v1.RouterService/Generate", in, out); err == nil || !strings.Contains(err.Error(), "Unauthenticated") {
		t.Errorf("without a key: %v, want Unauthenticated", err)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+d.key)
	if err := conn.Invoke(ctx, "/tollgate.router.v1.RouterService/Generate", in, out); err != nil {
		t.Fatal(err)
	}
	answer, err := protojson.Marshal(out)
	if err != nil || !strings.Contains(string(answer), `"finishReason":"FINISH_REASON_STOP"`) && !strings.Contains(string(answer), `"finishReason": "FINISH_REASON_STOP"`) {
		t.Errorf("answer %s %v", answer, err)
	}
}

// describe asks the reflection service for a service's descriptor.
func describe(t *testing.T, ctx context.Context, conn *grpc.ClientConn, service string) protoreflect.ServiceDescriptor {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	files := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	ask := func(req *reflectionv1.ServerReflectionRequest) [][]byte {
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetFileDescriptorResponse().GetFileDescriptorProto()
	}
	var add func(raw [][]byte)
	add = func(raw [][]byte) {
		for _, data := range raw {
			file := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(data, file); err != nil {
				t.Fatal(err)
			}
			if seen[file.GetName()] {
				continue
			}
			seen[file.GetName()] = true
			for _, dependency := range file.GetDependency() {
				if !seen[dependency] {
					add(ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: dependency}}))
				}
			}
			files.File = append(files.File, file)
		}
	}
	add(ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}}))
	registry, err := protodesc.NewFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	return findService(t, registry, service)
}

func findService(t *testing.T, registry *protoregistry.Files, name string) protoreflect.ServiceDescriptor {
	t.Helper()
	found, err := registry.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	service, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		t.Fatalf("%s is not a service", name)
	}
	return service
}

func conversation(model, text string) *llmv1.Conversation {
	return &llmv1.Conversation{Model: model, Messages: []*llmv1.Message{{
		Role:  llmv1.Role_ROLE_USER,
		Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}},
	}}}
}

func rest(t *testing.T, d *deployment, _ *upstream) {
	var got routerv1.GenerateResponse
	d.rest(http.MethodPost, "/api/v1/generate", &routerv1.GenerateRequest{Conversation: conversation(modelPlain, "hello")}, &got)
	if got.GetCompletion().GetCandidates()[0].GetFinishReason() != llmv1.FinishReason_FINISH_REASON_STOP || got.GetReport().GetTarget() != "fake" {
		t.Errorf("answer %v", &got)
	}
	resp := d.do(timeout(t), d.key, http.MethodPost, "/api/v1/generate", strings.NewReader(
		`{"conversation":{"model":"`+modelPlain+`","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hello"}}]}]}}`))
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if id := resp.Header.Get("x-tollgate-request-id"); err != nil || id == "" || !strings.Contains(string(body), id) {
		t.Errorf("the header names the request %q, the report another: %s %v", id, body, err)
	}
	var explained routerv1.ExplainRouteResponse
	d.rest(http.MethodPost, "/api/v1/routes:explain", &routerv1.ExplainRouteRequest{Conversation: conversation(modelFailover, "hello")}, &explained)
	if candidates := explained.GetDecision().GetCandidates(); len(candidates) != 2 || candidates[0].GetReason() == "" {
		t.Errorf("decision %v", &explained)
	}
	for path, want := range map[string]int{"/api/v1/nothing": http.StatusNotFound, "/nowhere": http.StatusNotFound} {
		if status, body := d.restRaw(d.key, http.MethodGet, path, nil); status != want || !json.Valid(body) {
			t.Errorf("GET %s: %d %s, want %d", path, status, body, want)
		}
	}
	resp = d.do(timeout(t), d.key, http.MethodPost, "/api/v1/generate", strings.NewReader(`{"conversation":{"model":"m","mesages":[]}}`))
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "mesages") {
		t.Errorf("an unknown field: %s %s %v", resp.Status, body, err)
	}
	if status, body := d.restRaw("tg_wrong", http.MethodGet, "/api/v1/models", nil); status != http.StatusUnauthorized {
		t.Errorf("a bad key: %d %s", status, body)
	}
}

// restStream reads a stream as lines of JSON, and as server-sent events by a
// client that accepts those.
func restStream(t *testing.T, d *deployment, _ *upstream) {
	for accept, prefix := range map[string]string{"": "", "text/event-stream": "data: "} {
		resp := d.do(timeout(t), d.key, http.MethodPost, "/api/v1/generate:stream", strings.NewReader(restBody(modelPlain)), "Accept", accept)
		defer resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); accept != "" && got != accept {
			t.Errorf("accepting %q: %s", accept, got)
		}
		restMessages(t, resp.Body, prefix)
	}
	resp := d.do(timeout(t), d.key, http.MethodPost, "/api/v1/generate:stream", strings.NewReader(restBody("no-such-model")), "Accept", "text/event-stream")
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusNotFound || !strings.Contains(string(text), "MODEL_NOT_FOUND") {
		t.Errorf("an error before the first event: %s %q %v", resp.Status, text, err)
	}
}

func restBody(model string) string {
	return `{"conversation":{"model":"` + model + `","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hello"}}]}]}}`
}

func restMessages(t *testing.T, body io.Reader, prefix string) {
	t.Helper()
	var kinds []string
	var report *routerv1.RequestReport
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), prefix)
		if text == "" && prefix != "" {
			continue
		}
		var line struct {
			Result json.RawMessage `json:"result"`
		}
		var message routerv1.StreamGenerateResponse
		if err := json.Unmarshal([]byte(text), &line); err != nil || !ok {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		if err := protojson.Unmarshal(line.Result, &message); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		switch message.GetEvent().GetEvent().(type) {
		case *llmv1.StreamEvent_TextDelta:
			kinds = append(kinds, "text")
		case *llmv1.StreamEvent_Finish:
			kinds = append(kinds, "finish")
		}
		if message.GetReport() != nil {
			report = message.GetReport()
		}
	}
	if len(kinds) < 3 || kinds[len(kinds)-1] != "finish" || slices.Index(kinds, "finish") != len(kinds)-1 {
		t.Errorf("events %v", kinds)
	}
	if report.GetRequestId() == "" || report.GetTarget() != "fake" {
		t.Errorf("report %v", report)
	}
}

func openAPI(t *testing.T, d *deployment, _ *upstream) {
	resp := d.do(timeout(t), d.key, http.MethodGet, "/openapi.json", nil)
	defer resp.Body.Close()
	var document struct {
		Swagger string                     `json:"swagger"`
		Paths   map[string]json.RawMessage `json:"paths"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/generate", "/api/v1/collections", "/api/v1/keys", "/api/v1/usage:report", "/api/v1/guardrail:check"} {
		if document.Paths[path] == nil {
			t.Errorf("the document lacks %s", path)
		}
	}
}
