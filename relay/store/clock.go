package store

import (
	"sync/atomic"
	"time"
)

// clock tells the database's time on this machine. Between two looks at the
// database it goes on with the monotonic clock, so that neither a machine whose
// clock is wrong nor one that is set while the service runs moves a deadline.
type clock struct{ last atomic.Pointer[look] }

// look is the database's time beside this machine's, at one moment.
type look struct{ here, there time.Time }

// set notes that the database said there at the moment here, which must have a
// monotonic reading.
func (c *clock) set(here, there time.Time) {
	c.last.Store(&look{here, there.Round(0)})
}

// at returns the database's time at the moment here; zero where that is zero.
func (c *clock) at(here time.Time) time.Time {
	if here.IsZero() {
		return here
	}
	last := c.last.Load()
	return last.there.Add(here.Sub(last.here))
}

func (c *clock) now() time.Time { return c.at(time.Now()) }
