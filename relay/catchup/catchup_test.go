package catchup_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/catchup"
	"ringpost/relay/peers"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

func TestNobodyIsToldOfWhatWasBeforeTheFirstStartEver(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.list("old", 300, time.Minute)
		w.ahead.Add(int64(time.Minute))
		watch := w.watch(w.config())
		w.look(watch)
		w.ahead.Add(int64(time.Minute))
		w.look(watch)
		w.want("after the first looks")
		w.ahead.Add(int64(10 * time.Minute))
		w.list("new", 1, 0)
		w.ahead.Add(int64(3 * time.Minute))
		w.look(watch)
		w.want("after a recording that ended later", "new0 completed late")
	})
}

func TestRecordingsWithoutACallbackAreReceivedLateOnce(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.look(w.watch(w.config()))
		w.ahead.Add(int64(60 * time.Minute))
		w.list("RE", 450, 4*time.Second) // more than two pages, over half an hour
		w.post("RE100", "completed", 0)
		w.post("RE101", "failed", 0)
		w.post("RE102", "in-progress", 0)
		var want []string
		want = append(want, late("RE", 30, 450)...) // those before are younger than two minutes
		want = slices.DeleteFunc(want, func(one string) bool {
			return strings.HasPrefix(one, "RE100 ") || strings.HasPrefix(one, "RE101 ")
		})
		want = append(want, "RE100 completed", "RE101 failed", "RE102 in-progress")
		restarted := w.watch(w.config())
		w.look(restarted)
		w.want("after a restart", want...)
		w.look(restarted)
		w.want("after another look", want...)
		if got := w.counted(); got != 418 {
			t.Errorf("%v were counted as late, want 418", got)
		}
		if w.post("RE200", "completed", 0) {
			t.Error("the callback of a recording that was found late was stored: want that it is a repeat")
		}
		w.ahead.Add(int64(3 * time.Minute))
		w.look(restarted)
		w.want("when the youngest are two minutes old", append(want, late("RE", 0, 30)...)...)
	})
}

func TestALateCallbackHoldsWhatIsKnown(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.look(w.watch(w.config()))
		w.ahead.Add(int64(10 * time.Minute))
		w.post("RE1", "in-progress", time.Minute)
		began := w.now().Add(-5 * time.Minute)
		w.api.List(peers.Recording{Sid: "RE1", Conference: "CF1", Status: "completed", Source: "Conference", Length: 61 * time.Second, Began: began})
		w.look(w.watch(w.config()))
		list, err := w.store.Of(t.Context(), []string{"RE1"})
		if err != nil || len(list) != 2 {
			t.Fatalf("Of(RE1) = %v, %v; want two callbacks", list, err)
		}
		got := list[slices.IndexFunc(list, func(cb store.Stored) bool { return cb.Late })].Callback
		want := &callback.Callback{AccountSid: "AC1", RecordingSid: "RE1", RecordingStatus: "completed", CallSid: "CA1",
			RecordingUrl:      w.api.RecordingURL("RE1"),
			RecordingDuration: 61, RecordingSource: "Conference", RecordingChannels: "1", Late: true, ReceivedAt: got.ReceivedAt,
			Fields: map[string]string{"ConferenceSid": "CF1", "RecordingStartTime": began.UTC().Format(time.RFC1123Z)},
			Query:  map[string]string{"agent": "alice"}}
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", *want) || !maps.Equal(got.Fields, want.Fields) {
			t.Errorf("the callback is\n%+v\nwant\n%+v", *got, *want)
		}
		if age := w.store.Now().Sub(got.ReceivedAt); age < 0 || age > time.Minute {
			t.Errorf("it was received %v ago, want when it was found", age)
		}
	})
}

func TestALongRecordingIsFoundWhenItEnds(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		long := peers.Recording{Sid: "RE1", Status: "in-progress", Source: "Conference", Began: w.now().Add(10 * time.Second)}
		watch := w.watch(w.config())
		w.look(watch)
		w.ahead.Add(int64(time.Minute))
		w.api.List(long, peers.Recording{Sid: "RE0", Status: "deleted", Began: w.now()})
		for range 5 { // looks that leave it alone
			w.ahead.Add(int64(30 * time.Minute))
			w.look(watch)
		}
		w.want("while it goes on")
		long.Status, long.Length = "completed", w.now().Sub(long.Began)
		w.api.List(long)
		w.look(watch)
		w.want("when it has just ended")
		w.ahead.Add(int64(3 * time.Minute))
		w.look(watch)
		w.want("after it has ended", "RE1 completed late")
	})
}

func TestARecordingThatIsListedWhenItHasEndedIsFoundAfterARestart(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.look(w.watch(w.config()))
		w.ahead.Add(int64(4 * time.Hour))
		w.look(w.watch(w.config()))
		w.api.List(peers.Recording{Sid: "RE1", Status: "completed", Length: 3 * time.Hour, Began: w.now().Add(-3*time.Hour - 5*time.Minute)})
		w.look(w.watch(w.config()))
		w.want("after the restart", "RE1 completed late")
	})
}

func TestALookThatFailsIsTakenUpWhereItBegan(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.look(w.watch(w.config()))
		w.ahead.Add(int64(3 * time.Hour))
		w.list("RE", 450, time.Second)
		w.ahead.Add(int64(3 * time.Minute))
		for _, failure := range []error{peers.ErrCut, &peers.APIError{Status: 500}, &peers.APIError{Status: 401, Code: 20003}} {
			w.hook.Store(onPage("1", failure))
			if err := w.watch(w.config()).Look(t.Context()); err == nil {
				t.Errorf("Look() where the second page is answered with %v succeeded, want an error", failure)
			}
			w.want("after the first page", late("RE", 0, 200)...)
		}
		w.hook.Store(nil)
		w.look(w.watch(w.config()))
		w.want("after all pages", late("RE", 0, 450)...)
		if got := w.counted(); got != 450 {
			t.Errorf("%v were counted as late, want 450", got)
		}
	})
}

