package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/render"
	"ringpost/relay/store"
)

// work makes attempts, one after the other, until the lane is stopped. The
// outcome of one is committed while the next message is sent, and before its
// outcome is known, so that a crash repeats at most two messages a worker.
func (l *lane) work() {
	committed := make(chan struct{}, 1) // holds a value unless an outcome is being committed
	committed <- struct{}{}
	for {
		select {
		case <-l.stop.Done():
			<-committed
			return
		case d := <-l.queue:
			l.attempt(d, committed)
		}
	}
}

// attempt makes one attempt at a held delivery and begins to record what came of
// it, once the outcome before is committed.
func (l *lane) attempt(d *store.Delivery, committed chan struct{}) {
	carries := d.Attach.Format != ""
	if carries && l.mayAttempt(d) && d.Held(l.now()).IsZero() && !l.hasRecording(d) {
		return
	}
	if !l.mayAttempt(d) || !l.awaitTurn() || !l.mayAttempt(d) {
		l.release("", d)
		return
	}
	if until := d.Held(l.now()); !until.IsZero() {
		l.putOff(d, until)
		return
	}
	m, o := l.message(d), &store.Outcome{State: store.Delivered, Receipts: d.Kind == render.SMS}
	if carries {
		if err := l.attach(m, d, o); err != nil {
			l.awaitRecording(d, err, committed)
			return
		}
	}
	var err error
	o.StartedAt = time.Now()
	o.ProviderID, err = l.channel.Send(l.parent.abort, m)
	o.Took = time.Since(o.StartedAt)
	if err != nil {
		o.Err, o.Attached, o.LeftOut = err.Error(), 0, ""
	}
	down := l.observe(err)
	if down && channel.ClassOf(err) == channel.ChannelDown && l.now().Before(d.GiveUpAt) {
		// The channel is known to be down, and nothing was tried with this message.
		l.release(o.Err, d)
	} else {
		l.decide(d, o, err)
		l.recordLater(d, o, committed)
	}
	if down {
		l.expire(o.Err)
	}
}

// recordLater records what came of an attempt while the next one is made.
func (l *lane) recordLater(d *store.Delivery, o *store.Outcome, committed chan struct{}) {
	<-committed
	go func() {
		l.record(d, *o)
		committed <- struct{}{}
	}()
}

// mayAttempt reports whether an attempt may begin: not once the lane is to stop,
// nor while it is paused, nor when the lease is over. While the channel is down only the probe may, and
// it is alone.
func (l *lane) mayAttempt(d *store.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.stop.Err() != nil || l.paused != nil || now.Before(l.pause) || !now.Before(l.held[d.ID]) {
		return false
	}
	return !l.circuit.down() || len(l.held) == 1 && !now.Before(l.circuit.probeAt)
}

