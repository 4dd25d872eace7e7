package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// done puts what was done to a delivery into words.
func done(t *testing.T, s *store.Store, delivery int64) string {
	t.Helper()
	found, err := s.Operations(t.Context(), delivery)
	if err != nil {
		t.Fatalf("Operations(%d) = %v", delivery, err)
	}
	var words []string
	for i, o := range found {
		words = append(words, o.By+" "+o.What)
		if i > 0 && o.At.Before(found[i-1].At) {
			t.Errorf("Operations(%d) = %v, want the oldest first", delivery, found)
		}
	}
	return strings.Join(words, ", ")
}

func TestADeliveryInAnyStateIsSentOnWithTheSameWords(t *testing.T) {
	for _, state := range store.States {
		t.Run(string(state), func(t *testing.T) {
			promise(t, func(t *testing.T, s *store.Store) {
				d := inState(t, s, state)
				before := *read(t, s, d.ID)
				asked := s.Now().Truncate(time.Microsecond)
				id, err := s.Forward(t.Context(), d.ID, "+15550100001", "kim", time.Hour)
				if err != nil {
					t.Fatalf("Forward(%s) = %v", state, err)
				}
				got := read(t, s, id)
				if got.CreatedAt.Before(asked) || got.CreatedAt.After(s.Now()) {
					t.Errorf("created at %v, want between %v and now", got.CreatedAt, asked)
				}
				checkTime(t, "next attempt at", got.NextAttemptAt, got.CreatedAt)
				checkTime(t, "give up at", got.GiveUpAt, got.CreatedAt.Add(time.Hour))
				want := store.Delivery{ID: id, CallbackID: d.CallbackID, Recording: d.Recording, RecordingURL: before.RecordingURL, ReceivedAt: before.ReceivedAt,
					Rule: d.Rule, Channel: d.Channel, Kind: d.Kind, To: "+15550100001", Subject: d.Subject, Text: d.Text, HTML: d.HTML,
					State: store.Queued, CreatedAt: got.CreatedAt, NextAttemptAt: got.NextAttemptAt, GiveUpAt: got.GiveUpAt}
				check(t, "the new delivery", *got, want)
				check(t, "the old one", *read(t, s, d.ID), before)
				if state != store.Cancelled {
					check(t, "what was done to the old one", done(t, s, d.ID), "kim sent on to +15550100001")
				}
				check(t, "what was done to the new one", done(t, s, id), fmt.Sprintf("kim sent on from delivery %d", d.ID))
			})
		})
	}
}

func TestADeliveryThatSaysNothingIsNotSentOn(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aDelivery("email", store.Dead)
		d.To, d.Text, d.LastError = "", "", "no such contact"
		route(t, s, "RE1", threeDays, d)
		_, err := s.Forward(t.Context(), d.ID, "bob@example.com", "kim", time.Hour)
		if e, ok := errors.AsType[*store.StateError](err); !ok || e.Reason == "" {
			t.Errorf("Forward() of one without words = %v, want a StateError with a reason", err)
		}
		if _, err := s.Forward(t.Context(), 999, "bob@example.com", "kim", time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Forward() of no delivery = %v, want %v", err, store.ErrNotFound)
		}
		check(t, "what was done", done(t, s, d.ID), "")
		checkQueue(t, s, 0, 0, 0, time.Time{})
	})
}

func TestWhatPeopleDoIsWrittenDownWithWhoDidIt(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(s.Pause(ctx, "email", "before"))
		must(s.Resume(ctx, "email", "before"))
		d, other := inState(t, s, store.Dead), inState(t, s, store.Queued)
		must(s.Pause(ctx, "sms", "elsewhere"))
		must(s.Pause(ctx, "email", "lee"))
		must(s.Retry(ctx, d.ID, "kim", time.Hour))
		must(s.Pause(ctx, "email", "lee")) // changes nothing
		must(s.Resume(ctx, "email", "lee\x00"))
		must(s.Cancel(ctx, d.ID, "kim"))
		if err := s.Cancel(ctx, d.ID, "kim"); err == nil {
			t.Error("Cancel() of a cancelled one = nil, want an error")
		}
		must(s.Pause(ctx, "email", "after"))
		check(t, "what was done to the delivery", done(t, s, d.ID), "lee paused the channel, kim retried, lee resumed the channel, kim cancelled")
		check(t, "what was done to one that waits", done(t, s, other.ID), "lee paused the channel, lee resumed the channel, after paused the channel")
		check(t, "what was done to none", done(t, s, 999), "")

		must(s.Cancel(ctx, other.ID, "kim"))
		remove(t, s, s.Now().Add(time.Second), 2)
		check(t, "what was done to one that is removed", done(t, s, d.ID), "")
		again := inState(t, s, store.Queued) // which may be given the same id
		check(t, "what was done to a new one", done(t, s, again.ID), "")
	})
}

