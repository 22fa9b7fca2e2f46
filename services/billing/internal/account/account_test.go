package account

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestSecretsAreWellFormedAndDistinct(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		text := NewSecret().Reveal()
		if !WellFormed(text) || seen[text] {
			t.Fatalf("secret %q", text)
		}
		seen[text] = true
	}
}

func TestAnyChangedCharacterIsNoticed(t *testing.T) {
	text := NewSecret().Reveal()
	for i := range text {
		for _, c := range []byte{'A', 'b', '7', '_'} {
			changed := []byte(text)
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if WellFormed(string(changed)) {
				t.Errorf("%q passes although character %d of %q was changed", changed, i, text)
			}
		}
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add("tg_000000000000000000000000000000000000")
	f.Add(NewSecret().Reveal())
	f.Fuzz(func(t *testing.T, text string) {
		if WellFormed(text) && (len(text) != secretLength || !strings.HasPrefix(text, secretPrefix)) {
			t.Fatalf("%q passes", text)
		}
	})
}

func TestPepper(t *testing.T) {
	directory := t.TempDir()
	first, err := LoadPepper(directory)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadPepper(directory)
	if err != nil {
		t.Fatal(err)
	}
	key := NewSecret()
	if first.Hash(key) != again.Hash(key) {
		t.Error("the pepper is another after a restart")
	}
	other, err := NewPepper(secret.New("another pepper of enough length"))
	if err != nil || other.Hash(key) == first.Hash(key) {
		t.Errorf("hash does not depend on the pepper (%v)", err)
	}
	info, err := os.Stat(filepath.Join(directory, "pepper"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("pepper file: %v, %v", info.Mode(), err)
	}
	if _, err := NewPepper(secret.New("short")); err == nil {
		t.Error("a short pepper is accepted")
	}
	if text := fmt.Sprintf("%v %+v %#v", first, first, first); strings.Contains(text, first.bytes.Reveal()) {
		t.Errorf("the pepper is printed: %s", text)
	}
}

func TestChain(t *testing.T) {
	var events []Event
	sequence, hash := int64(0), ""
	for i := range 5 {
		event := Change{Organization: "acme", Actor: "keys/a", Action: "teams.create", Resource: fmt.Sprintf("teams/%d", i), At: time.Now()}.Chain(sequence, hash)
		events = append(events, event)
		sequence, hash = event.Sequence, event.Hash
	}
	if err := VerifyChain(events, 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := VerifyChain(append(events[:2:2], events[3:]...), 0, ""); err == nil {
		t.Error("a gap is not noticed")
	}
	for name, spoil := range map[string]func(*Event){
		"actor": func(e *Event) { e.Actor = "keys/b" }, "resource": func(e *Event) { e.Resource += "x" },
		"time": func(e *Event) { e.At = e.At.Add(time.Second) }, "organisation": func(e *Event) { e.Organization = "other" },
		"action": func(e *Event) { e.Action = "teams.delete" }, "hash": func(e *Event) { e.Hash = strings.Repeat("0", 64) },
	} {
		changed := append([]Event(nil), events...)
		spoil(&changed[2])
		if err := VerifyChain(changed, 0, ""); err == nil {
			t.Errorf("a changed %s is not noticed", name)
		}
	}
}

func TestAWSSecrets(t *testing.T) {
	pepper, err := NewPepper(secret.New("a pepper of enough length"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewPepper(secret.New("another pepper of enough length"))
	if err != nil {
		t.Fatal(err)
	}
	hash := pepper.Hash(NewSecret())
	seen := map[string]bool{hash: true}
	for name, text := range map[string]string{
		"of a key":       pepper.awsSecret("key_a", hash).Reveal(),
		"other id":       pepper.awsSecret("key_b", hash).Reveal(),
		"other hash":     pepper.awsSecret("key_a", pepper.Hash(NewSecret())).Reveal(),
		"other pepper":   other.awsSecret("key_a", hash).Reveal(),
		"shifted border": pepper.awsSecret("key_a"+hash[:1], hash[1:]).Reveal(),
	} {
		if len(text) < 40 || seen[text] {
			t.Errorf("%s: %d characters, seen before: %v", name, len(text), seen[text])
		}
		seen[text] = true
	}
}

// The derivation is AWS's: the values are those of its documentation.
func TestSigningKey(t *testing.T) {
	scope := SigningScope{Date: "20120215", Region: "us-east-1", Service: "iam"}
	key := scope.key(secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
	if got := fmt.Sprintf("%x", key.Reveal()); got != "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d" {
		t.Error(got)
	}
}
