package deliver

import (
	"context"

	"ringpost/relay/store"
)

// FollowPauses reads which channels are paused, and has their lanes send nothing
// until that ends: they give back what they hold, and give nothing up. It is
// called by itself whenever leases are renewed; whoever pauses a channel need not
// wait for that.
func (d *Deliverer) FollowPauses(ctx context.Context) error {
	d.pausing.Lock() // until they are followed, or what was read before could undo it
	defer d.pausing.Unlock()
	pauses, err := d.pauses(ctx)
	if err != nil {
		return err
	}
	for _, l := range d.all() {
		l.follow(pauses[l.name])
	}
	return nil
}

// pauses returns the pauses there are, by channel.
func (d *Deliverer) pauses(ctx context.Context) (map[string]*store.Pause, error) {
	list, err := d.store.Paused(ctx)
	if err != nil {
		return nil, err
	}
	pauses := make(map[string]*store.Pause, len(list))
	for _, p := range list {
		pauses[p.Channel] = &p
	}
	return pauses, nil
}

// follow begins a pause or, where it is nil, ends the one there is.
func (l *lane) follow(pause *store.Pause) {
	l.mu.Lock()
	before := l.paused
	l.paused = pause
	switch {
	case before == nil && pause != nil:
		close(l.halt)
	case before != nil && pause == nil:
		l.halt = make(chan struct{})
	}
	l.mu.Unlock()
	switch {
	case before == nil && pause != nil:
		l.log.Info("channel is paused", "by", pause.By)
		l.giveBack()
	case before != nil && pause == nil:
		l.log.Info("channel is resumed")
		l.wakeUp()
	}
}

// giveBack gives back what no worker has taken yet.
func (l *lane) giveBack() {
	var left []*store.Delivery
	for waiting := true; waiting; {
		select {
		case d, open := <-l.queue:
			if waiting = open; open {
				left = append(left, d)
			}
		default:
			waiting = false
		}
	}
	l.release("", left...)
}

// halted returns what is closed once the lane is paused.
func (l *lane) halted() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.halt
}
