package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/channel"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/store"
)

var policy = deliver.Policy{FirstRetry: 5 * time.Second, MaxRetry: time.Hour, GiveUpAfter: 72 * time.Hour}

// scripted is a channel that answers as a test wants it to.
type scripted struct {
	answer func(m *channel.Message) error
	see    func(m *channel.Message) // what is sent, while that can be read; may be nil

	mu    sync.Mutex
	sent  []channel.Message
	times []time.Time
}

func (c *scripted) Send(_ context.Context, m *channel.Message) (string, error) {
	if c.see != nil {
		c.see(m)
	}
	c.mu.Lock()
	c.sent = append(c.sent, *m)
	c.times = append(c.times, time.Now())
	answer := c.answer
	c.mu.Unlock()
	if answer == nil {
		return "provider-" + m.To, nil
	}
	return "", answer(m)
}

func (c *scripted) Close() error { return nil }

func (c *scripted) script(answer func(*channel.Message) error) {
	c.mu.Lock()
	c.answer = answer
	c.mu.Unlock()
}

// count returns how many attempts there were.
func (c *scripted) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

// attempts returns when the channel was asked to send to a recipient.
func (c *scripted) attempts(to string) (times []time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.sent {
		if m.To == to {
			times = append(times, c.times[i])
		}
	}
	return times
}

// bench is a deliverer over a real store, within a synctest bubble.
type bench struct {
	t         *testing.T
	store     *store.Store
	deliverer *deliver.Deliverer
	stop      func()
	callbacks int
}

func newBench(t *testing.T, channels map[string]deliver.Channel) *bench {
	t.Helper()
	return newBenchWith(t, policy, channels)
}

func newBenchWith(t *testing.T, policy deliver.Policy, channels map[string]deliver.Channel) *bench {
	t.Helper()
	return newBenchFetching(t, policy, nil, channels)
}

func newBenchFetching(t *testing.T, policy deliver.Policy, fetch deliver.Fetch, channels map[string]deliver.Channel) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := deliver.New(ctx, s, metrics.New("test"), slog.New(slog.NewTextHandler(io.Discard, nil)))
	d.FetchBy(fetch)
	b := &bench{t: t, store: s, deliverer: d, stop: sync.OnceFunc(func() {
		cancel()
		d.Drain()
	})}
	if err := d.Configure(ctx, policy, channels); err != nil {
		t.Fatalf("Configure: %v", err)
	}
	t.Cleanup(func() {
		b.stop()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// route stores one callback with a delivery to each recipient, as the router
// does, and returns their ids.
func (b *bench) route(channelName string, recipients ...string) (ids []int64) {
	b.t.Helper()
	return b.routeAs(func(*store.Delivery) {}, channelName, recipients...)
}

// routeAs is route for deliveries that are made otherwise.
func (b *bench) routeAs(as func(*store.Delivery), channelName string, recipients ...string) (ids []int64) {
	b.t.Helper()
	var deliveries []*store.Delivery
	slots := map[*store.Delivery]*deliver.Slot{}
	for _, to := range recipients {
		d := &store.Delivery{Rule: "r", Channel: channelName, Kind: "email", To: to, Subject: "s", Text: "t", State: store.Queued}
		as(d)
		if slot := b.deliverer.Reserve(channelName); slot != nil {
			d.State = store.Sending
			slots[d] = slot
		}
		deliveries = append(deliveries, d)
	}
	b.routeAll(deliveries...)
	for _, d := range deliveries {
		ids = append(ids, d.ID)
		if slot := slots[d]; slot != nil {
			slot.Hand(d)
		} else {
			b.deliverer.Wake(channelName)
		}
	}
	return ids
}

// routeAll stores one callback with those deliveries.
func (b *bench) routeAll(deliveries ...*store.Delivery) {
	b.t.Helper()
	b.callbacks++
	_, err := b.store.Add(b.t.Context(), &callback.Callback{AccountSid: "a", RecordingSid: fmt.Sprint("r", b.callbacks),
		RecordingStatus: "completed", ReceivedAt: time.Now()})
	if err != nil {
		b.t.Fatalf("Add: %v", err)
	}
	_, err = b.store.Route(b.t.Context(), 1, b.deliverer.GiveUpAfter(), 0, func(store.Stored) []*store.Delivery { return deliveries })
	if err != nil {
		b.t.Fatalf("Route: %v", err)
	}
}

func (b *bench) delivery(id int64) (*store.Delivery, []store.Attempt) {
	b.t.Helper()
	d, attempts, err := b.store.Delivery(b.t.Context(), id)
	if err != nil {
		b.t.Fatalf("Delivery(%d): %v", id, err)
	}
	return d, attempts
}

func (b *bench) wantState(id int64, want store.State) *store.Delivery {
	b.t.Helper()
	d, _ := b.delivery(id)
	if d.State != want {
		b.t.Errorf("delivery %d is %s (%s), want %s", id, d.State, d.LastError, want)
	}
	return d
}

// settle lets everything happen that happens within d.
func settle(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func TestADeliveryIsSentAndRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 2, Prefetch: 8, Domain: "example.com"}})
		settle(time.Second)
		id := b.route("email", "alice@example.com")[0]
		settle(time.Second)
		d := b.wantState(id, store.Delivered)
		if d.ProviderID != "provider-alice@example.com" || d.Attempts != 1 || d.FinishedAt.IsZero() {
			t.Errorf("delivery = %+v, want one attempt with the provider's id", d)
		}
		if want := fmt.Sprintf("%d.%d@example.com", d.ID, d.CreatedAt.UnixMicro()); ch.sent[0].ID != want {
			t.Errorf("Message-ID = %s, want %s", ch.sent[0].ID, want)
		}
	})
}

