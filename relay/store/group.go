package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// maxGroup bounds the writes that share one transaction, and so how long the
// first of them waits for the last.
const maxGroup = 512

// quietYields is how many yields in a row must bring nothing before a group is
// committed. Twice as many bring no more.
const quietYields = 8

// committer is the one writer of a store in this process. Writes that wait at
// the same time share a transaction, and so an fsync, whatever their kind.
type committer struct {
	session *session
	owner   string

	mu     sync.RWMutex // held for reading while a write is being queued
	closed bool
	writes chan *write
	done   chan struct{}
	used   sync.Pool // of *write

	added   []*addition // in the transaction under way
	endings []*ending   // likewise

	failed atomic.Pointer[error] // of the last transaction; nil where it committed

	handoff *handoff // gets what was added; may be nil
}

// write is one piece of work in a group's transaction: one of the first three.
type write struct {
	add    *addition
	ending *ending
	do     func(*tx) error

	result chan error
}

func newCommitter(s *session, owner string, h *handoff) *committer {
	c := &committer{session: s, owner: owner, handoff: h, writes: make(chan *write, maxGroup), done: make(chan struct{})}
	go c.run()
	return c
}

// write runs do within a transaction and returns once it is committed, or has
// failed. The transaction may be shared, and do may run twice: when a shared
// transaction fails, each of its writes is tried again alone, so that none
// fails for its neighbour. When ctx ends first, do may still be committed.
func (s *Store) write(ctx context.Context, do func(*tx) error) error {
	return s.writer.write(ctx, write{do: do})
}

func (c *committer) write(ctx context.Context, what write) error {
	w, ok := c.used.Get().(*write)
	if !ok {
		w = &write{result: make(chan error, 1)}
	}
	what.result = w.result
	*w = what
	if err := c.queue(ctx, w); err != nil {
		return err
	}
	select {
	case err := <-w.result:
		*w = write{result: w.result}
		c.used.Put(w)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) queue(ctx context.Context, w *write) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.writes <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) run() {
	defer close(c.done)
	group := make([]*write, 0, maxGroup)
	for first := range c.writes {
		group = append(group[:0], first)
		c.letOthersQueue()
		for waiting := len(c.writes); waiting > 0 && len(group) < maxGroup; waiting-- {
			group = append(group, <-c.writes)
		}
		c.settle(group)
	}
}

// letOthersQueue yields for as long as that brings more writes. Under load it
// doubles the groups, at little more than the cost of the smaller ones; where
// nothing else runs it takes a microsecond.
func (c *committer) letOthersQueue() {
	for quiet := 0; quiet < quietYields; quiet++ {
		waiting := len(c.writes)
		runtime.Gosched()
		if len(c.writes) > waiting {
			quiet = 0
		}
	}
}

// settle commits a group and answers its writes. Where the connection was lost
// there is a second try over a new one, which finds what the first may have
// committed all the same.
func (c *committer) settle(group []*write) {
	err := c.commit(group)
	again := err != nil && c.session.broken()
	if again {
		err = c.commit(group)
	}
	alone := err != nil && len(group) > 1
	for _, w := range group {
		if alone && !c.session.broken() { // else the rest would wait for the database one by one
			err = c.commit([]*write{w})
		}
		if again && w.add != nil {
			w.add.stored = true // by the first try, if not before
		}
		w.result <- err
	}
}

// commit does the writes of group in one transaction.
func (c *committer) commit(group []*write) error {
	c.added, c.endings = c.added[:0], c.endings[:0]
	for _, w := range group {
		switch {
		case w.add != nil:
			c.added = append(c.added, w.add)
		case w.ending != nil:
			c.endings = append(c.endings, w.ending)
		}
	}
	single := c.session.engine.inOneStatement() && (len(c.added) == len(group) || len(c.endings) == len(group) && !anyMore(c.endings))
	err := c.session.transact(single, func(tx *tx) error { return c.apply(tx, group) })
	if err != nil {
		c.failed.Store(&err)
		return err
	}
	c.failed.Store(nil)
	if c.handoff != nil {
		c.handoff.put(c.added)
	}
	return nil
}

// apply does what comes in numbers for all at once: what the others add, too, so
// that all that is added has ids in one order.
func (c *committer) apply(tx *tx, group []*write) error {
	for _, w := range group {
		if w.do == nil {
			continue
		}
		if err := w.do(tx); err != nil {
			return err
		}
	}
	c.added = append(c.added, tx.added...)
	if len(c.added) > 0 {
		if err := tx.engine.add(tx, c.added); err != nil {
			return err
		}
	}
	if len(c.endings) == 0 {
		return nil
	}
	if err := tx.engine.finish(tx, c.endings, c.owner); err != nil {
		return err
	}
	if err := tx.noteAttachments(c.endings); err != nil {
		return err
	}
	return tx.settleEndings(c.endings)
}

func (c *committer) close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	close(c.writes)
	<-c.done
	return errors.Join(c.session.close(), c.session.db.Close())
}
