package quota

// Rates is an amount of requests and tokens: a limit a minute, or what was
// granted. As a limit, 0 is none.
type Rates struct{ Requests, Tokens int64 }

// Most bounds limits and amounts, so that sums cannot overflow, and are exact
// as the floating-point numbers in which Valkey's scripts count.
const Most = int64(1) << 40

// Seconds is how many seconds a grant counts for: a minute, and the second that
// has begun. So no minute, however it is cut, holds more than the limit.
const Seconds = 61

func (r Rates) plus(o Rates) Rates  { return Rates{r.Requests + o.Requests, r.Tokens + o.Tokens} }
func (r Rates) minus(o Rates) Rates { return Rates{r.Requests - o.Requests, r.Tokens - o.Tokens} }

func (r Rates) within() Rates {
	return Rates{min(max(r.Requests, 0), Most), min(max(r.Tokens, 0), Most)}
}

// Window is what was granted in the last Seconds, by second.
type Window struct {
	// At is the newest second; second s lies at Used[s%Seconds].
	At    int64
	Used  [Seconds]Rates
	total Rates
}

// turn moves the window on to a second. If the clock stood or went back, what
// is granted counts for the newest second that there was.
func (w *Window) turn(at int64) {
	if at <= w.At {
		return
	}
	for s := max(w.At+1, at-Seconds+1); s <= at; s++ {
		w.total = w.total.minus(w.Used[s%Seconds])
		w.Used[s%Seconds] = Rates{}
	}
	w.At = at
}

// add counts an amount, which may be negative, in a second. What comes too late
// for its second counts now if it is more, and not at all if it gives back what
// does not count any longer.
func (w *Window) add(at int64, n Rates) {
	if at > w.At || at <= w.At-Seconds {
		if at <= w.At-Seconds {
			n = Rates{max(n.Requests, 0), max(n.Tokens, 0)}
		}
		at = w.At
	}
	have := w.Used[at%Seconds]
	next := have.plus(n).within()
	w.Used[at%Seconds] = next
	w.total = w.total.plus(next.minus(have))
}

// shifted is the window on a clock that shows more seconds.
func (w *Window) shifted(seconds int64) Window {
	out := Window{At: w.At + seconds, total: w.total}
	for s := w.At - Seconds + 1; s <= w.At; s++ {
		out.Used[place(s+seconds)] = w.Used[place(s)]
	}
	return out
}

// place is where a second lies, before the epoch too.
func place(s int64) int64 { return (s%Seconds + Seconds) % Seconds }

// sum counts what is there; a window that came from elsewhere has no total yet.
func (w *Window) sum() {
	w.total = Rates{}
	for _, n := range w.Used {
		w.total = w.total.plus(n)
	}
}
