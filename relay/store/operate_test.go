package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestRetryMakesADeliveryDueAgain(t *testing.T) {
	for _, state := range []store.State{store.Queued, store.Retrying, store.Dead, store.Cancelled, store.Unknown} {
		t.Run(string(state), func(t *testing.T) {
			promise(t, func(t *testing.T, s *store.Store) {
				d := inState(t, s, state)
				attempts := read(t, s, d.ID).Attempts
				before := s.Now().Truncate(time.Microsecond)
				if err := s.Retry(t.Context(), d.ID, "kim", time.Hour); err != nil {
					t.Fatalf("Retry(%s) = %v, want nil", state, err)
				}
				got := read(t, s, d.ID)
				check(t, "state", got.State, store.Queued)
				check(t, "attempts", got.Attempts, attempts)
				check(t, "finished at is zero", got.FinishedAt.IsZero(), true)
				if got.GiveUpAt.Before(before.Add(time.Hour)) || got.GiveUpAt.After(s.Now().Add(time.Hour)) {
					t.Errorf("give up at %v, want an hour from %v", got.GiveUpAt, before)
				}
				again := claim(t, s, "email", 9)
				checkIDs(t, "Claim()", idsOf(again), d.ID)
				finish(t, s, again[0], store.Outcome{StartedAt: time.Now(), State: store.Delivered})
				check(t, "state", read(t, s, d.ID).State, store.Delivered)
			})
		})
	}
}

func TestRetryIsAPersonsDecisionToSend(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := inState(t, s, store.Sending)
		recoverAll(t, s, 1)
		check(t, "unsure before", read(t, s, d.ID).Unsure, true)
		if err := s.Retry(t.Context(), d.ID, "kim", time.Hour); err != nil {
			t.Fatal(err)
		}
		check(t, "unsure after", read(t, s, d.ID).Unsure, false)
	})
}

func TestCancelEndsWhatWaits(t *testing.T) {
	for _, state := range []store.State{store.Queued, store.Retrying, store.Unknown} {
		t.Run(string(state), func(t *testing.T) {
			promise(t, func(t *testing.T, s *store.Store) {
				d := inState(t, s, state)
				if err := s.Cancel(t.Context(), d.ID, "kim"); err != nil {
					t.Fatalf("Cancel(%s) = %v, want nil", state, err)
				}
				got := read(t, s, d.ID)
				check(t, "state", got.State, store.Cancelled)
				check(t, "finished at is zero", got.FinishedAt.IsZero(), false)
				checkIDs(t, "Claim()", idsOf(claim(t, s, "email", 9)))
			})
		})
	}
}

func TestRetryAndCancelRefuseOtherStates(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		retry := func(id int64) error { return s.Retry(t.Context(), id, "kim", time.Hour) }
		cancel := func(id int64) error { return s.Cancel(t.Context(), id, "kim") }
		for _, c := range []struct {
			op     string
			do     func(int64) error
			states []store.State
		}{
			{"retry", retry, []store.State{store.Sending, store.Delivered, store.Shadow}},
			{"cancel", cancel, []store.State{store.Sending, store.Delivered, store.Dead, store.Cancelled, store.Shadow}},
		} {
			for _, state := range c.states {
				before := *read(t, s, inState(t, s, state).ID)
				err := c.do(before.ID)
				e, ok := errors.AsType[*store.StateError](err)
				if !ok || *e != (store.StateError{ID: before.ID, State: state, Op: c.op}) {
					t.Errorf("%s of a %s delivery = %v, want a StateError of it", c.op, state, err)
				}
				if want := fmt.Sprintf("is %s: cannot %s it", state, c.op); !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("%s of a %s delivery says %q, want %q", c.op, state, err, want)
				}
				check(t, fmt.Sprintf("%s delivery", state), *read(t, s, before.ID), before)
			}
			if err := c.do(999); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s of no delivery = %v, want %v", c.op, err, store.ErrNotFound)
			}
		}
		if _, _, err := s.Delivery(t.Context(), 999); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Delivery() of no delivery = %v, want %v", err, store.ErrNotFound)
		}
	})
}
