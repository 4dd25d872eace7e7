package deliver

import (
	"math/rand/v2"
	"time"
)

// Policy says how long and how often a delivery is tried.
type Policy struct {
	FirstRetry  time.Duration // after the first failed attempt; it doubles with each
	MaxRetry    time.Duration // at most, between two attempts
	GiveUpAfter time.Duration // in all
}

// jitter spreads retries by this part up and down, so that what failed together
// is not tried again together.
const jitter = 0.2

// retryIn returns how long to wait after that many failed attempts.
func (p Policy) retryIn(attempts int) time.Duration {
	wait := p.MaxRetry
	if doublings := attempts - 1; doublings < 32 {
		wait = min(p.FirstRetry<<doublings, p.MaxRetry)
	}
	spread := 1 + jitter*(2*rand.Float64()-1)
	return min(time.Duration(float64(wait)*spread), p.MaxRetry)
}
