package quota

// Share is a replica's part of what may be granted: its rank among Of replicas.
type Share struct{ Rank, Of int64 }

// whole is the share of one who is alone.
var whole = Share{0, 1}

// of divides an amount so that the shares of all replicas sum up to it. None
// grows when the amount shrinks, so that replicas which know of different
// amounts share no more than the larger.
func (s Share) of(n int64) int64 {
	n = max(n, 0)
	if s.Rank < n%s.Of {
		return n/s.Of + 1
	}
	return n / s.Of
}

// ledger decides by what this process knows: what everybody was granted before
// it was left alone, and what it granted since.
type ledger struct {
	// spell says which time of being alone it began with.
	spell int
	// before still counts for all; after is this replica's own.
	before, after Window
}

// fits says whether an amount may be granted now, and if not, which limit says so.
// More than a whole share passes when nothing else counts: it would never fit.
func (l *ledger) fits(limit, n Rates, s Share) string {
	if limit.Requests > 0 && !fits(limit.Requests, l.before.total.Requests, l.after.total.Requests, n.Requests, s) {
		return "requests"
	}
	if limit.Tokens > 0 && !fits(limit.Tokens, l.before.total.Tokens, l.after.total.Tokens, n.Tokens, s) {
		return "tokens"
	}
	return ""
}

func fits(limit, before, after, n int64, s Share) bool {
	if n > s.of(limit) && before == 0 && after == 0 && s.of(limit) > 0 {
		return true
	}
	return after+n <= s.of(limit-before)
}

// wait is after how many seconds it will fit, if nothing is granted meanwhile.
func (l ledger) wait(limit, n Rates, s Share) int64 {
	for seconds := int64(1); seconds < Seconds; seconds++ {
		l.turn(max(l.before.At, l.after.At) + 1)
		if l.fits(limit, n, s) == "" {
			return seconds
		}
	}
	return Seconds
}

func (l *ledger) turn(at int64) {
	l.before.turn(at)
	l.after.turn(at)
}

// ledgers are those that all must agree: the store may have gone away again
// while some replicas still decided by what they knew the time before.
type ledgers []ledger

// maxLedgers bounds how many times are remembered.
const maxLedgers = 16

func (ls ledgers) turn(at int64) {
	for i := range ls {
		ls[i].turn(at)
	}
}

// add counts what was granted during a spell.
func (ls ledgers) add(spell int, at int64, n Rates) {
	for i := range ls {
		if spell >= ls[i].spell {
			ls[i].after.add(at, n)
		} else {
			ls[i].before.add(at, n)
		}
	}
}

// refuse says which limit an amount does not fit into, and after how many
// seconds it will; nothing if it fits.
func (ls ledgers) refuse(limit, n Rates, s Share) (which string, seconds int64) {
	for i := range ls {
		if full := ls[i].fits(limit, n, s); full != "" {
			if w := ls[i].wait(limit, n, s); w > seconds {
				which, seconds = full, w
			}
		}
	}
	return which, seconds
}
