package gemini

import "testing"

func TestVertexPlace(t *testing.T) {
	for model, want := range map[string]string{
		"gemini-2.5-pro":                         "/projects/p/locations/l/publishers/google/models/gemini-2.5-pro",
		"models/gemini-2.5-pro":                  "/projects/p/locations/l/publishers/google/models/gemini-2.5-pro",
		"publishers/meta/models/llama":           "/projects/p/locations/l/publishers/meta/models/llama",
		"endpoints/7":                            "/projects/p/locations/l/endpoints/7",
		"projects/q/locations/x/endpoints/7":     "/projects/q/locations/x/endpoints/7",
		"a b?c":                                  "/projects/p/locations/l/publishers/google/models/a%20b%3Fc",
		"models/../../../v1/projects/q?alt=json": "/projects/p/locations/l/publishers/google/models/models%2F..%2F..%2F..%2Fv1%2Fprojects%2Fq%3Falt=json",
	} {
		if got := vertexPlace("/projects/p/locations/l", model); got != want {
			t.Errorf("%s: got %s", model, got)
		}
	}
	for location, want := range map[string]string{
		"global": "https://aiplatform.googleapis.com", "us-central1": "https://us-central1-aiplatform.googleapis.com",
		"eu": "https://aiplatform.eu.rep.googleapis.com",
	} {
		if got := vertexURL(location); got != want {
			t.Errorf("%s: got %s", location, got)
		}
	}
	for base, want := range map[string]string{
		"http://127.0.0.1:9100": "http://127.0.0.1:9100/v1", "https://x/v1beta1/": "https://x/v1beta1",
		"https://v2.example.com": "https://v2.example.com/v1", "https://x/proxy": "https://x/proxy/v1",
	} {
		if got := versioned(base, "", "v1"); got != want {
			t.Errorf("%s: got %s", base, got)
		}
	}
	for model, want := range map[string]string{"m": "models/m", "models/m": "models/m", "tunedModels/m": "tunedModels/m", "a/b": "models/a%2Fb"} {
		if got := resource(model); got != want {
			t.Errorf("%s: got %s", model, got)
		}
	}
}
