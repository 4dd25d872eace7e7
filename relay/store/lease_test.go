package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestClaimReturnsTheDeliveryWhole(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aDelivery("email", store.Queued)
		route(t, s, "RE1", threeDays, d)
		claimed := claim(t, s, "email", 1)
		checkIDs(t, "Claim()", idsOf(claimed), d.ID)
		check(t, "state", claimed[0].State, store.Sending)
		check(t, "what Claim() returned", *claimed[0], *read(t, s, d.ID))
		check(t, "text", claimed[0].Text, d.Text)
		check(t, "HTML", claimed[0].HTML, d.HTML)
		check(t, "recording", claimed[0].Recording, "RE1")
	})
}

// retryingAt stores a delivery whose next attempt is due at that time.
func retryingAt(t *testing.T, s *store.Store, channel string, due time.Time) int64 {
	t.Helper()
	d := aDelivery(channel, store.Sending)
	route(t, s, fmt.Sprint("RE", due.UnixNano()), threeDays, d)
	finish(t, s, d, store.Outcome{StartedAt: time.Now(), Err: "busy", State: store.Retrying, NextAttemptAt: due})
	return d.ID
}

func TestClaimTakesWhatIsDueOldestFirst(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		now := s.Now()
		second := retryingAt(t, s, "email", now.Add(-2*time.Hour))
		retryingAt(t, s, "email", now.Add(time.Hour))
		first := retryingAt(t, s, "email", now.Add(-3*time.Hour))
		third := retryingAt(t, s, "email", now.Add(-time.Hour))
		fourth := aDelivery("email", store.Queued)
		route(t, s, "RE1", threeDays, fourth)

		checkIDs(t, "Claim(0)", idsOf(claim(t, s, "email", 0)))
		checkIDs(t, "Claim(2)", idsOf(claim(t, s, "email", 2)), first, second)
		checkIDs(t, "Claim(9)", idsOf(claim(t, s, "email", 9)), third, fourth.ID)
		checkIDs(t, "Claim(9) again", idsOf(claim(t, s, "email", 9)))
	})
}

func TestClaimKeepsChannelsApart(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		email, sms := aDelivery("email", store.Queued), aDelivery("sms", store.Queued)
		route(t, s, "RE1", threeDays, email, sms)
		checkIDs(t, "Claim(fax)", idsOf(claim(t, s, "fax", 9)))
		checkIDs(t, "Claim(sms)", idsOf(claim(t, s, "sms", 9)), sms.ID)
		checkIDs(t, "Claim(email)", idsOf(claim(t, s, "email", 9)), email.ID)
	})
}

func TestClaimTakesNothingThatIsFinished(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for _, state := range store.States {
			if state.Finished() {
				inState(t, s, state)
			}
		}
		checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 9)))
	})
}

func TestClaimAtOnceNeverGivesOutADeliveryTwice(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		var want []int64
		for i := range 10 {
			var deliveries []*store.Delivery
			for range 30 {
				deliveries = append(deliveries, aDelivery("email", store.Queued))
			}
			route(t, s, fmt.Sprint("RE", i), threeDays, deliveries...)
			want = append(want, idsOf(deliveries)...)
		}
		var mu sync.Mutex
		var got []int64
		var claiming sync.WaitGroup
		for range 8 {
			claiming.Go(func() {
				for {
					claimed, err := s.Claim(t.Context(), "email", 7)
					if err != nil {
						t.Errorf("Claim() = %v", err)
					}
					if len(claimed) == 0 {
						return
					}
					mu.Lock()
					got = append(got, idsOf(claimed)...)
					mu.Unlock()
				}
			})
		}
		claiming.Wait()
		slices.Sort(got)
		checkIDs(t, "all claims together", got, want...)
	})
}

func TestNextDueIsWhenTheNextOneWaitingIsDue(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		nextDue := func() time.Time {
			t.Helper()
			due, err := s.NextDue(t.Context(), "email")
			if err != nil {
				t.Fatalf("NextDue() = %v", err)
			}
			return due
		}
		route(t, s, "RE1", threeDays, aDelivery("sms", store.Queued), aDelivery("email", store.Sending))
		check(t, "NextDue() where none waits is zero", nextDue().IsZero(), true)
		due := time.Now().Add(time.Hour)
		retryingAt(t, s, "email", due.Add(time.Hour))
		retryingAt(t, s, "email", due)
		checkTime(t, "NextDue()", nextDue(), due)
		d := aDelivery("email", store.Queued)
		route(t, s, "RE2", threeDays, d)
		checkTime(t, "NextDue() with one due now", nextDue(), d.NextAttemptAt)
	})
}

func TestWaitingChannelsAreThoseForWhichDeliveriesWait(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		waiting := func(want ...string) {
			t.Helper()
			got, err := s.WaitingChannels(t.Context())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("WaitingChannels() = %v, %v, want %v, nil", got, err, want)
			}
		}
		waiting()
		route(t, s, "RE1", threeDays, aDelivery("sms", store.Queued), aDelivery("sms", store.Queued),
			aDelivery("fax", store.Sending), aDelivery("log", store.Shadow), aDelivery("email", store.Dead))
		retryingAt(t, s, "b", time.Now().Add(time.Hour))
		waiting("b", "sms")
	})
}

