package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

func addTallies(t *testing.T, s *store.Store, tallies ...store.Tally) {
	t.Helper()
	if err := s.AddTallies(t.Context(), tallies); err != nil {
		t.Fatalf("AddTallies(%v) = %v", tallies, err)
	}
}

// counted puts what Hours or Totals returned into words: how long before now an
// hour began, of whom, how often, and how long before now the last time.
func counted(t *testing.T, now time.Time, tallies []store.Tally, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var words strings.Builder
	for _, c := range tallies {
		fmt.Fprintf(&words, "%v %s %s %d %v; ", now.Sub(c.At), c.Name, c.Result, c.N, now.Sub(c.LastAt))
	}
	return words.String()
}

func TestCountsAreAddedUpByTheHourAndInTotal(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		now := s.Now().Truncate(time.Hour) // the end of the last full hour
		at := func(ago time.Duration, name, result string, n int64) store.Tally {
			when := now.Add(-ago)
			return store.Tally{At: when, What: "delivery", Name: name, Result: result, N: n, LastAt: when}
		}
		addTallies(t, s)
		addTallies(t, s, at(90*time.Minute, "email", "delivered", 2), at(80*time.Minute, "email", "delivered", 3),
			at(90*time.Minute, "email", "dead", 1), at(time.Minute, "sms", "delivered", 1))
		addTallies(t, s, at(70*time.Minute, "email", "delivered", 5), at(10*time.Minute, "email", "delivered", 1))
		addTallies(t, s, at(110*time.Minute, "email", "delivered", 1)) // late: the last time stays
		other := at(time.Minute, "a\x00b\xff", "", 1)
		other.What = "rule"
		addTallies(t, s, other)

		hours := func(ago time.Duration) string {
			found, err := s.Hours(t.Context(), "delivery", now.Add(-ago))
			return counted(t, now, found, err)
		}
		const last = "1h0m0s email delivered 1 10m0s; 1h0m0s sms delivered 1 1m0s; "
		check(t, "Hours() of three hours", hours(3*time.Hour), "2h0m0s email dead 1 1h30m0s; 2h0m0s email delivered 11 1h10m0s; "+last)
		check(t, "Hours() from within an hour", hours(61*time.Minute), "2h0m0s email dead 1 1h30m0s; 2h0m0s email delivered 11 1h10m0s; "+last)
		check(t, "Hours() of one hour", hours(time.Hour), last)
		totals := func(what string, ago time.Duration) string {
			found, err := s.Totals(t.Context(), what, now.Add(-ago))
			return counted(t, now, found, err)
		}
		check(t, "Totals()", totals("delivery", 30*24*time.Hour),
			"2h0m0s email dead 1 1h30m0s; 2h0m0s email delivered 12 10m0s; 1h0m0s sms delivered 1 1m0s; ")
		check(t, "Totals() of rules", totals("rule", time.Hour), "1h0m0s ab\uFFFD  1 1m0s; ")
		check(t, "Totals() of what is not counted", totals("callback", time.Hour), "")
	})
}

func TestCountsOfNodesAreAddedUpAndNoneWaitsForTheOther(t *testing.T) {
	both := nodes(t, 2)
	now := both[0].Now()
	var adding sync.WaitGroup
	for _, s := range both {
		adding.Go(func() {
			for range 20 {
				err := s.AddTallies(t.Context(), []store.Tally{{At: now, What: "rule", Name: "r", N: 1, LastAt: now}, {At: now, What: "rule", Name: "q", N: 2, LastAt: now}})
				if err != nil {
					t.Errorf("AddTallies() = %v", err)
				}
			}
		})
	}
	adding.Wait()
	found, err := both[1].Totals(t.Context(), "rule", now)
	if err != nil || len(found) != 2 || found[0].N != 80 || found[1].N != 40 {
		t.Errorf("Totals() = %+v, %v, want 80 of q and 40 of r", found, err)
	}
}

func TestHoursOfLongAgoBecomeDaysAndAreForgottenInTheEnd(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { testOldCounts(t, k.open(t)) })
	}
	t.Run("two nodes at once", func(t *testing.T) { testOldCounts(t, nodes(t, 2)...) })
}

func testOldCounts(t *testing.T, sweepers ...*store.Store) {
	s := sweepers[0]
	const day = 24 * time.Hour
	today := s.Now().Truncate(day)
	put := func(at time.Time, n int64) {
		addTallies(t, s, store.Tally{At: at, What: "callback", Name: "completed", Result: "stored", N: n, LastAt: at})
	}
	for days := range 40 {
		for _, hour := range []time.Duration{0, 7 * time.Hour, 23 * time.Hour} {
			put(today.Add(-time.Duration(days)*day+hour), 1)
		}
	}
	sweep := func() {
		t.Helper()
		var sweeping sync.WaitGroup
		for _, one := range sweepers {
			sweeping.Go(func() {
				if _, err := one.Remove(t.Context(), s.Now().Add(-day)); err != nil { // counts are kept longer
					t.Errorf("Remove() = %v", err)
				}
			})
		}
		sweeping.Wait()
	}
	sweep()
	put(today.Add(-10*day+5*time.Hour), 10) // late
	sweep()
	found, err := s.Hours(t.Context(), "callback", today.Add(-100*day))
	if err != nil {
		t.Fatal(err)
	}
	hours := map[int]int{}
	for _, c := range found {
		ago := int(today.Sub(c.At.Truncate(day)) / day)
		hours[ago]++
		want := int64(3)
		switch {
		case ago <= 2:
			want = 1
		case ago == 10:
			want = 13
		}
		if c.N != want || ago > 2 && (!c.At.Equal(c.At.Truncate(day)) || c.LastAt.Sub(c.At) != 23*time.Hour) {
			t.Errorf("%d days ago: got %+v, want %d", ago, c, want)
		}
	}
	for ago, want := range map[int]int{0: 3, 2: 3, 3: 1, 10: 1, 30: 1, 32: 0, 39: 0} {
		check(t, fmt.Sprintf("counts of %d days ago", ago), hours[ago], want)
	}
	totals, err := s.Totals(t.Context(), "callback", s.Now().Add(-30*day))
	if err != nil || len(totals) != 1 || totals[0].N != 31*3+10 {
		t.Errorf("Totals() of 30 days = %+v, %v, want %d", totals, err, 31*3+10)
	}
}
