// Package deliver takes deliveries from the store to their channels. Each
// channel has a lane of its own (lane.go), so that the trouble of one delays no
// other: its workers, its rate, and its circuit (circuit.go), which stops
// attempts while the channel is down and probes it. backoff.go says when a
// failed delivery is tried again. A person may pause a channel (pause.go); what
// is known of the channels is in status.go, and where a delivery stands is put
// into words in why.go. What a provider says later of what it accepted comes by
// receipt.go. The recording that goes with an email is fetched before the attempt
// (attach.go).
//
// A fresh delivery comes straight from the router if its lane has room: then
// it was stored as leased. Everything else waits in the store and is claimed in
// batches, so that memory stays bounded however many wait.
package deliver

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/metrics"
	"ringpost/relay/store"
)

// drainTime is how long sends under way may take once the service stops.
const drainTime = 20 * time.Second

// Channel is a channel and how its lane uses it.
type Channel struct {
	channel.Channel
	Workers  int           // sends at once
	Prefetch int           // deliveries held in memory, those being sent included; at least Workers
	Every    time.Duration // from one send to the next, on all nodes together; 0 does not limit them
	Domain   string        // the right-hand side of Message-IDs

	// LookAfter is how long after an attempt whose outcome is not known the
	// provider can say what came of it, where it must be asked before the next
	// one. Asked sooner, it may be about to accept what it says it has not.
	LookAfter time.Duration
}

// Deliverer runs the lanes. Its methods may be called at once.
type Deliverer struct {
	store   *store.Store
	log     *slog.Logger
	metrics *metrics.Metrics
	fetch   Fetch // nil where no recordings are fetched

	policy  atomic.Pointer[Policy]
	pausing sync.Mutex // held while pauses are read and followed; comes before mu
	mu      sync.Mutex
	lanes   map[string]*lane
	running sync.WaitGroup
	stop    context.Context // ended when no more attempts are to begin
	abort   context.Context // ended when attempts under way are to end
}

// New returns a deliverer without channels. It works until ctx ends; see
// [Deliverer.Drain].
func New(ctx context.Context, s *store.Store, m *metrics.Metrics, log *slog.Logger) *Deliverer {
	abort, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })
	d := &Deliverer{store: s, log: log, metrics: m, lanes: make(map[string]*lane), stop: ctx, abort: abort}
	d.running.Go(d.keep)
	return d
}

