package store_test

import (
	"fmt"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestFinishRecordsWhatCameOfTheAttempt(t *testing.T) {
	started := time.Now().Add(-time.Minute)
	due := time.Now().Add(time.Hour)
	for _, o := range []store.Outcome{
		{State: store.Delivered, ProviderID: "SM1"},
		{State: store.Retrying, Err: "busy", NextAttemptAt: due},
		{State: store.Retrying, Err: "connection broke", NextAttemptAt: due, Unsure: true},
		{State: store.Dead, Err: "no such user"},
		{State: store.Unknown, Err: "cannot be looked up"},
	} {
		o.StartedAt, o.Took = started, 1500*time.Millisecond
		t.Run(string(o.State), func(t *testing.T) {
			promise(t, func(t *testing.T, s *store.Store) {
				d := inState(t, s, store.Sending)
				finish(t, s, d, o)
				got, attempts, err := s.Delivery(t.Context(), d.ID)
				if err != nil {
					t.Fatal(err)
				}
				check(t, "state", got.State, o.State)
				check(t, "attempts", got.Attempts, 1)
				check(t, "unsure", got.Unsure, o.Unsure)
				check(t, "last error", got.LastError, o.Err)
				check(t, "provider id", got.ProviderID, o.ProviderID)
				checkTime(t, "next attempt", got.NextAttemptAt, o.NextAttemptAt)
				if o.State.Finished() {
					checkTime(t, "finished at", got.FinishedAt, started.Add(o.Took))
				} else {
					check(t, "finished at is zero", got.FinishedAt.IsZero(), true)
				}
				if len(attempts) != 1 {
					t.Fatalf("Delivery(): got %d attempts, want 1", len(attempts))
				}
				checkTime(t, "attempt started at", attempts[0].StartedAt, started)
				attempts[0].StartedAt = started
				check(t, "attempt", attempts[0], store.Attempt{Number: 1, StartedAt: started, Took: o.Took, Err: o.Err})
			})
		})
	}
}

func TestFinishCountsAttempts(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := inState(t, s, store.Sending)
		for n := 1; n <= 3; n++ {
			o := store.Outcome{StartedAt: time.Now(), State: store.Retrying, Err: fmt.Sprint("failure ", n), NextAttemptAt: s.Now()}
			finish(t, s, d, o)
			d = claim(t, s, "email", 1)[0]
			check(t, "attempts", d.Attempts, n)
		}
		finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		_, attempts, err := s.Delivery(t.Context(), d.ID)
		if err != nil || len(attempts) != 4 {
			t.Fatalf("Delivery() = %v, %v, want 4 attempts, nil", attempts, err)
		}
		for i, want := range []string{"failure 1", "failure 2", "failure 3", ""} {
			check(t, "attempt", attempts[i].Number, i+1)
			check(t, "error", attempts[i].Err, want)
		}
	})
}

func TestFinishLeavesADeliveryWhoseLeaseIsLost(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		first := inState(t, s, store.Sending)
		recoverAll(t, s, 1)
		late := store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "late"}
		finish(t, s, first, late)
		check(t, "state after Recover()", read(t, s, first.ID).State, store.Queued)

		// Another worker takes it over, fails once, and has it again.
		second := claim(t, s, "email", 1)[0]
		finish(t, s, second, store.Outcome{StartedAt: time.Now(), State: store.Retrying, Err: "busy", NextAttemptAt: s.Now()})
		third := claim(t, s, "email", 1)[0]
		finish(t, s, first, late)
		check(t, "state after another attempt", read(t, s, first.ID).State, store.Sending)

		finish(t, s, third, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		finish(t, s, third, late)
		d, attempts, err := s.Delivery(t.Context(), first.ID)
		if err != nil {
			t.Fatal(err)
		}
		check(t, "state", d.State, store.Delivered)
		check(t, "attempts counted", d.Attempts, 2)
		check(t, "attempts kept", len(attempts), 2)
	})
}

func expire(t *testing.T, s *store.Store, channel string, want int64) {
	t.Helper()
	if n, err := s.Expire(t.Context(), channel, "the channel is down"); n != want || err != nil {
		t.Errorf("Expire(%s) = %d, %v, want %d, nil", channel, n, err, want)
	}
}

func TestExpireGivesUpOnlyWhatWaitsAndWhoseTimeIsOver(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		young, old := aDelivery("email", store.Queued), aDelivery("email", store.Queued)
		leased, other := aDelivery("email", store.Sending), aDelivery("sms", store.Queued)
		shadow := aDelivery("email", store.Shadow)
		route(t, s, "RE1", threeDays, young)
		route(t, s, "RE2", -time.Hour, old, leased, other, shadow)
		before := s.Now()
		expire(t, s, "email", 1)
		expire(t, s, "email", 0)

		for _, d := range []*store.Delivery{young, leased, other, shadow} {
			check(t, "state", read(t, s, d.ID).State, d.State)
		}
		got := read(t, s, old.ID)
		check(t, "state", got.State, store.Dead)
		check(t, "last error", got.LastError, "the channel is down")
		check(t, "attempts", got.Attempts, 0)
		if got.FinishedAt.Before(before.Truncate(time.Microsecond)) || got.FinishedAt.After(s.Now()) {
			t.Errorf("finished at %v, want now (%v)", got.FinishedAt, before)
		}
	})
}

func TestExpireLeavesAnUnsureOneToAPerson(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		recovered, retrying := aDelivery("email", store.Sending), aDelivery("email", store.Sending)
		route(t, s, "RE1", -time.Hour, recovered)
		recoverAll(t, s, 1)
		route(t, s, "RE2", -time.Hour, retrying)
		finish(t, s, retrying, store.Outcome{
			StartedAt: time.Now(), State: store.Retrying, Err: "connection broke", Unsure: true, NextAttemptAt: s.Now().Add(time.Hour),
		})
		expire(t, s, "email", 2)
		check(t, "state of a recovered one", read(t, s, recovered.ID).State, store.Unknown)
		check(t, "state of an unsure one", read(t, s, retrying.ID).State, store.Unknown)
	})
}

func TestExpireGivesUpAnyNumber(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		const many = 1201 // more than two batches
		deliveries := make([]*store.Delivery, many)
		for i := range deliveries {
			deliveries[i] = aDelivery("email", store.Queued)
		}
		route(t, s, "RE1", -time.Hour, deliveries...)
		expire(t, s, "email", many)
		checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 1)))
	})
}
