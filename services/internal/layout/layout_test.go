// Package layout holds the import order that ARCHITECTURE.md describes.
package layout

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tollgate/tollgate/services/"

// transports are the folders that may speak gRPC or HTTP: servers, adapters
// and the edges. Everything else below a service is domain code.
var transports = []string{
	"/internal/server", "/internal/peer",
	"/internal/dialect", "/internal/provider", "/internal/wire",
	"/internal/qdrantlocal", "/internal/store",
}

var services = []string{"router", "guardrail", "rag", "billing"}

// forbidden says why a package may not import another, or nothing.
func forbidden(pkg, imported string) string {
	if strings.HasPrefix(pkg, "internal/platform") {
		if own, ok := strings.CutPrefix(imported, module); ok && !strings.HasPrefix(own, "internal/platform") {
			return "the platform imports nothing above it"
		}
		return ""
	}
	service, rest, _ := strings.Cut(pkg, "/")
	if !contains(services, service) {
		return ""
	}
	if own, ok := strings.CutPrefix(imported, module); ok {
		other, _, _ := strings.Cut(own, "/")
		if other != service && !strings.HasPrefix(own, "internal/platform") {
			return "a service imports itself and the platform only"
		}
		if strings.HasPrefix(rest, "internal/") && other == service && !strings.HasPrefix(own, service+"/internal/") {
			return "nothing below a service imports its root"
		}
	}
	if strings.HasPrefix(rest, "internal/") && !isTransport("/"+rest) && speaksTransport(imported) {
		return "domain code knows neither gRPC nor HTTP"
	}
	return ""
}

func speaksTransport(imported string) bool {
	return imported == "net/http" || imported == "google.golang.org/grpc"
}

func isTransport(path string) bool {
	for _, t := range transports {
		if path == t || strings.HasPrefix(path, t+"/") {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

func TestImportOrder(t *testing.T) {
	root := filepath.Join("..", "..")
	var seen int
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		seen++
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(filepath.ToSlash(relative), imported); why != "" {
				t.Errorf("%s imports %s: %s", path, imported, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d files were looked at: is the root still %s?", seen, root)
	}
}

func TestForbiddenNames(t *testing.T) {
	banned := []string{"util", "utils", "common", "helpers", "misc", "types", "models"}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && contains(banned, d.Name()) {
			t.Errorf("%s: a package is named after what it holds", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheRulesBite(t *testing.T) {
	cases := []struct {
		pkg, imported string
		bad           bool
	}{
		{"internal/platform/errs", module + "router", true},
		{"internal/platform/errs", module + "internal/platform/secret", false},
		{"router", module + "billing", true},
		{"router/internal/route", module + "router", true},
		{"router/internal/route", "net/http", true},
		{"router/internal/route", "google.golang.org/grpc", true},
		{"router/internal/server", "google.golang.org/grpc", false},
		{"router/internal/provider/openaicompat", "net/http", false},
		{"internal/app", module + "billing", false},
	}
	for _, c := range cases {
		if got := forbidden(c.pkg, c.imported) != ""; got != c.bad {
			t.Errorf("%s → %s: forbidden %v, want %v", c.pkg, c.imported, got, c.bad)
		}
	}
}
