package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
)

// ragCommands work on the organisation's documents.
type ragCommands struct {
	Ingest ragIngest `cmd:"" help:"Ingest files, or all Markdown, HTML and text files of folders."`
	Search ragSearch `cmd:"" help:"Find the passages that fit a query."`
}

type ragIngest struct {
	connection
	Paths      []string `arg:"" help:"Files and folders."`
	Collection string   `help:"Collection to put them into." required:""`
}

// Run ingests one document after the other, so that one bad file is reported and the rest goes on.
func (c *ragIngest) Run(env *environment) error {
	var failed int
	for _, root := range c.Paths {
		files, err := documentFiles(root)
		if err != nil {
			return err
		}
		for _, file := range files {
			line, err := c.ingest(env.ctx, root, file)
			if err != nil {
				failed++
				line = "failed: " + err.Error()
			}
			fmt.Fprintf(env.stdout, "%s  %s\n", file, line)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d file(s) could not be ingested", failed)
	}
	return nil
}

func (c *ragIngest) ingest(ctx context.Context, root, file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read file: %w", err)
	}
	body, err := ingestBody(collectionName(c.Collection)+"/documents/"+documentID(root, file), file, content)
	if err != nil {
		return "", err
	}
	resp, err := c.send(ctx, http.MethodPost, "/api/v1/documents:ingest", body)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	var answer ragv1.IngestResponse
	if err := protojson.Unmarshal(data, &answer); err != nil || len(answer.GetResults()) != 1 {
		return "", errors.New("the answer is not that of an ingest")
	}
	result := answer.GetResults()[0]
	if result.GetOutcome() == ragv1.IngestResponse_Result_OUTCOME_FAILED {
		return "", errors.New(result.GetFailure())
	}
	outcome := strings.ToLower(strings.TrimPrefix(result.GetOutcome().String(), "OUTCOME_"))
	return fmt.Sprintf("%s, %d chunk(s)", outcome, result.GetDocument().GetChunkCount()), nil
}

// ingestBody writes the messages of a client stream as JSON, one after the other.
func ingestBody(name, uri string, content []byte) (io.Reader, error) {
	const piece = 512 << 10
	steps := []*ragv1.IngestRequest{{Step: &ragv1.IngestRequest_Header_{
		Header: &ragv1.IngestRequest_Header{Name: name, Uri: uri},
	}}}
	for len(content) > 0 {
		n := min(piece, len(content))
		steps = append(steps, &ragv1.IngestRequest{Step: &ragv1.IngestRequest_Content{Content: content[:n]}})
		content = content[n:]
	}
	var body bytes.Buffer
	for _, step := range steps {
		data, err := protojson.Marshal(step)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		body.Write(data)
		body.WriteByte('\n')
	}
	return &body, nil
}

var documentEndings = map[string]bool{".md": true, ".markdown": true, ".html": true, ".htm": true, ".txt": true}

// documentFiles lists a file itself, or the documents below a folder.
func documentFiles(root string) ([]string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("look at path: %w", err)
	}
	if !info.IsDir() {
		return []string{root}, nil
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && documentEndings[strings.ToLower(filepath.Ext(path))] {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("walk folder: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no Markdown, HTML or text file", root)
	}
	return files, nil
}

var unsafeInID = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// documentID names a document by its path below the root, so that the next ingest replaces it.
func documentID(root, file string) string {
	relative, err := filepath.Rel(root, file)
	if err != nil || relative == "." {
		relative = filepath.Base(file)
	}
	segments := strings.Split(filepath.ToSlash(relative), "/")
	for i, s := range segments {
		segments[i] = unsafeInID.ReplaceAllString(s, "-")
	}
	return strings.TrimLeft(strings.Join(segments, "~"), ".-_~")
}

type ragSearch struct {
	connection
	Query       string   `arg:"" help:"What to look for."`
	Collections []string `help:"Where to look; everywhere if absent." name:"collection"`
	Limit       int32    `help:"The most passages to show." default:"5"`
}

// Run prints the passages, the best first.
func (c *ragSearch) Run(env *environment) error {
	req := &ragv1.RetrieveRequest{Query: c.Query, Limit: c.Limit}
	for _, name := range c.Collections {
		req.Collections = append(req.Collections, collectionName(name))
	}
	var found ragv1.RetrieveResponse
	if err := c.call(env.ctx, http.MethodPost, "/api/v1/passages:retrieve", req, &found); err != nil {
		return err
	}
	for i, p := range found.GetPassages() {
		fmt.Fprintf(env.stdout, "%d. %s  %s  bytes %d to %d  score %.2f\n%s\n\n", i+1, p.GetDocument(),
			strings.Join(p.GetHeadingPath(), " › "), p.GetStartByte(), p.GetEndByte(), p.GetScore(), strings.TrimSpace(p.GetText()))
	}
	if len(found.GetPassages()) == 0 {
		fmt.Fprintln(env.stderr, "nothing fits")
	}
	return nil
}
