package injection

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/normalize"
)

func dataDir(t *testing.T) string {
	dir := os.Getenv("TOLLGATE_EVAL_DATA")
	if dir == "" {
		dir = "../../../../../shared/data"
	}
	if _, err := os.Stat(filepath.Join(dir, "guardrail")); err != nil {
		t.Skip("no evaluation data")
	}
	return filepath.Join(dir, "guardrail")
}

type row struct {
	Text   string `json:"text"`
	Attack bool   `json:"attack"`
	Kind   string `json:"kind"`
}

func readRows(t *testing.T, path string) (rows []row) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var r row
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

func TestEval(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(dataDir(t), "injection", "*.jsonl"))
	for _, path := range files {
		var n, hit [2]int
		dump := os.Getenv("DUMP") == filepath.Base(path)
		for _, r := range readRows(t, path) {
			var v normalize.View
			normalize.FoldText(&v, []byte(r.Text))
			res := Score(v.Text)
			k := 0
			if r.Attack {
				k = 1
			}
			n[k]++
			if res.Score >= 0.7 {
				hit[k]++
			}
			if dump && (res.Score >= 0.7) != r.Attack {
				t.Logf("%.2f %v %q | %.300q", res.Score, r.Attack, v.Text[res.Start:res.End], r.Text)
			}
		}
		t.Logf("%-36s attacks %4d/%4d %.3f   false %3d/%4d %.4f", filepath.Base(path), hit[1], n[1], float64(hit[1])/float64(max(1, n[1])), hit[0], n[0], float64(hit[0])/float64(max(1, n[0])))
	}
}