// Configure puts policy and channels in place of those before, and takes up what
// processes that are gone have left. A channel that is the same as before is
// left alone; a lane whose channel is replaced finishes what is being sent and
// gives the rest back. Deliveries that wait for a channel that is not among
// channels keep waiting, and are given up when their time is over. Channels that
// are paused stay so.
func (d *Deliverer) Configure(ctx context.Context, policy Policy, channels map[string]Channel) error {
	if err := d.recover(ctx, maps.All(channels)); err != nil {
		return err
	}
	waiting, err := d.store.WaitingChannels(ctx)
	if err != nil {
		return err
	}
	d.pausing.Lock()
	defer d.pausing.Unlock()
	pauses, err := d.pauses(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.policy.Store(&policy)
	old := d.lanes
	d.lanes = make(map[string]*lane)
	for name, ch := range channels {
		if l, ok := old[name]; ok && l.channel == ch {
			d.lanes[name] = l
			delete(old, name)
			continue
		}
		d.lanes[name] = d.start(name, ch, pauses[name])
	}
	for _, name := range waiting {
		if _, ok := d.lanes[name]; !ok {
			d.log.Error("deliveries wait for a channel that is not configured", "channel", name)
			d.lanes[name] = d.start(name, Channel{Channel: channel.Missing(name), Workers: 1, Prefetch: 1}, pauses[name])
		}
	}
	for name, l := range old {
		l.cancel()
		if _, ok := d.lanes[name]; !ok {
			d.metrics.ChannelUp.DeleteLabelValues(name)
		}
	}
	return nil
}

// start must be called with d.mu held.
func (d *Deliverer) start(name string, ch Channel, pause *store.Pause) *lane {
	l := newLane(name, ch, d)
	l.follow(pause)
	d.running.Go(l.run)
	return l
}

// Reserve asks the channel's lane for room for one delivery. Where it returns a
// slot, the delivery is to be stored as [store.Sending] and handed over with
// [Slot.Hand], or the slot given back with [Slot.Free]. Where it returns nil,
// the delivery is to be stored as [store.Queued].
func (d *Deliverer) Reserve(channel string) *Slot {
	d.mu.Lock()
	l := d.lanes[channel]
	d.mu.Unlock()
	if l == nil || !l.reserve() {
		return nil
	}
	return &Slot{l}
}

// AwaitRoom returns when the channel's lane has room for a batch, within a tenth
// of a second. What waits to be routed costs less than what waits to be sent,
// and what is handed over is not written a second time; so it pays not to run
// ahead of a lane that is fast. It does not wait for one that is not.
func (d *Deliverer) AwaitRoom(ctx context.Context, channel string) {
	d.mu.Lock()
	l := d.lanes[channel]
	d.mu.Unlock()
	if l != nil {
		l.awaitRoom(ctx)
	}
}

// Wake makes the channel's lane look for deliveries in the store.
func (d *Deliverer) Wake(channel string) {
	d.mu.Lock()
	l := d.lanes[channel]
	d.mu.Unlock()
	if l != nil {
		l.wakeUp()
	}
}

// GiveUpAfter is how long a delivery may be tried.
func (d *Deliverer) GiveUpAfter() time.Duration { return d.policy.Load().GiveUpAfter }

// Drain returns when all lanes have stopped, after the context given to New has
// ended: what was being sent is recorded, the rest given back.
func (d *Deliverer) Drain() {
	<-d.stop.Done()
	d.running.Wait()
}

// keep keeps the leases of what the lanes hold, takes up what was leased to
// processes that are gone, and follows what other nodes have paused.
func (d *Deliverer) keep() {
	tick := time.NewTicker(store.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-d.stop.Done():
			return
		case <-tick.C:
		}
		if err := d.renew(); err != nil && d.stop.Err() == nil {
			d.log.Error("leases not renewed", "err", err)
		}
		if err := d.recover(d.stop, d.channels); err != nil && d.stop.Err() == nil {
			d.log.Error("leases not recovered", "err", err)
		}
		if err := d.FollowPauses(d.stop); err != nil && d.stop.Err() == nil {
			d.log.Error("pauses not followed: channels stay as they are", "err", err)
		}
	}
}

// channels yields the channels in use, by name.
func (d *Deliverer) channels(yield func(string, Channel) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, l := range d.lanes {
		if !yield(name, l.channel) {
			return
		}
	}
}

// all returns the lanes in use.
func (d *Deliverer) all() []*lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.lanes))
}

func (d *Deliverer) renew() error {
	until := d.store.Now().Add(store.Lease) // at least
	lanes := d.all()
	var held []int64
	for _, l := range lanes {
		held = l.appendHeld(held)
	}
	if len(held) == 0 {
		return nil
	}
	kept, err := d.store.Renew(d.stop, held)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		l.renewed(kept, until)
	}
	return nil
}

// recover takes up what was leased to processes that are gone.
func (d *Deliverer) recover(ctx context.Context, channels iter.Seq2[string, Channel]) error {
	pause := make(map[string]time.Duration)
	for name, ch := range channels {
		if ch.LookAfter > 0 {
			pause[name] = ch.LookAfter
		}
	}
	recovered, err := d.store.Recover(ctx, pause)
	if err != nil {
		return err
	}
	if len(recovered) > 0 {
		d.log.Warn("deliveries that were on their way when a process ended are taken up again", "count", len(recovered))
	}
	slices.Sort(recovered)
	for _, name := range slices.Compact(recovered) {
		d.Wake(name)
	}
	return nil
}

// Slot is room for one delivery in a lane.
type Slot struct{ lane *lane }

// Hand gives the lane a delivery that was stored as leased to it.
func (s *Slot) Hand(d *store.Delivery) { s.lane.hand(d) }

// Free gives the room back unused.
func (s *Slot) Free() { s.lane.free() }
