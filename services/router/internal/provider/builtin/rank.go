package builtin

import "math"

// Constants of BM25 (Robertson and Zaragoza, 2009), with less length
// normalisation than for documents: units are all short.
const (
	bm25K = 1.2
	bm25B = 0.4
)

// formWeight is what a word counts that only shares its beginning with the question's.
const formWeight = 0.6

// asideWeight is what a word in brackets counts: it is mentioned, not spoken about.
const asideWeight = 0.4

// leadWeight is what a word counts that stands in the line above a list or the
// head of a table.
const leadWeight = 0.5

// scored is a unit with how well it fits.
type scored struct {
	unit
	score    float64
	terms    []string           // its own, in order, without asides
	aside    []string           // those in brackets
	matched  map[string]float64 // question terms in it, its headings or its lead, and how fully
	distinct map[string]bool    // its own, as a set, without asides
}

// index holds what scoring needs of all units together.
type index struct {
	q        question
	idf      map[string]float64
	mean     float64
	headings map[string]map[string]bool // terms of each heading path
	forms    map[string]map[string]bool // other forms of each question term
	units    []scored
}

// rank scores every unit of the passages against the question.
func rank(q question, units []unit) *index {
	x := &index{q: q, idf: map[string]float64{}, headings: map[string]map[string]bool{}, forms: map[string]map[string]bool{}}
	for _, u := range units {
		main, aside := asides(u.said())
		s := scored{unit: u, terms: terms(main), aside: terms(aside), matched: map[string]float64{}}
		s.distinct = toSet(s.terms)
		x.mean += float64(len(s.terms)) / float64(len(units))
		if _, ok := x.headings[u.heading]; !ok {
			x.headings[u.heading] = toSet(terms(u.heading))
		}
		x.units = append(x.units, s)
	}
	x.weigh()
	for i := range x.units {
		x.score(&x.units[i])
	}
	return x
}

func toSet(lists ...[]string) map[string]bool {
	m := make(map[string]bool)
	for _, list := range lists {
		for _, t := range list {
			m[t] = true
		}
	}
	return m
}

// weigh finds the other forms of the question's terms and their rarity. A term
// in a heading stands in all that is under it: a name in every title says little.
// A term that stands nowhere counts as one that stands once: it may be another word
// for something that does.
func (x *index) weigh() {
	n := float64(len(x.units))
	for _, t := range x.q.terms {
		x.forms[t] = map[string]bool{}
		df := 0.0
		for _, u := range x.units {
			found := false
			for have := range u.distinct {
				if have != t && near(have, t) {
					x.forms[t][have] = true
				}
				found = found || have == t || x.forms[t][have]
			}
			if found || x.headings[u.heading][t] {
				df++
			}
		}
		df = max(df, 1)
		x.idf[t] = math.Log(1 + (n-df+0.5)/(df+0.5))
	}
}

// in says how much of term t a set of words holds: 1, formWeight or 0.
func (x *index) in(t string, words map[string]bool) float64 {
	if words[t] {
		return 1
	}
	for form := range x.forms[t] {
		if words[form] {
			return formWeight
		}
	}
	for have := range words {
		if near(have, t) {
			return formWeight
		}
	}
	return 0
}

func (x *index) score(u *scored) {
	norm := bm25K * (1 - bm25B + bm25B*float64(len(u.terms))/max(x.mean, 1))
	heading, lead := x.headings[u.heading], map[string]bool{}
	switch {
	case u.lead >= 0:
		lead = x.leadOf(u).distinct
	case u.label != "":
		lead = toSet(terms(u.label))
	}
	all, own, under := 0.0, 0.0, 0.0
	for _, t := range x.q.terms {
		w := x.q.weight[t] * x.idf[t]
		all += w
		tf := x.frequency(t, u.terms) + asideWeight*x.frequency(t, u.aside)
		u.score += w * tf * (bm25K + 1) / (tf + norm)
		in := max(x.in(t, u.distinct), asideWeight*x.in(t, toSet(u.aside)))
		if near := leadWeight * x.in(t, lead); near > in {
			u.score += w * (near - in)
			in = near
		}
		if above := x.in(t, heading); above > 0 {
			under += w * above
			in = max(in, above)
		}
		if in > 0 {
			u.matched[t] = in
			own += w * in
		}
	}
	if all == 0 || own == 0 {
		u.score = 0
		return
	}
	u.score += 0.35 * under
	if under > 0.75*all { // the section is about the question: what it says first is the answer
		u.score += under / (1 + float64(u.place)/4)
	}
	u.score += x.phrases(u)
	u.score *= (0.3 + 0.7*own/all) * x.form(u)
}

func (x *index) leadOf(u *scored) *scored {
	for i := range x.units {
		if x.units[i].passage == u.passage && x.units[i].place == u.lead {
			return &x.units[i]
		}
	}
	return u
}

func (x *index) frequency(t string, words []string) float64 {
	tf := 0.0
	for _, w := range words {
		switch {
		case w == t:
			tf++
		case x.forms[t][w]:
			tf += formWeight
		}
	}
	return tf
}

// phrases rewards terms that follow each other in the unit as in the question.
func (x *index) phrases(u *scored) float64 {
	bonus := 0.0
	for i := 0; i+1 < len(x.q.terms); i++ {
		a, b := x.q.terms[i], x.q.terms[i+1]
		for j := 0; j+1 < len(u.terms); j++ {
			if u.terms[j] == a && (u.terms[j+1] == b || j+2 < len(u.terms) && u.terms[j+2] == b) {
				bonus += 0.3 * (x.q.weight[a]*x.idf[a] + x.q.weight[b]*x.idf[b])
				break
			}
		}
	}
	return bonus
}
