package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/store"
)

// pause pauses a channel, or resumes it, as a person does on this node.
func (b *bench) pause(channelName string, on bool) {
	b.t.Helper()
	do := b.store.Resume
	if on {
		do = b.store.Pause
	}
	if err := do(b.t.Context(), channelName, "kim"); err != nil {
		b.t.Fatalf("Pause or Resume: %v", err)
	}
	if err := b.deliverer.FollowPauses(b.t.Context()); err != nil {
		b.t.Fatalf("FollowPauses: %v", err)
	}
}

// status returns what is known of a channel.
func (b *bench) status(channelName string) deliver.Status {
	b.t.Helper()
	for _, s := range b.deliverer.Status() {
		if s.Channel == channelName {
			return s
		}
	}
	b.t.Fatalf("Status: no channel %q", channelName)
	return deliver.Status{}
}

func TestAPausedChannelSendsNothingUntilItIsResumedAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, other := &scripted{}, &scripted{}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 2, Prefetch: 8}, "sms": {Channel: other, Workers: 1}})
		settle(time.Second)
		b.pause("email", true)
		var ids []int64
		for i := range 20 {
			ids = append(ids, b.route("email", fmt.Sprintf("user%d@example.com", i))...)
		}
		sms := b.route("sms", "+15550100001")[0]
		settle(time.Hour)
		b.wantState(sms, store.Delivered)
		for _, id := range ids {
			b.wantState(id, store.Queued)
		}
		if n := ch.count(); n != 0 {
			t.Errorf("%d messages sent while the channel was paused, want none", n)
		}
		b.pause("email", false)
		settle(time.Second)
		for _, id := range ids {
			b.wantState(id, store.Delivered)
		}
	})
}

func TestAPauseGivesBackWhatIsHeldAndLetsFinishWhatIsBeingSent(t *testing.T) {
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
		b.pause("email", true)
		synctest.Wait()
		for i, id := range ids {
			want := store.Queued
			if i < 2 {
				want = store.Sending
			}
			if d := b.wantState(id, want); d.Attempts != 0 || d.LastError != "" {
				t.Errorf("delivery = %+v, want it as it was", d)
			}
		}
		close(release)
		settle(time.Hour)
		b.wantState(ids[0], store.Delivered)
		b.wantState(ids[1], store.Delivered)
		if n := ch.count(); n != 2 {
			t.Errorf("%d messages sent, want the two under way", n)
		}
	})
}

func TestAPauseDoesNotWaitForTheTurnOfARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"sms": {Channel: ch, Workers: 1, Every: time.Hour}})
		settle(time.Second)
		first := b.route("sms", "+15550100001")[0]
		settle(time.Second)
		second := b.route("sms", "+15550100002")[0]
		settle(time.Minute)
		b.wantState(first, store.Delivered)
		b.wantState(second, store.Sending)
		b.pause("sms", true)
		synctest.Wait()
		b.wantState(second, store.Queued)
		b.pause("sms", false)
		settle(3 * time.Hour)
		b.wantState(second, store.Delivered)
	})
}

func TestNothingIsGivenUpWhileItsChannelIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{answer: func(*channel.Message) error { return channel.Down(errors.New("connection refused")) }}
		short := policy
		short.GiveUpAfter = time.Hour
		b := newBenchWith(t, short, map[string]deliver.Channel{"email": {Channel: ch, Workers: 2}})
		var ids []int64
		for i := range 20 {
			ids = append(ids, b.route("email", fmt.Sprintf("user%d@example.com", i))...)
		}
		settle(time.Minute)
		if !b.status("email").Down {
			t.Fatal("the channel is up, want it down before it is paused")
		}
		b.pause("email", true)
		settle(5 * time.Hour)
		for _, id := range ids {
			if d, _ := b.delivery(id); d.State.Finished() {
				t.Errorf("delivery %d is %s while its channel is paused", id, d.State)
			}
		}
		ch.script(nil)
		b.pause("email", false)
		settle(time.Minute)
		for _, id := range ids {
			b.wantState(id, store.Delivered)
		}
	})
}

func TestAPauseLastsOverAReloadAndARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, third := &scripted{}, &scripted{}, &scripted{}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: first, Workers: 1}})
		settle(time.Second)
		b.pause("email", true)
		id := b.route("email", "alice@example.com")[0]
		err := b.deliverer.Configure(t.Context(), policy, map[string]deliver.Channel{"email": {Channel: second, Workers: 1}})
		if err != nil {
			t.Fatalf("Configure: %v", err)
		}
		settle(time.Hour)
		b.stop()

		ctx, cancel := context.WithCancel(context.Background())
		d := deliver.New(ctx, b.store, metrics.New("test"), slog.New(slog.NewTextHandler(io.Discard, nil)))
		defer d.Drain()
		defer cancel()
		if err := d.Configure(ctx, policy, map[string]deliver.Channel{"email": {Channel: third, Workers: 1}}); err != nil {
			t.Fatalf("Configure: %v", err)
		}
		settle(time.Hour)
		b.wantState(id, store.Queued)
		if n := first.count() + second.count() + third.count(); n != 0 {
			t.Errorf("%d messages sent while the channel was paused, want none", n)
		}
		if p := d.Status()[0].Pause; p == nil || p.By != "kim" {
			t.Errorf("Status: paused %+v, want it by kim", p)
		}
	})
}

func TestWhatAnotherNodeHasPausedIsFollowedWithTheLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}})
		if err := b.store.Pause(t.Context(), "email", "kim"); err != nil {
			t.Fatal(err)
		}
		settle(store.Lease / 3)
		id := b.route("email", "alice@example.com")[0]
		settle(time.Hour)
		b.wantState(id, store.Queued)
		if err := b.store.Resume(t.Context(), "email", "kim"); err != nil {
			t.Fatal(err)
		}
		settle(store.Lease/3 + time.Second)
		b.wantState(id, store.Delivered)
	})
}

func TestStatusSaysSinceWhenAChannelIsUpOrDownAndWhatWentWrongLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := &scripted{}
		b := newBench(t, map[string]deliver.Channel{"email": {Channel: ch, Workers: 1}, "sms": {Channel: &scripted{}, Workers: 1}})
		check := func(down bool, since time.Duration, lastError string) {
			t.Helper()
			s := b.status("email")
			if ago := b.store.Now().Sub(s.Since); s.Down != down || (ago-since).Abs() > 6*time.Second || s.LastError != lastError {
				t.Errorf("Status = %+v, since %v ago; want down %v, since %v, last error %q", s, ago, down, since, lastError)
			}
			if (s.LastError == "") != s.LastErrorAt.IsZero() || s.Pause != nil {
				t.Errorf("Status = %+v, want a time beside the error, and no pause", s)
			}
		}
		settle(time.Hour)
		check(false, time.Hour, "")
		ch.script(func(*channel.Message) error { return channel.Permanent(errors.New("550 no such user")) })
		b.route("email", "bob@example.com")
		settle(time.Hour)
		check(false, 2*time.Hour, "550 no such user")
		if ago := b.store.Now().Sub(b.status("email").LastErrorAt); (ago - time.Hour).Abs() > 6*time.Second {
			t.Errorf("the last error was %v ago, want an hour", ago)
		}
		ch.script(func(*channel.Message) error { return channel.Down(errors.New("connection refused")) })
		for i := range 5 {
			b.route("email", fmt.Sprintf("user%d@example.com", i))
		}
		settle(time.Hour)
		check(true, time.Hour, "connection refused")
		ch.script(nil)
		settle(30 * time.Minute)
		check(false, 30*time.Minute, "connection refused")
		if all := b.deliverer.Status(); len(all) != 2 || all[0].Channel != "email" || all[1].Channel != "sms" {
			t.Errorf("Status = %+v, want email and sms", all)
		}
	})
}
