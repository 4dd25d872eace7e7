package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
)

func keepPlan(t *testing.T, s *store.Store, definition string) int64 {
	t.Helper()
	id, err := s.KeepPlan(t.Context(), []byte(definition))
	if id == 0 || err != nil {
		t.Fatalf("KeepPlan(%.20q) = %d, %v, want an id, nil", definition, id, err)
	}
	return id
}

func checkPlan(t *testing.T, s *store.Store, id int64, want string) {
	t.Helper()
	got, err := s.Plan(t.Context(), id)
	switch {
	case want == "" && errors.Is(err, store.ErrNotFound):
	case want == "" || err != nil || string(got) != want:
		t.Errorf("Plan(%d) = %.20q, %v, want %.20q, nil, or that it is not found", id, got, err, want)
	}
}

func TestADefinitionIsKeptOnceForEachChangeOfIt(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		large := strings.Repeat("x", 1<<20)
		first, second, third := keepPlan(t, s, "{}"), keepPlan(t, s, `{"a":"é\u0000"}`), keepPlan(t, s, large)
		if first == second || second == third || first == third {
			t.Errorf("KeepPlan() = %d, %d, %d, want three ids", first, second, third)
		}
		check(t, "the id of what was kept before", keepPlan(t, s, "{}"), first)
		checkPlan(t, s, first, "{}")
		checkPlan(t, s, second, `{"a":"é\u0000"}`)
		checkPlan(t, s, third, large)
		checkPlan(t, s, 999, "")
	})
}

func TestNodesThatFollowDifferentRulesKeepBothAndEachHasItsID(t *testing.T) {
	both := nodes(t, 2)
	one, other := keepPlan(t, both[0], "one"), keepPlan(t, both[1], "other")
	for range 2 { // as every hour
		check(t, "the first node's plan", keepPlan(t, both[0], "one"), one)
		check(t, "the second node's plan", keepPlan(t, both[1], "other"), other)
	}
	check(t, "the second node's plan once it follows the same", keepPlan(t, both[1], "one"), one)
}

func TestACallbackHasThePlanThatItWasRoutedBy(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		id := keepPlan(t, s, "{}")
		add(t, s, "RE1", "RE2", "RE3")
		for _, plan := range []int64{id, 0} {
			if _, err := s.Route(t.Context(), 1, threeDays, plan, func(store.Stored) []*store.Delivery { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		found, err := s.Callbacks(t.Context(), store.Filter{Limit: 9})
		if err != nil || len(found) != 3 {
			t.Fatalf("Callbacks() = %v, %v", found, err)
		}
		check(t, "plan of one that is not routed", found[0].PlanID, 0)
		check(t, "plan of one that was routed by none that is kept", found[1].PlanID, 0)
		check(t, "plan of one that was routed by it", found[2].PlanID, id)
	})
}

func TestAPlanIsForgottenOnceNoCallbackCanBeRoutedByIt(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		id := keepPlan(t, s, "{}")
		d := inState(t, s, store.Queued)
		sweepAfter := func(age time.Duration) {
			t.Helper()
			if err := s.AgePlans(t.Context(), age); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Remove(t.Context(), s.Now()); err != nil {
				t.Fatal(err)
			}
		}
		sweepAfter(2 * time.Hour)
		checkPlan(t, s, id, "{}") // it may have been in use since
		sweepAfter(2 * time.Hour)
		checkPlan(t, s, id, "") // the callback that is there was received after that

		id = keepPlan(t, s, "{}")
		if _, err := s.Remove(t.Context(), s.Now().Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		checkPlan(t, s, id, "{}") // the callback is older than what is removed, but not finished
		if err := s.Cancel(t.Context(), d.ID, "kim"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Remove(t.Context(), s.Now().Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		checkPlan(t, s, id, "")
	})
}
