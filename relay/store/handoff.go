package store

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxHandedOff bounds the callbacks that are kept for the router in memory.
	maxHandedOff = 1024
	// lookEvery is how often the table is looked at all the same.
	lookEvery = 5 * time.Second
)

// handoff passes callbacks that were just stored on to the router, which need
// not read them again. The table is the truth: where the router does not keep
// up, it goes back to reading.
type handoff struct {
	mu      sync.Mutex
	waiting []Stored  // the ones added last, by id
	behind  bool      // older ones may wait in the table, and waiting is empty
	looked  time.Time // when the table was last looked at
}

// put passes on callbacks whose transaction was committed.
func (h *handoff) put(added []*addition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range added {
		if !a.stored || h.behind {
			continue
		}
		cb := *a.Callback
		cb.ReceivedAt, cb.Call = fromMicros(a.receivedAt), nil // as it is in the table
		h.waiting = append(h.waiting, Stored{ID: a.id, Callback: &cb})
	}
	if len(h.waiting) > maxHandedOff {
		h.fallBehind()
	}
}

// take returns the oldest callbacks that wait to be routed, at most n. look
// reads them from the table.
func (h *handoff) take(n int, look func(n int) ([]Stored, error)) ([]Stored, error) {
	h.mu.Lock()
	if !h.behind && (len(h.waiting) > 0 || time.Since(h.looked) < lookEvery) {
		taken := slices.Clone(h.waiting[:min(n, len(h.waiting))])
		h.waiting = slices.Delete(h.waiting, 0, len(taken))
		h.mu.Unlock()
		return taken, nil
	}
	// What is added from here on may or may not be seen by look.
	h.behind, h.looked = false, time.Now()
	h.mu.Unlock()

	found, err := look(n)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || len(found) == n { // there may be more
		h.fallBehind()
	} else if len(found) > 0 {
		last := found[len(found)-1].ID
		h.waiting = slices.DeleteFunc(h.waiting, func(cb Stored) bool { return cb.ID <= last })
	}
	return found, err
}

// failed says that what was taken was not routed.
func (h *handoff) failed() {
	h.mu.Lock()
	h.fallBehind()
	h.mu.Unlock()
}

// fallBehind must be called with h.mu held.
func (h *handoff) fallBehind() {
	h.behind = true
	clear(h.waiting)
	h.waiting = h.waiting[:0]
}