// awaitTurn returns when the channel's rate lets one more message go, or false
// where that cannot be waited for.
func (l *lane) awaitTurn() bool {
	if l.channel.Every == 0 {
		return true
	}
	halted := l.halted()
	at, err := l.parent.store.Book(l.stop, l.name, l.channel.Every)
	if err != nil {
		if l.stop.Err() == nil {
			l.log.Error("no time to send at", "err", err)
			l.sleep(time.Second)
		}
		return false
	}
	timer := time.NewTimer(at.Sub(l.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-halted:
		return false
	case <-l.stop.Done():
		return false
	}
}

func (l *lane) message(d *store.Delivery) *channel.Message {
	m := &channel.Message{
		ID:      fmt.Sprintf("%d.%d@%s", d.ID, d.CreatedAt.UnixMicro(), l.channel.Domain),
		To:      d.To,
		Subject: d.Subject,
		Text:    d.Text,
		HTML:    d.HTML,

		Delivery: d.ID,

		RecordingURL: d.RecordingURL,
		Age:          l.now().Sub(d.CreatedAt),
	}
	if d.Unsure {
		m.UnsureFor = max(l.now().Sub(d.CreatedAt), 1)
	}
	return m
}

// observe draws from a send what it says of the channel, and reports whether
// the channel is down.
func (l *lane) observe(err error) (down bool) {
	var wait time.Duration
	if e, ok := errors.AsType[*channel.Error](err); ok {
		wait = e.Wait
	}
	l.mu.Lock()
	now := l.now()
	if err != nil {
		l.lastError, l.lastErrorAt = err.Error(), now
	}
	if wait > 0 {
		l.pause = now.Add(min(wait, l.parent.policy.Load().MaxRetry))
	}
	var tripped, recovered bool
	switch channel.ClassOf(err) {
	case channel.ChannelDown, channel.OutcomeUnsure:
		tripped = l.circuit.failed(now)
	default:
		if recovered = l.circuit.answered(); recovered {
			l.behind = true
		}
	}
	if tripped || recovered {
		l.since = now
	}
	down = l.circuit.down()
	l.mu.Unlock()
	switch {
	case tripped:
		l.parent.metrics.ChannelUp.WithLabelValues(l.name).Set(0)
		l.log.Error("channel is down", "err", err)
	case recovered:
		l.parent.metrics.ChannelUp.WithLabelValues(l.name).Set(1)
		l.log.Info("channel is up again")
		l.signal()
	}
	return down
}

// decide fills in the state that follows from the failure err, which may be nil.
func (l *lane) decide(d *store.Delivery, o *store.Outcome, err error) {
	if err == nil {
		return
	}
	switch channel.ClassOf(err) {
	case channel.Refused:
		o.State = store.Dead
		return
	case channel.OutcomeUnknown:
		o.State = store.Unknown
		return
	case channel.OutcomeUnsure:
		o.Unsure = true
	default:
		o.Unsure = d.Unsure
	}
	now := l.now()
	if channel.ClassOf(err) == channel.OutcomeUnsure {
		o.NextAttemptAt = now.Add(l.channel.LookAfter)
	}
	switch {
	case now.Before(d.GiveUpAt):
		o.State = store.Retrying
		o.NextAttemptAt = later(o.NextAttemptAt, now.Add(l.parent.policy.Load().retryIn(d.Attempts+1)))
		if e, ok := errors.AsType[*channel.Error](err); ok {
			o.NextAttemptAt = later(o.NextAttemptAt, now.Add(e.Wait))
		}
		if o.NextAttemptAt.After(d.GiveUpAt) {
			o.NextAttemptAt = d.GiveUpAt // the last one
		}
		o.NextAttemptAt = d.Quiet.Until(o.NextAttemptAt)
	case o.Unsure:
		o.State = store.Unknown
	default:
		o.State = store.Dead
		o.Err = givenUp(d, o.Err)
	}
}

// record commits the outcome, however long that takes: what was accepted must
// not be sent again.
func (l *lane) record(d *store.Delivery, o store.Outcome) {
	l.count(d, o)
	for {
		err := l.parent.store.Finish(context.WithoutCancel(l.stop), d, o)
		if err == nil {
			l.parent.countReceipt(d, o.State)
			break
		}
		l.log.Error("delivery not recorded: it will be tried again", "delivery", d.ID, "err", err)
		if errors.Is(err, store.ErrClosed) || !l.sleep(time.Second) {
			break
		}
	}
	if o.State == store.Retrying {
		l.lookAgain(o.NextAttemptAt)
	}
	l.drop(d.ID)
}

// count notes the outcome in metrics and log.
func (l *lane) count(d *store.Delivery, o store.Outcome) {
	m, result := l.parent.metrics, string(o.State)
	level, text, more := slog.LevelError, "", slog.String("err", o.Err)
	switch o.State {
	case store.Delivered:
		m.EndToEnd.WithLabelValues(l.name).Observe(l.now().Sub(d.ReceivedAt).Seconds())
		level, text, more = slog.LevelInfo, "delivered", slog.String("took", o.Took.Round(time.Microsecond).String())
	case store.Retrying:
		result = "retried"
		level, text = slog.LevelWarn, "delivery failed: it will be tried again"
	case store.Dead:
		text = "delivery is dead"
	case store.Unknown:
		text = "delivery may or may not have arrived: a person must decide"
	}
	m.Deliveries.WithLabelValues(l.name, result).Inc()
	m.DeliveryDuration.WithLabelValues(l.name).Observe(o.Took.Seconds())
	l.log.LogAttrs(l.stop, level, text, slog.Int64("delivery", d.ID), slog.String("recording", d.Recording),
		slog.String("rule", d.Rule), slog.Int("attempt", d.Attempts+1), more)
}

// release gives deliveries back as they were before they were claimed. Where that
// fails they are taken up again once their leases are over.
func (l *lane) release(reason string, deliveries ...*store.Delivery) {
	if len(deliveries) == 0 {
		return
	}
	ids := make([]int64, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID
	}
	if err := l.parent.store.Release(context.WithoutCancel(l.stop), ids, reason); err != nil {
		l.log.Error("deliveries not given back: they wait until their leases are over", "count", len(ids), "err", err)
	}
	l.mu.Lock()
	l.behind = true
	l.mu.Unlock()
	for _, id := range ids {
		l.drop(id)
	}
}

// putOff gives a delivery back until its quiet hours end. Where that fails it is
// taken up again once its lease is over, and put off then.
func (l *lane) putOff(d *store.Delivery, until time.Time) {
	if err := l.parent.store.PutOff(context.WithoutCancel(l.stop), d.ID, until); err != nil {
		l.log.Error("delivery not put off: it waits until its lease is over", "delivery", d.ID, "err", err)
	}
	l.lookAgain(until)
	l.drop(d.ID)
}

// expire gives up what has waited for the channel for too long, unless a person
// has it wait.
func (l *lane) expire(reason string) {
	l.mu.Lock()
	paused := l.paused != nil
	l.mu.Unlock()
	if paused {
		return
	}
	n, err := l.parent.store.Expire(l.stop, l.name, "given up while the channel was down: "+reason)
	if err != nil && l.stop.Err() == nil {
		l.log.Error("deliveries not given up", "err", err)
	}
	if n > 0 {
		l.log.Error("deliveries are dead", "count", n, "err", reason)
		l.parent.metrics.Deliveries.WithLabelValues(l.name, string(store.Dead)).Add(float64(n))
	}
}

// sleep reports whether d has passed before attempts under way are to end.
func (l *lane) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.parent.abort.Done():
		return false
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func givenUp(d *store.Delivery, reason string) string {
	return fmt.Sprintf("given up after %v: %s", d.GiveUpAt.Sub(d.CreatedAt).Round(time.Second), reason)
}
