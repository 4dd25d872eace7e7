package lookup

import (
	"context"
	"errors"
	"sync"

	"ringpost/relay/callback"
)

// maxCalls bounds the calls that are remembered. What the provider says of who
// called does not change, and the callbacks of one call come within its length.
const maxCalls = 1000

// calls remembers what was said of calls. It may be used at once.
type calls struct {
	ask func(ctx context.Context, sid string) (*callback.Call, error)

	mu    sync.Mutex
	known map[string]*callback.Call
	order []string // of known, the oldest first
	asked map[string]*question
}

// question is one that is under way.
type question struct {
	done chan struct{} // closed once it is answered
	call *callback.Call
	err  error
}

func newCalls(ask func(ctx context.Context, sid string) (*callback.Call, error)) *calls {
	return &calls{ask: ask, known: make(map[string]*callback.Call), asked: make(map[string]*question)}
}

// errPatience says that another's question took too long.
var errPatience = errors.New("no answer in time")

// get returns what the provider says of a call. Whoever asks about the same one
// meanwhile gets the same answer, or the same error.
func (c *calls) get(ctx context.Context, sid string) (*callback.Call, error) {
	c.mu.Lock()
	if call, ok := c.known[sid]; ok {
		c.mu.Unlock()
		return call, nil
	}
	q, ok := c.asked[sid]
	if ok {
		c.mu.Unlock()
		select {
		case <-q.done:
			return q.call, q.err
		case <-ctx.Done():
			return nil, errPatience
		}
	}
	q = &question{done: make(chan struct{})}
	c.asked[sid] = q
	c.mu.Unlock()

	q.call, q.err = c.ask(ctx, sid)
	c.mu.Lock()
	delete(c.asked, sid)
	if q.err == nil {
		c.remember(sid, q.call)
	}
	c.mu.Unlock()
	close(q.done)
	return q.call, q.err
}

// remember must be called with c.mu held.
func (c *calls) remember(sid string, call *callback.Call) {
	if len(c.order) == maxCalls {
		delete(c.known, c.order[0])
		c.order = append(c.order[:0], c.order[1:]...)
	}
	c.known[sid] = call
	c.order = append(c.order, sid)
}