func TestAFailedDeliveryIsRetriedWithDoublingPausesAndTheSameMessageID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return errors.New("450 greylisted") }}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		id := b.route("email", "alice@example.com")[0]
		settle(time.Hour)
		times := ch.attempts("alice@example.com")
		want := 5 * time.Second
		for i := 1; i < len(times); i++ {
			pause := times[i].Sub(times[i-1])
			if pause < want*8/10-time.Second || pause > want*12/10+time.Second {
				t.Errorf("pause %d = %v, want about %v", i, pause, want)
			}
			want *= 2
		}
		if len(times) < 8 || len(times) > 11 {
			t.Errorf("%d attempts in an hour, want 8 to 11", len(times))
		}
		for _, m := range ch.sent {
			if m.ID != ch.sent[0].ID {
				t.Errorf("Message-ID = %s, and %s at first", m.ID, ch.sent[0].ID)
			}
		}
		d, attempts := b.delivery(id)
		if d.State != store.Retrying || d.LastError != "450 greylisted" || len(attempts) != len(times) {
			t.Errorf("delivery is %s (%s) with %d attempts on record, want retrying with %d", d.State, d.LastError, len(attempts), len(times))
		}
	})
}

func TestADeliveryIsGivenUpAfterItsTimeWithItsLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return errors.New("450 greylisted") }}
		short := policy
		short.GiveUpAfter = 5 * time.Hour
		b := newBenchWith(t, short, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		id := b.route("email", "alice@example.com")[0]
		settle(4 * time.Hour)
		b.wantState(id, store.Retrying)
		settle(2 * time.Hour)
		if d := b.wantState(id, store.Dead); d.LastError != "given up after 5h0m0s: 450 greylisted" {
			t.Errorf("last error = %q", d.LastError)
		}
		times := ch.attempts("alice@example.com")
		if last := times[len(times)-1].Sub(times[0]); last < 5*time.Hour-time.Second || last > 5*time.Hour+time.Minute {
			t.Errorf("last attempt after %v, want it at 5h", last)
		}
		for i := 1; i < len(times); i++ {
			if pause := times[i].Sub(times[i-1]); pause > time.Hour+time.Second {
				t.Errorf("pause %d = %v, want at most an hour", i, pause)
			}
		}
	})
}

func TestARefusalIsFinalAtOnceAndDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(m *channel.Message) error {
			if m.To == "bad@example.com" {
				return channel.Permanent(errors.New("550 no such user"))
			}
			return nil
		}}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		ids := b.route("email", "alice@example.com", "bad@example.com", "carol@example.com")
		settle(time.Second)
		b.wantState(ids[0], store.Delivered)
		if d := b.wantState(ids[1], store.Dead); d.LastError != "550 no such user" || d.Attempts != 1 {
			t.Errorf("delivery = %+v, want the server's words after one attempt", d)
		}
		b.wantState(ids[2], store.Delivered)
	})
}

func TestAChannelThatIsDownIsProbedAndItsDeliveriesWaitUnharmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return channel.Down(errors.New("connection refused")) }}
		other := &scripted{}
		b := newBench(t, map[string]deliver.Channel{
			"email": {Channel: ch, Workers: 4, Prefetch: 64},
			"sms":   {Channel: other, Workers: 1},
		})
		var ids []int64
		for i := range 100 {
			ids = append(ids, b.route("email", fmt.Sprintf("user%d@example.com", i))...)
		}
		settle(time.Second)
		tried := ch.count()
		if tried > 5+3 {
			t.Errorf("%d attempts before the channel counted as down, want 5 and those under way", tried)
		}
		settle(10 * time.Minute)
		if probes := ch.count() - tried; probes < 100 || probes > 130 {
			t.Errorf("%d probes in ten minutes, want one every five seconds", probes)
		}
		sms := b.route("sms", "+15550100001")[0]
		settle(time.Second)
		b.wantState(sms, store.Delivered)
		attempts := 0
		for _, id := range ids {
			d, _ := b.delivery(id)
			if d.State.Finished() {
				t.Errorf("delivery %d is %s while its channel is down", id, d.State)
			}
			attempts += d.Attempts
		}
		if attempts > tried {
			t.Errorf("probes count as %d attempts, want none", attempts-tried)
		}
		ch.script(nil)
		settle(2 * time.Minute)
		for _, id := range ids {
			b.wantState(id, store.Delivered)
		}
	})
}

