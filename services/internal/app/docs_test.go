package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/tollgate/tollgate/docs"
	"github.com/tollgate/tollgate/services/internal/platform/config"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestExamplesAreValid reads every YAML example of the documentation as a
// configuration file.
func TestExamplesAreValid(t *testing.T) {
	pages := map[string][]byte{}
	names, err := fs.Glob(docs.Files, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if pages[name], err = docs.Files.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if pages["README.md"], err = os.ReadFile(filepath.Join("..", "..", "..", "README.md")); err != nil {
		t.Fatal(err)
	}
	examples := 0
	environment := func(string) (string, bool) { return "a-value-from-the-environment", true }
	for name, page := range pages {
		for _, block := range yamlBlock.FindAllSubmatch(page, -1) {
			examples++
			cfg := DefaultConfig()
			if err := config.Parse(block[1], environment, &cfg); err != nil {
				t.Errorf("%s:\n%s\n%v", name, block[1], err)
			}
		}
	}
	if examples < 3 {
		t.Errorf("only %d examples were found", examples)
	}
}
