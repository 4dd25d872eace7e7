package deliver

import (
	"cmp"
	"slices"
	"time"

	"ringpost/relay/store"
)

// Status is what this node knows of a channel.
type Status struct {
	Channel string
	Down    bool      // it is only probed
	Since   time.Time // it is down, or up; on this node
	// LastError is what went wrong last with a message, if anything did, whether
	// that was the channel's trouble or the recipient's.
	LastError   string
	LastErrorAt time.Time
	Pause       *store.Pause // nil unless it is paused
}

// Overview is a channel with what is configured for it and what waits.
type Overview struct {
	Status
	Kind    string    // empty where the configuration has no such channel
	Rate    string    // as configured, such as 4/s; empty where there is none
	Waiting int       // unfinished deliveries, counted up to a bound
	Oldest  time.Time // when the oldest of them was made; zero where there is none
}

// Status returns what is known of each channel, by name: of those that are
// configured, and of those that are not and for which deliveries wait.
func (d *Deliverer) Status() []Status {
	var all []Status
	for _, l := range d.all() {
		all = append(all, l.status())
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Channel, b.Channel) })
	return all
}

func (l *lane) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Status{Channel: l.name, Down: l.circuit.down(), Since: l.since,
		LastError: l.lastError, LastErrorAt: l.lastErrorAt, Pause: l.paused}
}
