package deliver_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/deliver"
	"ringpost/relay/quiet"
	"ringpost/relay/store"
)

// routeQuiet is route for one delivery with quiet hours, which the router does not
// hand over in them.
func (b *bench) routeQuiet(channelName string, hours quiet.Hours, to string) int64 {
	b.t.Helper()
	d := &store.Delivery{Rule: "r", Channel: channelName, Kind: "email", To: to, Subject: "s", Text: "t", Quiet: hours, State: store.Queued}
	var slot *deliver.Slot
	if d.Held(b.store.Now()).IsZero() {
		if slot = b.deliverer.Reserve(channelName); slot != nil {
			d.State = store.Sending
		}
	}
	b.routeAll(d)
	if slot != nil {
		slot.Hand(d)
	} else {
		b.deliverer.Wake(channelName)
	}
	return d.ID
}

// A bubble's clock begins at midnight, UTC.
const (
	atOne   quiet.Hours = "01:00-08:00 UTC"
	atNight quiet.Hours = "00:00-08:00 UTC"
	soon    quiet.Hours = "00:10-08:00 UTC"
)

func TestWhatIsMadeInQuietHoursGoesOutAsTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 2, Prefetch: 8}})
		settle(time.Second)
		begun := time.Now()
		held, other := b.routeQuiet("email", atNight, "alice@example.com"), b.routeQuiet("email", atOne, "bob@example.com")
		settle(time.Minute)
		b.wantState(other, store.Delivered)
		b.wantState(held, store.Queued)
		settle(9 * time.Hour)
		b.wantState(held, store.Delivered)
		if at := ch.attempts("alice@example.com"); len(at) != 1 || at[0].Sub(begun.Truncate(time.Hour)) < 8*time.Hour || at[0].Sub(begun) > 8*time.Hour+time.Second {
			t.Errorf("attempts at %v, want one at 08:00", at)
		}
	})
}

func TestARetryThatFallsIntoQuietHoursWaitsForTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return errors.New("450 greylisted") }}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		settle(time.Second)
		id := b.routeQuiet("email", atOne, "alice@example.com")
		settle(56 * time.Minute) // after the last attempt before one
		if d, _ := b.delivery(id); d.NextAttemptAt.Format("15:04") != "08:00" {
			t.Errorf("the next attempt is at %v, want 08:00", d.NextAttemptAt)
		}
		settle(6 * time.Hour)
		before := len(ch.attempts("alice@example.com"))
		d, attempts := b.delivery(id)
		if d.State != store.Retrying || len(attempts) != before || before < 5 || d.NextAttemptAt.Format("15:04") != "08:00" {
			t.Errorf("delivery = %+v after %d attempts, want it to wait until 08:00", d, before)
		}
		for _, at := range ch.attempts("alice@example.com") {
			if at.UTC().Hour() >= 1 {
				t.Errorf("an attempt at %v, in quiet hours", at)
			}
		}
		ch.script(nil)
		settle(2 * time.Hour)
		b.wantState(id, store.Delivered)
	})
}

func TestTheLastAttemptWaitsForTheEndOfQuietHoursToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return errors.New("450 greylisted") }}
		b := newBenchWith(t, deliver.Policy{FirstRetry: time.Minute, MaxRetry: time.Hour, GiveUpAfter: 2 * time.Hour},
			map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		settle(time.Second)
		id := b.routeQuiet("email", atOne, "alice@example.com")
		settle(7*time.Hour + 30*time.Minute)
		b.wantState(id, store.Retrying)
		settle(time.Hour)
		b.wantState(id, store.Dead)
		at := ch.attempts("alice@example.com")
		if last := at[len(at)-1].UTC(); last.Format("15:04") != "08:00" {
			t.Errorf("the last attempt is at %v, want 08:00", last)
		}
	})
}

// A delivery that waits in memory for its channel's rate has not begun yet when
// quiet hours do.
func TestQuietHoursThatBeginWhileADeliveryWaitsForItsTurnHoldIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"sms": {Channel: ch, Workers: 1, Prefetch: 1, Every: 15 * time.Minute}})
		settle(time.Second)
		first := b.routeQuiet("sms", soon, "+15550100001")
		settle(time.Second)
		second := b.routeQuiet("sms", soon, "+15550100002")
		settle(5 * time.Minute)
		b.wantState(first, store.Delivered)
		b.wantState(second, store.Sending)
		settle(7 * time.Hour)
		if d := b.wantState(second, store.Queued); d.Attempts != 0 || d.LastError != "" {
			t.Errorf("delivery = %+v, want it as it was", d)
		}
		settle(2 * time.Hour)
		b.wantState(second, store.Delivered)
	})
}

func TestAChannelThatIsUpAgainSendsNothingInQuietHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return channel.Down(errors.New("connection refused")) }}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1, Prefetch: 4}})
		settle(time.Second)
		var held []int64
		for range 20 {
			held = append(held, b.routeQuiet("email", soon, "alice@example.com"))
		}
		settle(15 * time.Minute)
		late := b.routeQuiet("email", atOne, "bob@example.com")
		before := len(ch.attempts("alice@example.com"))
		ch.script(nil)
		settle(time.Minute)
		b.wantState(late, store.Delivered)
		settle(7 * time.Hour)
		if n := len(ch.attempts("alice@example.com")) - before; n != 0 {
			t.Errorf("%d attempts in quiet hours, want none", n)
		}
		settle(time.Hour)
		for _, id := range held {
			b.wantState(id, store.Delivered)
		}
	})
}