// onPage is a hook that answers requests for a page with a failure.
func onPage(number string, failure error) *peers.Hook {
	h := peers.Hook(func(_ context.Context, step peers.Step, subject string) error {
		if step == peers.ListRecordings && subject == number {
			return failure
		}
		return nil
	})
	return &h
}

func TestAProcessThatDiesInTheMiddleLosesNothing(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.look(w.watch(w.config()))
		w.ahead.Add(int64(3 * time.Hour))
		w.list("RE", 450, time.Second)
		w.ahead.Add(int64(3 * time.Minute))
		dying := w.store
		h := peers.Hook(func(_ context.Context, step peers.Step, subject string) error {
			if step == peers.ListRecordings && subject == "1" {
				dying.Close() // nothing is given back
			}
			return nil
		})
		w.hook.Store(&h)
		if err := w.watch(w.config()).Look(t.Context()); err == nil {
			t.Error("Look() with a store that is gone succeeded, want an error")
		}
		w.hook.Store(nil)
		w.store = w.open()
		w.want("before the next process looks", late("RE", 0, 200)...)
		if strings.HasPrefix(w.location, "postgres") {
			// Another node leaves the sweep to it, until its lease ends.
			w.look(w.watch(w.config()))
			w.want("while the lease lasts", late("RE", 0, 200)...)
			conn := storetest.Connect(t, w.location)
			if _, err := conn.Exec(t.Context(), `UPDATE sweeps SET lease_until = 1`); err != nil {
				t.Fatal(err)
			}
		}
		w.look(w.watch(w.config()))
		w.want("after the next process has looked", late("RE", 0, 450)...)
	})
}

func TestTwoNodesTellNobodyTwice(t *testing.T) {
	w := newWorld(t, storetest.Postgres(t))
	w.look(w.watch(w.config()))
	w.ahead.Add(int64(30 * time.Minute))
	w.list("RE", 450, time.Second)
	w.ahead.Add(int64(3 * time.Minute))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 2 {
		c := w.config()
		c.Every = 10 * time.Millisecond
		watch := catchup.New(w.open(), w.metrics, slog.New(slog.DiscardHandler))
		watch.Follow(c)
		running.Go(func() { watch.Run(ctx) })
		running.Go(func() { // somebody asks, too
			if _, err := watch.CatchUp(ctx, time.Now().Add(-time.Hour)); err != nil {
				t.Errorf("CatchUp() = %v", err)
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(w.received()) < 450 && time.Now().Before(deadline) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	time.AfterFunc(200*time.Millisecond, stop)
	running.Wait()
	w.want("from both", late("RE", 0, 450)...)
	if got := w.counted(); got != 450 {
		t.Errorf("%v were counted as late, want 450", got)
	}
}

func TestAProviderThatIsDownIsAskedAgain(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.look(w.watch(w.config()))
		w.ahead.Add(int64(30 * time.Minute))
		w.list("RE", 3, time.Minute)
		w.ahead.Add(int64(3 * time.Minute))
		asked := make(chan struct{}, 100)
		var down atomic.Bool
		down.Store(true)
		h := peers.Hook(func(_ context.Context, step peers.Step, _ string) error {
			asked <- struct{}{}
			if down.Load() {
				return peers.ErrCut
			}
			return nil
		})
		w.hook.Store(&h)
		c := w.config()
		c.Every = 20 * time.Millisecond
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		watch := w.watch(c)
		running.Go(func() { watch.Run(ctx) })
		for range 3 {
			<-asked
		}
		w.want("while it is down")
		down.Store(false)
		for len(w.received()) < 3 {
			<-asked
		}
		stop()
		running.Wait()
		w.want("when it is back", late("RE", 0, 3)...)
	})
}

func TestWhoAsksForMoreGetsIt(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.list("RE", 50, time.Hour)
		watch := w.watch(w.config())
		w.look(watch)
		w.want("by itself")
		w.post("RE3", "completed", 0)
		want := append(late("RE", 1, 3), late("RE", 4, 12)...)
		found, err := watch.CatchUp(t.Context(), time.Now().Add(-12*time.Hour+time.Minute))
		if err != nil || found != (catchup.Found{Found: 11, New: 10}) {
			t.Errorf("CatchUp() for twelve hours = %+v, %v; want 11 found, 10 new", found, err)
		}
		w.want("after twelve hours were asked for", append(want, "RE3 completed")...)
		if found, err := watch.CatchUp(t.Context(), time.Now().Add(-12*time.Hour+time.Minute)); err != nil || found.New != 0 {
			t.Errorf("CatchUp() again = %+v, %v; want none new", found, err)
		}
		if _, err := watch.CatchUp(t.Context(), time.Now().Add(-25*time.Hour)); !errors.Is(err, catchup.ErrTooOld) {
			t.Errorf("CatchUp() for longer than callbacks are kept = %v, want %v", err, catchup.ErrTooOld)
		}
		c := w.config()
		c.Client = nil
		if _, err := w.watch(c).CatchUp(t.Context(), time.Now()); !errors.Is(err, catchup.ErrNotConfigured) {
			t.Errorf("CatchUp() without a provider = %v, want %v", err, catchup.ErrNotConfigured)
		}
	})
}
