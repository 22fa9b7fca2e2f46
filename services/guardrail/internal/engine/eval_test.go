package engine

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// evalDir finds the evaluation data, which is not part of the repository.
func evalDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TOLLGATE_EVAL_DATA")
	if dir == "" {
		dir = "../../../../../shared/data"
	}
	dir = filepath.Join(dir, "guardrail")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no evaluation data in ", dir)
	}
	return dir
}

type evalRow struct {
	Text   string     `json:"text"`
	Attack bool       `json:"attack"`
	Secret bool       `json:"secret"`
	Rule   string     `json:"rule"`
	Spans  []evalSpan `json:"spans"`
}

type evalSpan struct {
	Start int    `json:"start"`
	End   int    `json:"end"`
	Type  string `json:"type"`
}

func readRows(t *testing.T, path string) (rows []evalRow) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var r evalRow
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// flagging is a policy that reports everything and changes nothing.
func flagging() policy.Policy {
	p := policy.Policy{Name: "flagging"}
	for _, c := range check.Registry() {
		p.Rules = append(p.Rules, policy.Rule{Check: c.Name, Action: "flag"})
	}
	return p
}

func find(t *testing.T, e *Engine, pol *policy.Compiled, text string) []Finding {
	t.Helper()
	findings, ok := e.scan(pol, policy.Input, Part{Text: text})
	if !ok {
		t.Fatalf("a check broke on %.200q", text)
	}
	return findings
}

func TestEvalPII(t *testing.T) {
	rows := readRows(t, filepath.Join(evalDir(t), "pii", "presidio_synth_v2.jsonl"))
	e, pol := mustEngine(t), mustPolicy(t, flagging())
	types := map[string]string{"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "payment_card", "IBAN_CODE": "iban", "US_SSN": "us_ssn", "IP_ADDRESS": "ip_address"}
	gold, found, tp, ftp := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, r := range rows {
		findings := find(t, e, pol, r.Text)
		for _, s := range r.Spans {
			c, ok := types[s.Type]
			if !ok {
				continue
			}
			gold[c]++
			covered := false
			for _, f := range findings {
				covered = covered || f.Check == c && f.Start <= s.Start && f.End >= s.End
			}
			if covered {
				tp[c]++
			} else if os.Getenv("EVAL_DUMP") == c {
				t.Logf("missed %s in %.160q", r.Text[s.Start:s.End], r.Text)
			}
		}
		for _, f := range findings {
			found[f.Check]++
			right := false
			for _, s := range r.Spans {
				right = right || types[s.Type] == f.Check && f.Start < s.End && f.End > s.Start
			}
			if right {
				ftp[f.Check]++
			} else if os.Getenv("EVAL_DUMP") == f.Check {
				t.Logf("wrong %s in %.160q", r.Text[f.Start:f.End], r.Text)
			}
		}
	}
	for _, c := range check.Registry() {
		t.Logf("%-14s spans %3d  recall %.3f  findings %3d  precision %.3f", c.Name, gold[c.Name], ratio(tp[c.Name], gold[c.Name]), found[c.Name], ratio(ftp[c.Name], found[c.Name]))
	}
}

func TestEvalSecrets(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, flagging())
	for _, name := range []string{"gitleaks", "noseyparker_half_a"} {
		pos, neg, tp, fp := 0, 0, 0, 0
		missed, rules := map[string]int{}, map[string]int{}
		for _, r := range readRows(t, filepath.Join(evalDir(t), "secrets", name+".jsonl")) {
			hit := false
			for _, f := range find(t, e, pol, r.Text) {
				hit = hit || f.Check == "api_key"
			}
			switch {
			case r.Secret:
				pos++
				if hit {
					tp++
				} else {
					missed[r.Rule]++
					if missed[r.Rule] <= 2 && os.Getenv("EVAL_DUMP") == "api_key" {
						t.Logf("missed %s %.150q", r.Rule, r.Text)
					}
				}
			default:
				neg++
				if hit {
					fp++
					rules[r.Rule]++
					if os.Getenv("EVAL_DUMP") == "api_key_fp" {
						t.Logf("wrong %s %.250q", r.Rule, r.Text)
					}
				}
			}
		}
		t.Logf("%-20s secrets %4d recall %.3f   others %3d false positives %.3f", name, pos, ratio(tp, pos), neg, ratio(fp, neg))
		t.Log(missed, rules)
	}
}

func TestEvalInjection(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	files, err := filepath.Glob(filepath.Join(evalDir(t), "injection", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		var n, hit [2]int
		for _, r := range readRows(t, path) {
			k := 0
			if r.Attack {
				k = 1
			}
			n[k]++
			for _, f := range find(t, e, pol, r.Text) {
				if f.Check == check.Injection {
					hit[k]++
				}
			}
		}
		t.Logf("%-32s attacks %4d recall %.3f   others %4d false positives %.4f", name, n[1], ratio(hit[1], n[1]), n[0], ratio(hit[0], n[0]))
	}
}
