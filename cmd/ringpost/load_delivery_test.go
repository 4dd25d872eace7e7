package main_test

import (
	"testing"
	"time"
)

// loadConnections is how many connections to the mail server are used.
const loadConnections = 16

// measureDelivery measures deliveries a second, in turns with a bare loop that
// sends the same message over as many connections to the same mail server.
func measureDelivery(t *testing.T, r *report, kind storeKind, s *server, in *inbox, noStore float64) {
	t.Helper()
	const rounds, perRound = 3, 20_000
	var bare, drained, whole []float64
	for range rounds {
		bare = append(bare, runBareLoop(t, in, perRound))
		drained = append(drained, drain(t, s, in, perRound))
		whole = append(whole, deliver(t, s, in, perRound))
	}
	r.note("messages/s of a bare loop of go-mail", "%.0f", median(bare))
	r.note("deliveries/s, draining", "%.0f", median(drained))
	r.atLeast("draining beside the bare loop", "%.2f", kind.draining, ratio(drained, bare))
	r.note("deliveries/s, intake included", "%.0f", median(whole))
	r.note("the same beside the bare loop", "%.2f", ratio(whole, bare))
	r.atLeast("the same beside callbacks without a store", "%.3f", kind.whole, median(whole)/noStore)
}

// drain lets n deliveries wait for the mail server, and returns how fast it gets
// them, from the first to the last. The mail server lets its clients wait
// meanwhile, for less than they are patient, so that the channel is not taken
// to be down and the time until the next probe is no part of it.
func drain(t *testing.T, s *server, in *inbox, n int) (perSecond float64) {
	t.Helper()
	in.expect(n)
	in.door.Lock()
	acknowledged(t, s.callbacks, 64, finished(n))
	eventually(t, "the callbacks are routed", time.Minute, s.routed)
	in.door.Unlock()
	first, last := in.wait(t)
	s.mustBeIdle(in)
	return float64(n-1) / last.Sub(first).Seconds()
}

// deliver returns how fast n callbacks become accepted emails, from the first
// callback on.
func deliver(t *testing.T, s *server, in *inbox, n int) (perSecond float64) {
	t.Helper()
	all := finished(n)
	in.expect(n)
	start := time.Now()
	acknowledged(t, s.callbacks, 64, all)
	_, last := in.wait(t)
	s.mustBeIdle(in)
	return float64(n) / last.Sub(start).Seconds()
}

// measureLatency measures from the sending of a callback to the acceptance of
// its email.
func measureLatency(t *testing.T, r *report, kind storeKind, s *server, in *inbox) {
	t.Helper()
	const n = 500
	took := latencies(t, s, in, n)
	r.atMost("callback to acceptance at 50/s, p50", "%.2f ms", kind.p50, milliseconds(took[n/2]))
	r.atMost("callback to acceptance at 50/s, p99", "%.2f ms", kind.p99, milliseconds(took[n*99/100]))
}

// mustBeIdle waits until nothing is left to do, and fails where an email was
// sent twice.
func (s *server) mustBeIdle(in *inbox) {
	s.t.Helper()
	eventually(s.t, "every delivery is finished", time.Minute, s.idle)
	in.mustBeExact(s.t)
}

// idle reports whether every callback is routed and every delivery finished.
func (s *server) idle() bool {
	if !s.routed() {
		return false
	}
	for _, state := range []string{"queued", "sending", "retrying"} {
		if len(s.deliveries("state="+state)) > 0 {
			return false
		}
	}
	return true
}
