package concurrency

import "slices"

// tenant finds a tenant's entry, or makes it.
func (l *Limiter) tenant(name string) *tenant {
	if t, ok := l.tenants[name]; ok {
		return t
	}
	t := l.free
	if t == nil {
		t = &tenant{}
	} else {
		l.free, t.next = t.next, nil
	}
	l.tenants[name] = t
	return t
}

// forget drops the entry of a tenant that has nothing.
func (l *Limiter) forget(name string, t *tenant) {
	if t.inFlight == 0 && len(t.queue) == 0 {
		delete(l.tenants, name)
		t.next, l.free = l.free, t
	}
}

// enqueue puts a request into the queue; nil if it may not wait. In a full
// queue it takes the place of the latest of the tenant with most in it.
func (l *Limiter) enqueue(name string, t *tenant) *waiter {
	if l.waiting >= l.config.Queue && !l.makeRoom(len(t.queue)) {
		l.forget(name, t)
		return nil
	}
	l.arrivals++
	w := &waiter{arrival: l.arrivals, told: make(chan struct{})}
	t.queue = append(t.queue, w)
	l.waiting++
	return w
}

// makeRoom turns away the latest request of the tenant with the longest queue,
// if that is longer than one with another request in it would be.
func (l *Limiter) makeRoom(own int) bool {
	var longest *tenant
	for _, t := range l.tenants {
		if len(t.queue) > own+1 && (longest == nil || len(t.queue) > len(longest.queue)) {
			longest = t
		}
	}
	if longest == nil {
		return false
	}
	last := len(longest.queue) - 1
	l.decide(longest, last, refused)
	return true
}

// decide takes a request out of the queue and tells it why.
func (l *Limiter) decide(t *tenant, i int, f fate) {
	w := t.queue[i]
	t.queue = slices.Delete(t.queue, i, i+1)
	l.waiting--
	w.fate = f
	close(w.told)
}

// leaveQueue takes a request that waits no longer out of the queue.
func (l *Limiter) leaveQueue(name string, w *waiter) {
	t := l.tenants[name]
	l.decide(t, slices.Index(t.queue, w), refused)
	l.forget(name, t)
}

// serve gives free places to those who wait.
func (l *Limiter) serve() {
	for l.waiting > 0 && (l.config.Max == 0 || l.inFlight < l.bound.places()) {
		t := l.poorest()
		l.decide(t, 0, granted)
		l.inFlight++
		t.inFlight++
	}
}

// poorest finds the tenant that waits and has the fewest places; of several the
// one that has waited longest.
func (l *Limiter) poorest() *tenant {
	var best *tenant
	for _, t := range l.tenants {
		switch {
		case len(t.queue) == 0:
		case best == nil, t.inFlight < best.inFlight,
			t.inFlight == best.inFlight && t.queue[0].arrival < best.queue[0].arrival:
			best = t
		}
	}
	return best
}