func TestRetryAllTakesWhatIsAskedForAndCanBeSent(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		var dead, others []*store.Delivery
		for i := range 30 {
			var deliveries []*store.Delivery
			for range 9 {
				deliveries = append(deliveries, aDelivery("email", store.Dead))
			}
			dead = append(dead, deliveries...)
			nobody, wordless, sms := aDelivery("email", store.Dead), aDelivery("email", store.Dead), aDelivery("sms", store.Dead)
			nobody.To, wordless.Text = "", ""
			kept := []*store.Delivery{nobody, wordless, sms, aDelivery("email", store.Sending), aDelivery("email", store.Shadow)}
			others = append(others, kept...)
			route(t, s, fmt.Sprint("RE", i), threeDays, append(deliveries, kept...)...)
		}
		retryAll := func(f store.Filter, want int) {
			t.Helper()
			if n, err := s.RetryAll(t.Context(), f, "kim", time.Hour); n != want || err != nil {
				t.Errorf("RetryAll(%+v) = %d, %v, want %d, nil", f, n, err, want)
			}
		}
		retryAll(store.Filter{Channel: "email", Since: time.Now().Add(time.Hour)}, 0)
		retryAll(store.Filter{Channel: "email", To: "bob@example.com"}, 0)
		retryAll(store.Filter{Channel: "email", Recording: "RE7"}, 9)
		retryAll(store.Filter{Channel: "email", Limit: 1, After: 5}, len(dead)-9)
		retryAll(store.Filter{Channel: "email"}, 0)
		for _, d := range dead {
			got := read(t, s, d.ID)
			if got.State != store.Queued || !got.FinishedAt.IsZero() || done(t, s, d.ID) != "kim retried" {
				t.Fatalf("delivery %+v, %q, want it queued, by kim", got, done(t, s, d.ID))
			}
		}
		for _, d := range others {
			check(t, "state of one that was not asked for", read(t, s, d.ID).State, d.State)
			check(t, "what was done to it", done(t, s, d.ID), "")
		}
		checkQueue(t, s, len(dead), 30, 0, dead[0].CreatedAt)
		retryAll(store.Filter{State: store.Queued, Recording: "RE1"}, 9)
		for _, state := range []store.State{store.Sending, store.Delivered, store.Shadow, "no such"} {
			if n, err := s.RetryAll(t.Context(), store.Filter{State: state}, "kim", time.Hour); n != 0 || err == nil {
				t.Errorf("RetryAll(%s) = %d, %v, want an error", state, n, err)
			}
		}
	})
}

func TestANodeDoesNotRemoveACallbackWhoseDeliveryAnotherSendsOn(t *testing.T) {
	both := nodes(t, 2)
	for range 20 {
		d := inState(t, both[0], store.Dead)
		removed := make(chan error)
		go func() {
			_, err := both[1].Remove(t.Context(), both[1].Now().Add(time.Second))
			removed <- err
		}()
		id, err := both[0].Forward(t.Context(), d.ID, "bob@example.com", "kim", time.Hour)
		if err := <-removed; err != nil {
			t.Fatalf("Remove() = %v", err)
		}
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			t.Fatalf("Forward() = %v", err)
		default: // it has its callback, and what it says
			check(t, "state", read(t, both[0], id).State, store.Queued)
			if err := both[0].Cancel(t.Context(), id, "kim"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestADeliveryIsSentOnOnceThoughTheConnectionBreaksAtTheCommit(t *testing.T) {
	s, proxy := behindAProxy(t)
	d := inState(t, s, store.Dead)
	for _, when := range []storetest.CommitCut{storetest.BeforeCommit, storetest.AfterCommit} {
		proxy.CutCommits(when, 1)
		id, err := s.Forward(t.Context(), d.ID, fmt.Sprintf("%d@example.com", when), "kim", time.Hour)
		if uncut := proxy.CutCommits(when, 0); uncut != 0 || err != nil {
			t.Fatalf("Forward() = %d, %v, want nil after a cut", id, err)
		}
		checkIDs(t, "deliveries that were sent on", list(t, s, store.Filter{To: fmt.Sprintf("%d@example.com", when), Limit: 9}), id)
		check(t, "what was done to it", done(t, s, id), fmt.Sprintf("kim sent on from delivery %d", d.ID))
	}
}
