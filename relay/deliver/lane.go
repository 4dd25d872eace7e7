package deliver

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ringpost/relay/store"
)

// pollEvery is how often a lane looks into the store though nothing told it to.
const pollEvery = 10 * time.Second

// roomTime is how long one lane may hold up the routing for all.
const roomTime = 100 * time.Millisecond

// lane takes the deliveries of one channel through its workers.
type lane struct {
	name    string
	channel Channel
	parent  *Deliverer
	log     *slog.Logger
	stop    context.Context
	cancel  context.CancelFunc

	room  int                  // for deliveries in memory, those being sent included
	queue chan *store.Delivery // holds that many
	wake  chan struct{}
	roomy chan struct{} // gets a value when half of the room is free

	mu       sync.Mutex
	stopped  bool
	reserved int                 // promised: slots not yet handed over, and the claim under way
	held     map[int64]time.Time // leased until then: in queue or being sent
	behind   bool                // deliveries that are due may be waiting in the store
	due      time.Time           // when the store is to be looked at again
	pause    time.Time           // the provider asked for silence until then
	circuit  circuit
	since    time.Time // when the circuit came to be as it is
	dropped  time.Time // when a delivery was last recorded or given back

	fetchers sync.WaitGroup
	fetching map[int64]time.Time // since when, by delivery; nil before the first
	fetched  map[int64]fetched   // of deliveries that are held

	paused *store.Pause  // by a person; nil unless it is
	halt   chan struct{} // closed while it is

	lastError   string
	lastErrorAt time.Time
}

func newLane(name string, ch Channel, parent *Deliverer) *lane {
	l := &lane{
		name:    name,
		channel: ch,
		parent:  parent,
		log:     parent.log.With("channel", name),
		room:    max(ch.Prefetch, ch.Workers, 1),
		wake:    make(chan struct{}, 1),
		roomy:   make(chan struct{}, 1),
		held:    make(map[int64]time.Time),
		behind:  true,
		since:   parent.store.Now(),
		halt:    make(chan struct{}),
	}
	l.queue = make(chan *store.Delivery, l.room)
	l.stop, l.cancel = context.WithCancel(parent.stop)
	parent.metrics.ChannelUp.WithLabelValues(name).Set(1)
	return l
}

// run works until the lane is stopped, and gives back what was not begun.
func (l *lane) run() {
	var workers sync.WaitGroup
	for range max(l.channel.Workers, 1) {
		workers.Go(l.work)
	}
	l.feed()
	workers.Wait()
	l.fetchers.Wait()
	l.mu.Lock()
	l.stopped = true
	close(l.queue)
	l.mu.Unlock()
	var left []*store.Delivery
	for d := range l.queue {
		left = append(left, d)
	}
	l.release("", left...)
	l.parent.Wake(l.name) // the lane in its place, if there is one
	if err := l.channel.Close(); err != nil {
		l.log.Debug("channel not closed cleanly", "err", err)
	}
}

// feed claims deliveries whenever the lane has room for them.
func (l *lane) feed() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for l.stop.Err() == nil {
		n, until := l.demand(l.now())
		if n > 0 {
			if err := l.claim(n); err != nil && l.stop.Err() == nil {
				l.log.Error("deliveries not claimed", "err", err)
				l.lookAgain(l.now().Add(time.Second))
			}
			continue
		}
		timer.Reset(until.Sub(l.now()))
		select {
		case <-l.stop.Done():
		case <-l.wake:
		case <-timer.C:
		}
	}
}

// demand returns how many deliveries to claim now. Where that is none, it
// returns when to ask again.
func (l *lane) demand(now time.Time) (n int, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.due) {
		l.behind = true
		l.due = now.Add(pollEvery)
	}
	room := l.room - len(l.held) - l.reserved
	switch {
	case l.paused != nil:
		return 0, l.due
	case now.Before(l.pause):
		return 0, l.pause
	case l.circuit.down() && len(l.held) > 0:
		return 0, l.due // a probe is under way
	case l.circuit.down() && now.Before(l.circuit.probeAt):
		return 0, l.circuit.probeAt
	case l.circuit.down():
		n = 1
	case l.behind && l.halfFree():
		n = room // not one by one: a claim is a transaction
	default:
		return 0, l.due
	}
	l.behind = false // before the claim: a wake-up during it must not be lost
	l.reserved += n
	return n, now
}

