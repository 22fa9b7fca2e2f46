package engine

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"pgregory.net/rapid"
)

// TestChecks runs each check through the whole engine: found says what is
// reported, in the order of the text.
func TestChecks(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, flagging())
	for _, c := range []struct{ check, text, found string }{
		{"email", "write to jane.doe+x@sub.example.co.uk, please", "jane.doe+x@sub.example.co.uk"},
		{"email", "mailto:bob@example.com?subject=hi", "bob@example.com"},
		{"email", "<a@b.io> and 'c@d.org'.", "a@b.io|c@d.org"},
		{"email", "jürgen@müller.de", "jürgen@müller.de"},
		{"email", "git@github.com:org/repo user@localhost @handle foo@1.2.3 a@b", ""},
		{"payment_card", "4111111111111111", "4111111111111111"},
		{"payment_card", "pay 4111-1111-1111-1111.", "4111-1111-1111-1111"},
		{"payment_card", "3782 822463 10005", "3782 822463 10005"},
		{"payment_card", "4111111111111112", ""},
		{"payment_card", "id 94111111111111111 and 0.4111111111111111 and x4111111111111111y", ""},
		{"payment_card", "0000 0000 0000 0000", ""},
		{"payment_card", "41111 11111 111111", ""},
		{"payment_card", "12 4111 1111 1111 1111 34", "4111 1111 1111 1111"},
		{"iban", "IBAN: DE89370400440532013000.", "DE89370400440532013000"},
		{"iban", "gb82 west 1234 5698 7654 32", "gb82 west 1234 5698 7654 32"},
		{"iban", "BE68 5390 0754 7034 then", "BE68 5390 0754 7034"},
		{"iban", "DE89370400440532013001 XX89370400440532013000", ""},
		{"us_ssn", "078-05-1120 and 219 09 9999", "078-05-1120|219 09 9999"},
		{"us_ssn", "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000", ""},
		{"us_ssn", "her SSN is 219099999", "219099999"},
		{"us_ssn", "order 219099999", ""},
		{"phone", "call +49 30 901820 now", "+49 30 901820"},
		{"phone", "(212) 555-0182 x123", "(212) 555-0182"},
		{"phone", "Phone: 0490 75 40 81", "0490 75 40 81"},
		{"phone", "Telefon: 0151/23456789", "0151/23456789"},
		{"phone", "on 2024-05-17 we sold 1234567 of 17.05.2024", ""},
		{"phone", "the microphone 12345678 was broken", ""},
		{"phone", "order number 12345678", ""},
		{"phone", "text: 192.168.1.1/35, 2005-2008, 11/3/2024, R-00140-37445, call 1 of 10 - 10011", ""},
		{"phone", "please call me at 0494 92 82 32", "0494 92 82 32"},
		{"ip_address", "at 10.0.0.1:8080 and 2001:db8::1, ::1", "10.0.0.1|2001:db8::1|::1"},
		{"ip_address", "version 1.2.3.4 at 12:30:45, std::string a::b 1.2.3.4.5 256.1.1.1", ""},
		{"api_key", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"},
		{"api_key", "export TOKEN=ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"},
		{"api_key", "password: hunter2x", "hunter2x"},
		{"api_key", `{"client_secret": "k3jh4w5qz34x8rm19kt7h3"}`, "k3jh4w5qz34x8rm19kt7h3"},
		{"api_key", "Authorization: Bearer 9f8e7d6c5b4a39281706abcd", "9f8e7d6c5b4a39281706abcd"},
		{"api_key", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		{"api_key", "postgres://app:s3cr3t!pw@db/x", "s3cr3t!pw"},
		{"api_key", "the secret of a good password is length; max_tokens = 4096, api_key = YOUR_API_KEY_HERE, sk-learn, token: xxxxxxxxxxxxxxxxxxxx", ""},
		{"api_key", `"x509/server1_key.pem", "x509/client_ca_cert.pem" tokens: cc.sc.retry2Throttling.MaxTokens, "const-key-1": "const-val-1", token = orig2ReadSubjectTokenFrom(x)`, ""},
		{"api_key", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ""},
	} {
		var got []string
		for _, f := range find(t, e, pol, c.text) {
			if f.Check == c.check {
				got = append(got, c.text[f.Start:f.End])
			}
		}
		if s := strings.Join(got, "|"); s != c.found {
			t.Errorf("%s in %q: found %q, want %q", c.check, c.text, s, c.found)
		}
	}
}

func TestOverlapsAreSettled(t *testing.T) {
	e := mustEngine(t)
	pol := mustPolicy(t, policy.Policy{Name: "p", Rules: []policy.Rule{{Check: "email", Action: "mask"}, {Check: "api_key", Action: "flag"}, {Check: "ip_address", Action: "mask", Mask: "<ip>"}}})
	for in, want := range map[string]string{
		"https://user:pa55word@example.com/": "https://user:[EMAIL]/",
		"x@10.example.com 10.0.0.1":          "[EMAIL] <ip>",
	} {
		v, err := e.Evaluate(t.Context(), Request{Policy: pol, Parts: []Part{{Text: in}}})
		if err != nil || v.Masked[0] != want {
			t.Errorf("%q becomes %q, want %q (%v)", in, v.Masked[0], want, err)
		}
	}
}

func TestJSONStaysValid(t *testing.T) {
	e := mustEngine(t)
	p := policy.Default()
	for i := range p.Rules {
		if p.Rules[i].Check == "payment_card" {
			p.Rules[i].Mask = `"card" \ 🎉`
		}
	}
	pol := mustPolicy(t, p)
	for in, want := range map[string]string{
		`{"to":"jane@example.com"}`:                  `{"to":"[EMAIL]"}`,
		`{"card": 4111111111111111, "n": 7}`:         `{"card": "\"card\" \\ 🎉", "n": 7}`,
		`{"t":"a\njane@example.com\tb"}`:             `{"t":"a\n[EMAIL]\tb"}`,
		`{"t":"j\u0061ne\u0040example.com"}`:         `{"t":"[EMAIL]"}`,
		`{"jane@example.com": [1, "+49 30 901820"]}`: `{"[EMAIL]": [1, "[PHONE]"]}`,
		`{"phone":"0490 75 40 81"}`:                  `{"phone":"[PHONE]"}`,
		`{"a":"{\"b\":\"jane@example.com\"}"}`:       `{"a":"{\"b\":\"[EMAIL]\"}"}`,
	} {
		v, err := e.Evaluate(t.Context(), Request{Policy: pol, Parts: []Part{{Kind: JSON, Text: in}}})
		if err != nil || v.Masked[0] != want {
			t.Errorf("%s becomes %s, want %s (%v)", in, v.Masked[0], want, err)
		}
	}
}

func TestMaskedJSONParses(t *testing.T) {
	e, pol := mustEngine(t), mustPolicy(t, policy.Default())
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		number := rapid.SampledFrom([]json.Number{"4111111111111111", "12", "-1.5e3", "2125550182", "78051120"}).Draw(t, "number")
		in, err := json.Marshal(map[string]any{"text": text, text: []any{number, text, nil, true}, "phone": number})
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.Evaluate(t.Context(), Request{Policy: pol, Direction: policy.Output, Parts: []Part{{Kind: JSON, Text: string(in)}}})
		if err != nil {
			t.Fatal(err)
		}
		if masked, ok := v.Masked[0]; ok && !json.Valid([]byte(masked)) {
			t.Fatalf("%s becomes %s", in, masked)
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	for _, s := range planted {
		f.Add("x " + s + " y")
	}
	f.Add("0!....")
	e, pol, all := mustEngine(f), mustPolicy(f, policy.Default()), mustPolicy(f, flagging())
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{Text, JSON, Data} {
			for _, p := range []*policy.Compiled{pol, all} {
				findings, ok := e.scan(p, policy.Input, Part{Kind: kind, Text: text})
				if !ok {
					t.Fatal("a check broke")
				}
				checkFindings(t, text, findings)
			}
			findings, _ := e.scan(pol, policy.Output, Part{Kind: kind, Text: text})
			masked := Apply(text, findings)
			if utf8.ValidString(text) && !utf8.ValidString(masked) {
				t.Fatalf("%q: torn UTF-8", masked)
			}
			var pieces []string
			for rest := text; ; {
				if len(rest) < 8 {
					pieces = append(pieces, rest)
					break
				}
				pieces, rest = append(pieces, rest[:7]), rest[7:]
			}
			if got, _ := streamed(e, pol, kind, pieces); got != masked {
				t.Fatalf("streamed %q, whole %q", got, masked)
			}
		}
	})
}

func checkFindings(t *testing.T, text string, findings []Finding) {
	t.Helper()
	last := 0
	for _, f := range findings {
		if f.Check == "injection" {
			last = 0
		}
		if f.Start < last || f.End <= f.Start || f.End > len(text) {
			t.Fatalf("finding %+v after %d in %d bytes", f, last, len(text))
		}
		last = f.End
		if utf8.ValidString(text) && (!utf8.RuneStart(text[f.Start]) || f.End < len(text) && !utf8.RuneStart(text[f.End])) {
			t.Fatalf("finding %+v tears a character", f)
		}
	}
}
