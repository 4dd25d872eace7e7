package deliver

import "time"

const (
	// tripAfter is how many channel-level failures in a row take a channel down.
	tripAfter = 5
	// probeEvery is how often a channel that is down is tried with one delivery.
	probeEvery = 5 * time.Second
)

// circuit decides whether a channel is tried. It is not safe for use at once.
type circuit struct {
	failures int // in a row
	probeAt  time.Time
}

func (c *circuit) down() bool { return c.failures >= tripAfter }

// failed notes trouble of the channel itself and reports whether that took it
// down.
func (c *circuit) failed(now time.Time) (tripped bool) {
	c.failures++
	if !c.down() {
		return false
	}
	c.probeAt = now.Add(probeEvery)
	return c.failures == tripAfter
}

// answered notes that the channel did its part, whatever it said of the
// message, and reports whether it was down until now.
func (c *circuit) answered() (recovered bool) {
	recovered = c.down()
	c.failures = 0
	return recovered
}