func TestReleaseGivesBackWhatWasLeased(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		fresh := aDelivery("email", store.Sending)
		route(t, s, "RE1", threeDays, fresh)
		tried := retryingAt(t, s, "email", time.Now().Add(-time.Hour))
		checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 9)), tried)

		release := func(reason string) {
			t.Helper()
			if err := s.Release(t.Context(), []int64{fresh.ID, tried}, reason); err != nil {
				t.Fatalf("Release() = %v", err)
			}
		}
		release("")
		for id, want := range map[int64]store.Delivery{
			fresh.ID: {State: store.Queued},
			tried:    {State: store.Retrying, Attempts: 1, LastError: "busy"},
		} {
			got := read(t, s, id)
			check(t, "state", got.State, want.State)
			check(t, "attempts", got.Attempts, want.Attempts)
			check(t, "last error", got.LastError, want.LastError)
			check(t, "unsure", got.Unsure, false)
		}
		checkIDs(t, "Claim() after Release()", idsOf(claim(t, s, "email", 9)), tried, fresh.ID)

		release("channel is down")
		check(t, "last error", read(t, s, fresh.ID).LastError, "channel is down")
		check(t, "last error", read(t, s, tried).LastError, "channel is down")
	})
}

func TestOnlyLeasedDeliveriesAreReleasedRenewedOrFinished(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for _, state := range store.States {
			if state == store.Sending {
				continue
			}
			d := inState(t, s, state)
			before := *read(t, s, d.ID)
			if err := s.Release(t.Context(), []int64{d.ID}, "a reason"); err != nil {
				t.Errorf("Release(%s) = %v", state, err)
			}
			if kept, err := s.Renew(t.Context(), []int64{d.ID}); len(kept) > 0 || err != nil {
				t.Errorf("Renew(%s) = %v, %v, want none, nil", state, kept, err)
			}
			finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "late"})
			check(t, fmt.Sprintf("%s delivery", state), *read(t, s, d.ID), before)
		}
		if err := s.Release(t.Context(), []int64{999}, ""); err != nil {
			t.Errorf("Release() of no delivery = %v, want nil", err)
		}
	})
}

func TestRenewKeepsALease(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := inState(t, s, store.Sending)
		kept, err := s.Renew(t.Context(), []int64{d.ID})
		if err != nil {
			t.Fatalf("Renew() = %v", err)
		}
		checkIDs(t, "Renew()", kept, d.ID)
		checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 9)))
		finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		check(t, "state", read(t, s, d.ID).State, store.Delivered)
	})
}

func TestRecoverTakesUpWhatItsOwnProcessHasNotRenewed(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := inState(t, s, store.Sending)
		for _, step := range []struct {
			age  time.Duration
			want store.State
		}{{0, store.Sending}, {2 * store.Lease, store.Queued}} {
			if err := s.Age(t.Context(), step.age); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Recover(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			check(t, fmt.Sprintf("state after %v", step.age), read(t, s, d.ID).State, step.want)
		}
	})
}

func TestRecoverLetsAChannelPause(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		email := inState(t, s, store.Sending)
		sms := aDelivery("sms", store.Sending)
		route(t, s, "RE-sms", threeDays, sms)
		if err := s.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := s.Now()
		if _, err := s.Recover(t.Context(), map[string]time.Duration{"sms": time.Minute}); err != nil {
			t.Fatal(err)
		}
		due, after := read(t, s, sms.ID).NextAttemptAt, s.Now()
		if pause := time.Minute; due.Before(before.Add(pause).Truncate(time.Microsecond)) || due.After(after.Add(pause)) {
			t.Errorf("sms is due at %v, want a minute after something between %v and %v", due, before, after)
		}
		checkTime(t, "email is due", read(t, s, email.ID).NextAttemptAt, email.NextAttemptAt)
	})
}

func TestRecoverGivesBackLeasedOnesAsUnsure(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		before := map[store.State]store.Delivery{}
		for _, state := range store.States {
			before[state] = *read(t, s, inState(t, s, state).ID)
		}
		tried := retryingAt(t, s, "sms", time.Now().Add(-time.Hour))
		claim(t, s, "sms", 1)

		recoverAll(t, s, 2)
		recoverAll(t, s, 0)
		for state, was := range before {
			if state != store.Sending {
				check(t, fmt.Sprintf("%s delivery", state), *read(t, s, was.ID), was)
			}
		}
		for id, want := range map[int64]store.State{before[store.Sending].ID: store.Queued, tried: store.Retrying} {
			d := read(t, s, id)
			check(t, "state", d.State, want)
			check(t, "unsure", d.Unsure, true)
			check(t, "last error is given", d.LastError != "", true)
		}
		check(t, "Claim()", claim(t, s, "sms", 1)[0].Unsure, true)
	})
}