func TestDeliveriesOfAChannelThatStaysDownAreGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return channel.Down(errors.New("connection refused")) }}
		short := policy
		short.GiveUpAfter = 10 * time.Minute
		b := newBenchWith(t, short, map[string]deliver.Channel{"email": {Channel: ch, Workers: 2}})
		var ids []int64
		for i := range 20 {
			ids = append(ids, b.route("email", fmt.Sprintf("user%d@example.com", i))...)
		}
		settle(9 * time.Minute)
		for _, id := range ids {
			if d, _ := b.delivery(id); d.State.Finished() {
				t.Errorf("delivery %d is %s before its time", id, d.State)
			}
		}
		settle(2 * time.Minute)
		for _, id := range ids {
			if d := b.wantState(id, store.Dead); d.LastError == "" {
				t.Errorf("delivery %d died without a reason", id)
			}
		}
	})
}

func TestAnUnsureOutcomeIsMarkedForTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		ch.answer = func(m *channel.Message) error {
			if m.UnsureFor == 0 {
				return channel.Unsure(errors.New("timed out"))
			}
			return channel.Unknown(errors.New("the provider cannot tell"))
		}
		b := newBench(t, map[string]deliver.Channel{"sms": {Channel: ch, Workers: 1, LookAfter: 20 * time.Second}})
		id := b.route("sms", "+15550100001")[0]
		settle(19 * time.Second)
		if d := b.wantState(id, store.Retrying); !d.Unsure || d.Attempts != 1 {
			t.Errorf("delivery %+v, want one attempt, unsure, until the provider can say what came of it", d)
		}
		settle(time.Minute)
		b.wantState(id, store.Unknown)
	})
}

func TestAProviderThatAsksForAPauseGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		ch.answer = func(m *channel.Message) error {
			if ch.count() == 1 {
				return channel.RetryAfter(time.Minute, errors.New("429"))
			}
			return nil
		}
		b := newBench(t, map[string]deliver.Channel{"sms": {Channel: ch, Workers: 1}})
		first := b.route("sms", "+15550100001")[0]
		settle(time.Second)
		second := b.route("sms", "+15550100002")[0]
		settle(57 * time.Second)
		if n := ch.count(); n != 1 {
			t.Errorf("%d attempts within the pause, want none", n-1)
		}
		settle(5 * time.Second)
		b.wantState(first, store.Delivered)
		b.wantState(second, store.Delivered)
	})
}

func TestARateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"sms": {Channel: ch, Workers: 2, Every: 250 * time.Millisecond}})
		for i := range 40 {
			b.route("sms", fmt.Sprintf("+155501000%02d", i))
		}
		settle(5 * time.Second)
		if n := ch.count(); n < 18 || n > 21 {
			t.Errorf("%d sent in 5 s at 4/s, want about 20", n)
		}
		settle(10 * time.Second)
		if n := ch.count(); n != 40 {
			t.Errorf("%d sent in the end, want 40", n)
		}
	})
}

func TestStoppingGivesBackWhatWasNotBegunAndRecordsWhatWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ch := &scripted{answer: func(*channel.Message) error { <-release; return nil }}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 2, Prefetch: 8}})
		settle(time.Second)
		var ids []int64
		for i := range 6 {
			ids = append(ids, b.route("email", fmt.Sprintf("user%d@example.com", i))...)
		}
		settle(time.Second)
		time.AfterFunc(10*time.Second, func() { close(release) })
		b.stop()
		states := map[store.State]int{}
		for _, id := range ids {
			d, _ := b.delivery(id)
			states[d.State]++
		}
		if states[store.Delivered] != 2 || states[store.Queued] != 4 {
			t.Errorf("states = %v, want 2 delivered and 4 queued", states)
		}
	})
}

func TestDeliveriesForAChannelThatIsGoneWaitAndSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return errors.New("450 later") }}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		id := b.route("email", "alice@example.com")[0]
		settle(time.Second)
		if err := b.deliverer.Configure(t.Context(), policy, nil); err != nil {
			t.Fatalf("Configure: %v", err)
		}
		settle(time.Hour)
		if d := b.wantState(id, store.Retrying); d.LastError != `the configuration has no channel "email"` {
			t.Errorf("last error = %q, want it to name the channel", d.LastError)
		}
		ch.script(nil)
		if err := b.deliverer.Configure(t.Context(), policy, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}}); err != nil {
			t.Fatalf("Configure: %v", err)
		}
		settle(time.Hour)
		b.wantState(id, store.Delivered)
	})
}
