// Package injection scores texts for attempts to take over a model: orders to
// drop its instructions, to reveal them, forged delimiters and tool calls, and
// the personas and promises of jailbreaks, in six languages.
//
// Rules are sequences of words with gaps, in rules.txt. Each belongs to a
// family; the strongest rule of a family counts, and families combine as
// independent evidence: 1 − ∏(1 − weight).
package injection

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed rules.txt
var rulesText string

type element struct {
	class uint16
	gap   int
}

type rule struct {
	weight float64
	family uint8
	seq    []element
	// negatable: "do not …" before it takes its meaning away.
	negatable bool
}

type literal struct {
	weight float64
	family uint8
	text   string
}

// ref says that a word begins a member of a class that is n words long.
type ref struct {
	class uint16
	n     uint8
}

// ruleset is the compiled rules.
type ruleset struct {
	words    map[string]*word
	byFirst  map[uint16][]int
	rules    []rule
	literals []literal
	families []string
	wakes    []string
}

// word is what a word of the text may mean.
type word struct {
	classes []ref
	phrases []phrase
}

// phrase is a member of a class that has more than one word.
type phrase struct {
	words []string
	class uint16
}

var loaded, loadErr = parseRules(rulesText)

type parser struct {
	set     *ruleset
	classes map[string]uint16
	members map[uint16][]string
	wakes   map[string]bool
	family  map[string]uint8
}

func parseRules(text string) (*ruleset, error) {
	p := &parser{
		set:     &ruleset{words: map[string]*word{}, byFirst: map[uint16][]int{}},
		classes: map[string]uint16{}, members: map[uint16][]string{}, wakes: map[string]bool{}, family: map[string]uint8{},
	}
	for n, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		var err error
		switch {
		case len(fields) == 0 || fields[0] == "#" || strings.HasPrefix(fields[0], "#") && len(fields[0]) > 1:
		case fields[0][0] == '@':
			p.class(fields[0], fields[1:])
		case fields[0] == "literal":
			err = p.literal(line, fields)
		default:
			err = p.rule(fields)
		}
		if err != nil {
			return nil, fmt.Errorf("rules.txt:%d: %w", n+1, err)
		}
	}
	for w := range p.wakes {
		p.set.wakes = append(p.set.wakes, w)
	}
	return p.set, nil
}

func (p *parser) class(name string, members []string) {
	id := uint16(len(p.classes) + 1)
	p.classes[name] = id
	p.members[id] = members
	for _, m := range members {
		parts := strings.Split(m, "_")
		if len(parts) > 1 {
			w := p.word(parts[0])
			w.phrases = append(w.phrases, phrase{parts, id})
			continue
		}
		w := p.word(m)
		w.classes = append(w.classes, ref{id, 1})
	}
}

func (p *parser) word(text string) *word {
	w, ok := p.set.words[text]
	if !ok {
		w = &word{}
		p.set.words[text] = w
	}
	return w
}

func (p *parser) familyID(name string) uint8 {
	id, ok := p.family[name]
	if !ok {
		id = uint8(len(p.set.families))
		p.family[name] = id
		p.set.families = append(p.set.families, name)
	}
	return id
}

func (p *parser) literal(line string, fields []string) error {
	if len(fields) < 4 {
		return fmt.Errorf("want: literal weight family text")
	}
	w, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return fmt.Errorf("weight: %w", err)
	}
	_, text, _ := strings.Cut(line, " "+fields[2]+" ")
	text = strings.TrimSpace(text)
	p.set.literals = append(p.set.literals, literal{w, p.familyID(fields[2]), text})
	p.set.wakes = append(p.set.wakes, text)
	return nil
}

func (p *parser) rule(fields []string) error {
	if len(fields) < 3 {
		return fmt.Errorf("want: weight family element…")
	}
	w, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return fmt.Errorf("weight: %w", err)
	}
	r := rule{weight: w, family: p.familyID(fields[1]), negatable: fields[1] == "extract" || fields[1] == "override"}
	gap := 0
	for _, f := range fields[2:] {
		if f[0] == '~' {
			if gap, err = strconv.Atoi(f[1:]); err != nil {
				return fmt.Errorf("gap: %w", err)
			}
			continue
		}
		wake := strings.HasPrefix(f, "!")
		f = strings.TrimPrefix(f, "!")
		if _, ok := p.classes[f]; !ok {
			if f[0] == '@' {
				return fmt.Errorf("no class %s", f)
			}
			p.class(f, []string{f})
		}
		id := p.classes[f]
		if wake {
			for _, m := range p.members[id] {
				p.wakes[strings.ReplaceAll(m, "_", " ")] = true
			}
		}
		r.seq = append(r.seq, element{id, gap})
		gap = 0
	}
	p.set.byFirst[r.seq[0].class] = append(p.set.byFirst[r.seq[0].class], len(p.set.rules))
	p.set.rules = append(p.set.rules, r)
	return nil
}

// Wakes lists the words and literals that have to occur in a text before
// Score can give anything above 0.
func Wakes() []string {
	if loadErr != nil {
		return nil
	}
	return loaded.wakes
}

// Err says whether the rules could be read.
func Err() error { return loadErr }
