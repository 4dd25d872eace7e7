package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
)

// archive is a store to search in: callbacks in two buckets, received not quite
// in the order of their ids, in calls of three, with deliveries in every state,
// some of them sent on. It returns all there is, newest first.
func archive(t *testing.T, s *store.Store) (all []store.Recording) {
	t.Helper()
	const many = 330
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	recipients := []string{"alice@example.com", "alina@example.com", "Bob@example.com", "+15550100001", "a_b%c@example.com", "al"}
	for i := range many {
		cb := aCallback(fmt.Sprint("RE", i/2))
		cb.RecordingStatus = []string{"in-progress", "completed"}[i%2]
		cb.CallSid = []string{"", fmt.Sprint("CA", i/6)}[min(i%7, 1)]
		cb.ReceivedAt = start.Add(time.Duration(i+random.IntN(5)) * time.Second)
		if _, err := s.Add(t.Context(), cb); err != nil {
			t.Fatal(err)
		}
	}
	states := []store.State{store.Queued, store.Sending, store.Dead, store.Shadow}
	_, err := s.Route(t.Context(), many, threeDays, 0, func(cb store.Stored) (deliveries []*store.Delivery) {
		for range random.IntN(4) {
			d := aDelivery("email", states[max(0, random.IntN(7)-3)])
			d.To = recipients[random.IntN(len(recipients))]
			deliveries = append(deliveries, d)
		}
		return deliveries
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Deliveries(t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		d := found[random.IntN(len(found))]
		id, err := s.Forward(t.Context(), d.ID, "alice@example.org", "kim", threeDays)
		if err == nil && random.IntN(2) == 0 {
			err = s.Cancel(t.Context(), id, "kim")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Spread(t.Context(), many/2, 1500); err != nil {
		t.Fatal(err)
	}
	fileCalls(t, s, 1) // half of them
	return everything(t, s)
}

// everything returns all callbacks with their deliveries, newest first, by way of
// other lists than those of a search.
func everything(t *testing.T, s *store.Store) (all []store.Recording) {
	t.Helper()
	callbacks, err := s.Callbacks(t.Context(), store.Filter{Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	deliveries, err := s.Deliveries(t.Context(), store.Filter{Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(deliveries)
	for _, cb := range callbacks {
		r := store.Recording{Stored: cb}
		for _, d := range deliveries {
			if d.CallbackID == cb.ID {
				r.Deliveries = append(r.Deliveries, d)
			}
		}
		all = append(all, r)
	}
	return all
}

// looked returns the ids that q asks for, by the plain meaning of its fields.
func looked(all []store.Recording, q store.Search) (ids []int64) {
	for _, r := range all {
		text := q.Text == "" || r.RecordingSid == q.Text || r.CallSid == q.Text
		for _, beginning := range []string{q.Text, strings.ToLower(q.Text)} {
			text = text || slices.ContainsFunc(r.Deliveries, func(d store.Delivery) bool {
				return strings.HasPrefix(d.To, beginning) && (q.State == "" || d.State == q.State)
			})
		}
		state := q.State == "" || slices.ContainsFunc(r.Deliveries, func(d store.Delivery) bool { return d.State == q.State })
		if text && state && !r.ReceivedAt.Before(q.Since) && (q.Until.IsZero() || r.ReceivedAt.Before(q.Until)) &&
			(q.Before == 0 || r.ID < q.Before) && len(ids) < q.Limit {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func search(t *testing.T, s *store.Store, q store.Search) (ids []int64) {
	t.Helper()
	found, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("Search(%+v) = %v", q, err)
	}
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestSearchFollowsEveryCombinationOfItsFields(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		all := archive(t, s)
		early, late := all[len(all)-60].ReceivedAt, all[40].ReceivedAt
		for _, text := range []string{"", "RE7", "RE200", "CA3", "CA50", "al", "alice@example.com", "alice@example.org", "ALICE", "Bob",
			"BOB", "+1555", "a_b%", "%", "_", "al%", "nobody"} {
			for _, state := range append([]store.State{""}, store.States...) {
				for _, q := range []store.Search{
					{Limit: 1000}, {Limit: 3}, {Since: early, Limit: 1000}, {Until: late, Limit: 3}, {Since: early, Until: late, Limit: 1000},
					{Before: all[20].ID, Limit: 3}, {Before: all[len(all)-30].ID, Limit: 1000},
					{Since: early, Until: late, Before: all[90].ID, Limit: 20},
				} {
					q.Text, q.State = text, state
					checkIDs(t, fmt.Sprintf("Search(%+v)", q), search(t, s, q), looked(all, q)...)
				}
			}
		}
	})
}

func TestSearchShowsWhatIsStoredOfACallbackAndItsDeliveries(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		all := archive(t, s)
		found, err := s.Search(t.Context(), store.Search{Limit: len(all)})
		if err != nil || len(found) != len(all) {
			t.Fatalf("Search() = %d, %v, want %d, nil", len(found), err, len(all))
		}
		for i, r := range found {
			check(t, "callback", fmt.Sprintf("%+v %v", *r.Callback, r.RoutedAt), fmt.Sprintf("%+v %v", *all[i].Callback, all[i].RoutedAt))
			check(t, "deliveries", fmt.Sprintf("%+v", r.Deliveries), fmt.Sprintf("%+v", append([]store.Delivery{}, all[i].Deliveries...)))
		}
	})
}

func TestSearchFindsNothingByHostileText(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		inState(t, s, store.Queued)
		for _, text := range []string{"\x00", "alice\x00", "\xff", "%", "_lice", "*", "' OR '1'='1", `"`, `\`, "\U0010FFFF", "\ufffd",
			strings.Repeat("a", 1<<20), " ", "{", "0x"} {
			checkIDs(t, fmt.Sprintf("Search(%.20q)", text), search(t, s, store.Search{Text: text, Limit: 9}))
			checkIDs(t, fmt.Sprintf("Search(%.20q, queued)", text), search(t, s, store.Search{Text: text, State: store.Queued, Limit: 9}))
		}
		checkIDs(t, "Search without a limit", search(t, s, store.Search{}))
		checkIDs(t, "Search for an unknown state", search(t, s, store.Search{State: "' OR '1'='1", Limit: 9}))
	})
}

func TestSearchLooksAtABoundedNumberOfRecipients(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		var deliveries []*store.Delivery
		for i := range 40 {
			d := aDelivery("email", store.Queued)
			d.To = fmt.Sprintf("user%02d@example.com", i)
			route(t, s, fmt.Sprint("RE", i), threeDays, d)
			deliveries = append(deliveries, d)
		}
		var want []int64
		for i := 31; i >= 0; i-- {
			want = append(want, deliveries[i].CallbackID)
		}
		checkIDs(t, "Search(user)", search(t, s, store.Search{Text: "user", Limit: 100}), want...)
		checkIDs(t, "Search(user39)", search(t, s, store.Search{Text: "user39", Limit: 100}), deliveries[39].CallbackID)
	})
}

func TestPagesOfASearchHoldEveryCallbackOnce(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		all := archive(t, s)
		for _, q := range []store.Search{{Limit: 7}, {Limit: 7, Text: "al"}, {Limit: 7, State: store.Queued}, {Limit: 7, Text: "al", State: store.Queued}} {
			var got []int64
			for page := search(t, s, q); len(page) > 0; page = search(t, s, q) {
				got = append(got, page...)
				q.Before = page[len(page)-1]
			}
			q.Before, q.Limit = 0, len(all)
			checkIDs(t, fmt.Sprintf("all pages of Search(%+v)", q), got, looked(all, q)...)
		}
	})
}

func TestSearchFindsTheNewestThoughNodesRouteAtTheSameTime(t *testing.T) {
	both := nodes(t, 2)
	const batch, rounds = 300, 4 // more than a search reads at once
	var recordings []string
	for i := range 2 * batch * rounds {
		recordings = append(recordings, fmt.Sprint("RE", i))
	}
	add(t, both[0], recordings...)
	queue := func(store.Stored) []*store.Delivery { return []*store.Delivery{aDelivery("email", store.Queued)} }
	for range rounds {
		second := true
		_, err := both[0].Route(t.Context(), batch, threeDays, 0, func(cb store.Stored) []*store.Delivery {
			if second { // the other node routes those behind these, and is done first
				second = false
				if _, err := both[1].Route(t.Context(), batch, threeDays, 0, queue); err != nil {
					t.Error(err)
				}
			}
			return queue(cb)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := everything(t, both[0])
	if all[0].Deliveries[0].ID > all[batch].Deliveries[0].ID {
		t.Fatal("the deliveries are in the order of their callbacks: this proves nothing")
	}
	for _, q := range []store.Search{{State: store.Queued, Limit: 50}, {Text: "alice", Limit: 50}, {Text: "alice", State: store.Queued, Limit: 9}} {
		for _, before := range []int64{0, all[100].ID, all[280].ID, all[580].ID, all[1700].ID} {
			q.Before = before
			checkIDs(t, fmt.Sprintf("Search(%+v)", q), search(t, both[0], q), looked(all, q)...)
		}
	}
}

func TestRecordingReturnsAllThatWasReceivedOfARecordingOldestFirst(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		first, other, second := aDelivery("email", store.Queued), aDelivery("email", store.Queued), aDelivery("sms", store.Dead)
		route(t, s, "RE1", threeDays, first)
		route(t, s, "RE2", threeDays, other)
		cb := aCallback("RE1")
		cb.RecordingStatus = "absent"
		elsewhere := aCallback("RE1")
		elsewhere.AccountSid = "AC2"
		for _, cb := range []*store.Stored{{Callback: cb}, {Callback: elsewhere}} {
			if _, err := s.Add(t.Context(), cb.Callback); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.Route(t.Context(), 1, threeDays, 0, func(store.Stored) []*store.Delivery { return []*store.Delivery{second} })
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []int64{first.CallbackID, second.CallbackID} {
			found, err := s.Recording(t.Context(), asked)
			if err != nil || len(found) != 2 {
				t.Fatalf("Recording(%d) = %+v, %v, want two callbacks, nil", asked, found, err)
			}
			check(t, "first", found[0].RecordingStatus+" "+found[0].Deliveries[0].Channel, "completed email")
			check(t, "second", found[1].RecordingStatus+" "+found[1].Deliveries[0].Channel, "absent sms")
			check(t, "what a delivery says", found[0].Deliveries[0].Text, "")
		}
		if _, err := s.Recording(t.Context(), 999); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Recording() of no callback = %v, want %v", err, store.ErrNotFound)
		}
	})
}

func TestWaitingCountsWhatAChannelHasToSend(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		waits := func(channel string, atMost, want int, oldest time.Time) {
			t.Helper()
			n, got, err := s.Waiting(t.Context(), channel, atMost)
			if n != want || err != nil {
				t.Errorf("Waiting(%s, %d) = %d, %v, want %d, nil", channel, atMost, n, err, want)
			}
			checkTime(t, "oldest", got, oldest)
		}
		waits("email", 9, 0, time.Time{})
		inState(t, s, store.Dead)
		inState(t, s, store.Delivered)
		waits("email", 9, 0, time.Time{})
		sending := inState(t, s, store.Sending)
		retrying := inState(t, s, store.Retrying)
		waits("email", 9, 2, sending.CreatedAt)
		finish(t, s, sending, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		inState(t, s, store.Queued)
		waits("email", 9, 2, retrying.CreatedAt)
		waits("email", 1, 1, retrying.CreatedAt)
		waits("sms", 9, 0, time.Time{})
	})
}