func (l *lane) claim(n int) error {
	until := l.now().Add(store.Lease) // at least
	claimed, err := l.parent.store.Claim(l.stop, l.name, n)
	l.mu.Lock()
	l.reserved -= n
	fresh := claimed[:0:0]
	for _, d := range claimed {
		// This process may have lost it for being slow, and have it still.
		if _, held := l.held[d.ID]; !held {
			fresh = append(fresh, d)
		}
		l.held[d.ID] = until
	}
	if len(claimed) == n {
		l.behind = true
	}
	if len(claimed) == 0 && l.circuit.down() {
		l.circuit.probeAt = l.now().Add(probeEvery)
	}
	paused := l.paused != nil
	l.mu.Unlock()
	if paused {
		l.release("", fresh...)
		return err
	}
	for _, d := range fresh {
		l.queue <- d
	}
	if err != nil || len(claimed) == n {
		return err
	}
	due, err := l.parent.store.NextDue(l.stop, l.name)
	if err != nil {
		return err
	}
	if !due.IsZero() {
		l.lookAgain(due)
	}
	return nil
}

// lookAgain makes feed look into the store at that time, if not before.
func (l *lane) lookAgain(at time.Time) {
	l.mu.Lock()
	sooner := at.Before(l.due)
	if sooner {
		l.due = at
	}
	l.mu.Unlock()
	if sooner {
		l.signal()
	}
}

func (l *lane) wakeUp() {
	l.mu.Lock()
	l.behind = true
	l.mu.Unlock()
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// reserve promises room for one delivery, unless others wait in the store,
// which come first.
func (l *lane) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || l.behind || l.blocked() || len(l.held)+l.reserved >= l.room {
		return false
	}
	l.reserved++
	return true
}

func (l *lane) free() {
	l.mu.Lock()
	l.reserved--
	l.mu.Unlock()
}

func (l *lane) hand(d *store.Delivery) {
	l.mu.Lock()
	l.reserved--
	stopped := l.stopped
	if !stopped {
		l.held[d.ID] = d.CreatedAt.Add(store.Lease)
		l.queue <- d // within the mutex: run closes the queue
	}
	l.mu.Unlock()
	if stopped {
		l.release("", d)
		l.parent.Wake(l.name)
	}
}

// blocked reports whether no attempt is to begin now. l.mu must be held.
func (l *lane) blocked() bool {
	return l.paused != nil || l.circuit.down() || l.now().Before(l.pause)
}

// drop forgets a delivery that was recorded or given back.
func (l *lane) drop(id int64) {
	l.mu.Lock()
	delete(l.held, id)
	l.forget(id)
	l.dropped = l.now()
	half := l.halfFree()
	hungry := half && l.behind
	l.mu.Unlock()
	if hungry {
		l.signal()
	}
	if half {
		select {
		case l.roomy <- struct{}{}:
		default:
		}
	}
}

// halfFree reports whether the lane has room for a batch. l.mu must be held.
func (l *lane) halfFree() bool { return (l.room-len(l.held)-l.reserved)*2 >= l.room }

// awaitRoom returns when the lane has room for a batch, or will not have it
// soon: because its channel is in trouble, has a rate, or is slow.
func (l *lane) awaitRoom(ctx context.Context) {
	select {
	case <-l.roomy: // of some time ago
	default:
	}
	timeout := time.NewTimer(roomTime)
	defer timeout.Stop()
	l.mu.Lock()
	wait := !l.stopped && !l.blocked() && l.channel.Every == 0 && (l.behind || !l.halfFree()) &&
		l.now().Sub(l.dropped) < roomTime/2
	l.mu.Unlock()
	for wait {
		select {
		case <-ctx.Done():
			return
		case <-timeout.C:
			return
		case <-l.roomy:
			l.mu.Lock()
			wait = l.behind
			l.mu.Unlock()
		}
	}
}

// now is the store's time.
func (l *lane) now() time.Time { return l.parent.store.Now() }

func (l *lane) appendHeld(ids []int64) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.held {
		ids = append(ids, id)
	}
	return ids
}

// renewed notes that the leases of kept were renewed. What the lane holds and is
// not among them has gone to another process, or was never this one's.
func (l *lane) renewed(kept []int64, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range kept {
		if _, held := l.held[id]; held {
			l.held[id] = until
		}
	}
}
