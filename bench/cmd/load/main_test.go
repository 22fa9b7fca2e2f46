package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/bench/internal/load"
	"github.com/tollgate/tollgate/bench/internal/mock"
)

func TestRun(t *testing.T) {
	h, err := mock.New(mock.Config{Words: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "report.json")
	args := []string{"-gateway", "name=direct,url=" + s.URL + "/v1", "-n", "5", "-c", "2", "-rounds", "1", "-warmup", "0", "-json", file}
	var table strings.Builder
	if err := run(t.Context(), args, &table, io.Discard); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report load.Report
	if err := json.Unmarshal(b, &report); err != nil || len(report.Results) != 2 || report.Results[1].Chunks != 15 {
		t.Errorf("%v: %s", err, b)
	}
	if !strings.Contains(table.String(), "direct") {
		t.Errorf("table: %s", table.String())
	}
	if err := run(t.Context(), append(args[:1:1], "name=direct,url="+s.URL+"/nothing", "-n", "2", "-c", "1", "-rounds", "1"), io.Discard, io.Discard); !errors.Is(err, errFailed) {
		t.Errorf("failed requests: %v", err)
	}
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"-gateway", "name=x,url=https://api.openai.com/v1"},
		{"-gateway", "name=x,url=http://127.0.0.1:1", "-n", "9999999"},
		{"-gateway", "name=x,url=http://127.0.0.1:1", "-mode", "batch"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || errors.Is(err, errFailed) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
