package quota

import "time"

// Deny makes the error for who is refused: which limit is used up, requests or
// tokens, and after how long there is room.
type Deny func(limit Rates, which string, wait time.Duration) error

// Guests are the gates of those who come and go, such as keys: too many to have
// a gate for each. A gate that nobody has passed for a minute is forgotten,
// which makes no difference; only when more are busy at once than there may be,
// one of the least busy is forgotten too, which forgives it at most a minute.
type Guests struct {
	book *Book
	most int
	deny Deny
}

// looks is how many gates are looked at for each new one, and searched how many
// if there is no room.
const (
	looks    = 4
	searched = 64
)

// Guests lets up to so many into the book, which no target may use then.
func (b *Book) Guests(most int, deny Deny) *Guests { return &Guests{b, max(most, 1), deny} }

// Gate returns a guest's gate, with the given limit from now on. The name is
// known to all replicas.
func (g *Guests) Gate(name string, limit Rates) *Gate {
	b, at := g.book, g.book.second()
	b.mu.Lock()
	defer b.mu.Unlock()
	gate := b.gates[name]
	if gate == nil {
		g.forget(at)
		gate = &Gate{target: name, book: b, deny: g.deny, scopes: make(map[string]*scope, 1)}
		b.gates[name] = gate
	}
	st := b.state.Load()
	gate.mu.Lock()
	defer gate.mu.Unlock()
	s := gate.scopes[""]
	if s == nil {
		s = newScope(st.linked, st.spell)
		gate.scopes[""] = s
	}
	s.limit, gate.called = limit.within(), at
	return gate
}

// Len is how many gates there are.
func (g *Guests) Len() int {
	g.book.mu.Lock()
	defer g.book.mu.Unlock()
	return len(g.book.gates)
}

// forget makes room for one. The book is locked; which gates come first is up to
// the map.
func (g *Guests) forget(at int64) {
	gates := g.book.gates
	var least string
	smallest, seen := 2.0, 0
	for name, gate := range gates {
		use, idle := gate.use(at)
		if idle {
			delete(gates, name)
		} else if use < smallest {
			least, smallest = name, use
		}
		if seen++; seen >= searched || seen >= looks && len(gates) < g.most {
			break
		}
	}
	if len(gates) >= g.most {
		delete(gates, least)
	}
}

// use is how much of its limit a guest has used, from 0 to 1, and whether it can
// be forgotten without a difference.
func (g *Gate) use(at int64) (share float64, idle bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.scopes[""]
	s.turn(at)
	have := s.granted.total
	if have == (Rates{}) && g.open.Load() == 0 && at-g.called >= Seconds {
		return 0, true
	}
	part := func(have, limit int64) float64 { return min(float64(have)/float64(max(limit, 1)), 1) }
	return max(part(have.Requests, s.limit.Requests), part(have.Tokens, s.limit.Tokens)), false
}
