package channel

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// idleTime is how long an unused connection is kept. Many servers end those that
// are idle for longer.
const idleTime = time.Minute

// pool keeps connections for the next message. Its methods may be called at
// once.
type pool struct {
	slots chan struct{} // holds one for each connection in use

	mu     sync.Mutex
	idle   []*connection // the one used last at the end
	closed bool
}

func newPool(size int) *pool { return &pool{slots: make(chan struct{}, size)} }

// take waits until one more connection may be used, and returns an idle one, or
// nil if a new one is to be made. Either is to be given back with put.
func (p *pool) take(ctx context.Context, deadline time.Time) (*connection, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a connection: %w", ctx.Err())
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil, nil
	}
	c := p.idle[last]
	c.retire.Stop()
	p.idle = slices.Delete(p.idle, last, last+1)
	return c, nil
}

// put gives c back, which may be nil.
func (p *pool) put(c *connection) {
	if c != nil && !p.keep(c) {
		c.close()
	}
	<-p.slots
}

func (p *pool) keep(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !c.reusable() {
		return false
	}
	p.idle = append(p.idle, c)
	if c.retire == nil {
		c.retire = time.AfterFunc(idleTime, func() { p.retire(c) })
	} else {
		c.retire.Reset(idleTime)
	}
	return true
}

// retire closes c if it is idle.
func (p *pool) retire(c *connection) {
	p.mu.Lock()
	at := slices.Index(p.idle, c)
	if at >= 0 {
		p.idle = slices.Delete(p.idle, at, at+1)
	}
	p.mu.Unlock()
	if at >= 0 {
		c.close()
	}
}

// close closes idle connections, and those in use once they are given back.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range idle {
		c.retire.Stop()
		closing.Go(c.close)
	}
	closing.Wait()
}
