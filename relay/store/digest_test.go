package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// collected returns a delivery that is collected for so long.
func collected(to string, d time.Duration) *store.Delivery {
	return &store.Delivery{Rule: "managers", Channel: "email", Kind: "email", To: to, State: store.Queued,
		Collect: &store.Collect{Template: "digest", For: d}}
}

// due returns the digests that are due, by recipient.
func due(t testing.TB, s *store.Store) map[string]store.Digest {
	t.Helper()
	found, err := s.DueDigests(t.Context(), 99)
	if err != nil {
		t.Fatalf("DueDigests() = %v", err)
	}
	byRecipient := make(map[string]store.Digest)
	for _, d := range found {
		byRecipient[d.To] = d
	}
	return byRecipient
}

func digestOf(d store.Digest) (all []string) {
	for _, r := range d.Recordings {
		all = append(all, r.RecordingSid)
	}
	return all
}

// told returns a delivery of a digest, with a link for each of its recordings.
func told(d *store.Digest) *store.Delivery {
	made := aDelivery(d.Channel, store.Queued)
	made.To, made.Text = d.To, ""
	for i, r := range d.Recordings {
		link := &store.Link{Token: store.NewToken(), TTL: time.Hour, Callback: r.ID}
		made.Text += " https://hooks.example.com/r/" + link.Token
		if i == len(d.Recordings)-1 {
			link.Callback = 0
			made.Link = link
		} else {
			made.Links = append(made.Links, link)
		}
	}
	return made
}

// send makes a delivery of a digest.
func send(t testing.TB, s *store.Store, d store.Digest, want bool) *store.Delivery {
	t.Helper()
	made := told(&d)
	if sent, err := s.SendDigest(t.Context(), &d, made, threeDays); sent != want || err != nil {
		t.Fatalf("SendDigest(%d) = %v, %v, want %v", d.ID, sent, err, want)
	}
	return made
}

// recording returns what is known of the recording's callback.
func recording(t testing.TB, s *store.Store, recording string) store.Recording {
	t.Helper()
	found, err := s.Search(t.Context(), store.Search{Text: recording, Limit: 9})
	if err != nil || len(found) != 1 {
		t.Fatalf("Search(%s) = %v, %v, want one", recording, found, err)
	}
	return found[0]
}

func TestADigestCollectsARecipientsRecordingsUntilTheFirstIsOldEnough(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		before := s.Now()
		route(t, s, "RE1", threeDays, collected("Alice@example.com", time.Hour), collected("bob@example.com", -time.Hour), aDelivery("email", store.Queued))
		route(t, s, "RE2", threeDays, collected("alice@example.com", 2*time.Hour))
		other := collected("alice@example.com", time.Hour)
		other.Channel = "other"
		trial := collected("alice@example.com", time.Hour)
		trial.State = store.Shadow
		route(t, s, "RE3", threeDays, other, trial)
		if got := due(t, s); len(got) != 1 || !slices.Equal(digestOf(got["bob@example.com"]), []string{"RE1"}) {
			t.Errorf("DueDigests() = %+v, want bob's alone", got)
		}
		first := recording(t, s, "RE1")
		if len(first.Deliveries) != 1 || len(first.Digests) != 2 {
			t.Fatalf("the first recording has %+v and %+v, want one delivery and two digests", first.Deliveries, first.Digests)
		}
		alice := first.Digests[0]
		second := recording(t, s, "RE2").Digests
		if len(second) != 1 || second[0].ID != alice.ID || second[0].Rule != "managers" || !second[0].DueAt.Equal(alice.DueAt) {
			t.Errorf("the second waits in %+v, want the first's, %+v", second, alice)
		}
		if alice.DueAt.Before(before.Add(time.Hour)) || alice.DueAt.After(s.Now().Add(time.Hour)) {
			t.Errorf("it is due at %v, want an hour after the first", alice.DueAt)
		}
		if third := recording(t, s, "RE3").Digests; len(third) != 2 || third[0].ID == alice.ID || third[1].ID == alice.ID {
			t.Errorf("another channel's and a trial's are in %+v, want digests of their own", third)
		}
		// A shorter time brings it forward.
		route(t, s, "RE4", threeDays, collected("ALICE@example.com", -time.Minute))
		if got := due(t, s)["Alice@example.com"]; !slices.Equal(digestOf(got), []string{"RE1", "RE2", "RE4"}) {
			t.Errorf("DueDigests() = %+v, want all three of alice, oldest first", got)
		}
	})
}

func TestADigestIsNotDueInQuietHours(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, end := quietFor(t, s, 3*time.Hour)
		d := collected("alice@example.com", time.Hour)
		d.Quiet = hours
		route(t, s, "RE1", threeDays, d)
		if got := recording(t, s, "RE1").Digests; len(got) != 1 || !got[0].DueAt.Equal(end) || got[0].Quiet != hours {
			t.Errorf("the digest is %+v, want it due at %v", got, end)
		}
		if next, err := s.NextDigest(t.Context()); !next.Equal(end) || err != nil {
			t.Errorf("NextDigest() = %v, %v, want %v", next, err, end)
		}
	})
}

func TestADigestIsSentOnceAndFoundByEachOfItsRecordings(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for i := range 3 {
			route(t, s, fmt.Sprint("RE", i), threeDays, collected("alice@example.com", -time.Hour))
		}
		digest := due(t, s)["alice@example.com"]
		made := send(t, s, digest, true)
		send(t, s, digest, false)
		if got := due(t, s); len(got) != 0 {
			t.Errorf("DueDigests() = %+v, want nothing once it is sent", got)
		}
		if next, err := s.NextDigest(t.Context()); !next.IsZero() || err != nil {
			t.Errorf("NextDigest() = %v, %v, want none", next, err)
		}
		for i := range 3 {
			name := fmt.Sprint("RE", i)
			r := recording(t, s, name)
			if len(r.Digests) != 0 || len(r.Deliveries) != 1 || r.Deliveries[0].ID != made.ID || r.Deliveries[0].Recording != "RE2" {
				t.Errorf("%s has %+v and %+v, want the one delivery", name, r.Deliveries, r.Digests)
			}
			list, err := s.Deliveries(t.Context(), store.Filter{Recording: name, State: store.Queued, Limit: 9})
			if err != nil || len(list) != 1 || list[0].ID != made.ID {
				t.Errorf("Deliveries(%s) = %+v, %v, want the one", name, list, err)
			}
			for _, q := range []store.Search{{Text: name, State: store.Queued, Limit: 9}, {Text: "CA1", State: store.Queued, Limit: 9},
				{State: store.Queued, Limit: 9}, {Text: "alice", Limit: 9}} {
				found, err := s.Search(t.Context(), q)
				if err != nil || !slices.ContainsFunc(found, func(r store.Recording) bool { return r.RecordingSid == name }) {
					t.Errorf("Search(%+v) = %d, %v, want %s among them", q, len(found), err, name)
				}
			}
		}
		if n, err := s.TellsOf(t.Context(), made.ID); n != 3 || err != nil {
			t.Errorf("TellsOf() = %d, %v, want 3", n, err)
		}
		if got := claim(t, s, "email", 9); len(got) != 1 || got[0].ID != made.ID {
			t.Errorf("Claim() = %+v, want the message", got)
		}
	})
}

func TestWhatIsCollectedWhileAMessageIsWrittenIsNotLost(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		route(t, s, "RE1", threeDays, collected("alice@example.com", -time.Hour))
		before := due(t, s)["alice@example.com"]
		route(t, s, "RE2", threeDays, collected("alice@example.com", time.Hour))
		send(t, s, before, true) // of the first alone
		send(t, s, before, false)
		got := due(t, s)["alice@example.com"]
		if got.ID != before.ID || !slices.Equal(digestOf(got), []string{"RE2"}) {
			t.Fatalf("DueDigests() = %+v, want what came meanwhile", got)
		}
		send(t, s, got, true)
		route(t, s, "RE3", threeDays, collected("alice@example.com", -time.Hour))
		if got := due(t, s)["alice@example.com"]; got.ID == before.ID || !slices.Equal(digestOf(got), []string{"RE3"}) {
			t.Errorf("DueDigests() = %+v, want a new one", got)
		}
	})
}

func TestMoreRecordingsThanAMessageTellsOfAreToldInTheNext(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		const all = store.MaxDigested + 7
		for i := range all {
			add(t, s, fmt.Sprintf("RE%03d", i))
		}
		_, err := s.Route(t.Context(), all, threeDays, 0, func(store.Stored) []*store.Delivery {
			return []*store.Delivery{collected("alice@example.com", -time.Hour)}
		})
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, want := range []int{store.MaxDigested, 7} {
			digest := due(t, s)["alice@example.com"]
			if len(digest.Recordings) != want {
				t.Fatalf("DueDigests() has %d recordings, want %d", len(digest.Recordings), want)
			}
			for _, r := range digestOf(digest) {
				seen[r] = true
			}
			send(t, s, digest, true)
		}
		if len(seen) != all || len(due(t, s)) != 0 {
			t.Errorf("%d recordings were told, want each of %d", len(seen), all)
		}
	})
}

func TestEachLinkOfADigestOpensItsRecordingUntilAllAreRevoked(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for i := range 3 {
			route(t, s, fmt.Sprint("RE", i), threeDays, collected("alice@example.com", -time.Hour))
		}
		made := send(t, s, due(t, s)["alice@example.com"], true)
		opens(t, s, made.Link.Token, "RE2")
		for i, l := range made.Links {
			opens(t, s, l.Token, fmt.Sprint("RE", i))
			for range i + 1 {
				if err := s.Opened(t.Context(), l.Token); err != nil {
					t.Fatal(err)
				}
			}
		}
		if l := link(t, s, made.ID); l.Opens != 3 || l.OpenedAt.IsZero() || !l.RevokedAt.IsZero() {
			t.Errorf("Link() = %+v, want the three times that they were opened", l)
		}
		id, err := s.Forward(t.Context(), made.ID, "dora@example.com", "kim", threeDays)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Revoke(t.Context(), made.ID, "kim"); err != nil {
			t.Fatal(err)
		}
		if l := link(t, s, made.ID); l.RevokedAt.IsZero() {
			t.Errorf("Link() = %+v, want it revoked", l)
		}
		for _, l := range append(made.Links, made.Link) {
			opens(t, s, l.Token, "")
		}
		for i, word := range strings.Fields(read(t, s, id).Text) {
			opens(t, s, strings.TrimPrefix(word, "https://hooks.example.com/r/"), fmt.Sprint("RE", i))
		}
		if n, err := s.TellsOf(t.Context(), id); n != 3 || err != nil {
			t.Errorf("TellsOf() what was sent on = %d, %v, want 3", n, err)
		}
		if got := recording(t, s, "RE0").Deliveries; len(got) != 2 || got[1].ID != id {
			t.Errorf("the first recording has %+v, want what was sent on too", got)
		}
	})
}

func TestACallbackStaysWhileADigestThatTellsOfItIsUnfinished(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for i := range 3 {
			route(t, s, fmt.Sprint("RE", i), threeDays, collected("alice@example.com", -time.Hour))
		}
		later := s.Now().Add(time.Hour)
		remove := func(what string, want int64) {
			t.Helper()
			if n, err := s.Remove(t.Context(), later); n != want || err != nil {
				t.Fatalf("%s: Remove() = %d, %v, want %d", what, n, err, want)
			}
		}
		remove("collecting", 0)
		made := send(t, s, due(t, s)["alice@example.com"], true)
		remove("queued", 0)
		d := claim(t, s, "email", 1)[0]
		finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		remove("delivered", 3)
		for _, l := range append(made.Links, made.Link) {
			opens(t, s, l.Token, "")
		}
		if left, err := s.Leftovers(t.Context()); left != 0 || err != nil {
			t.Errorf("%d rows of digests and links are left, %v, want none", left, err)
		}
	})
}

// TestTwoNodesSendADigestOnce has both send what both have read, while a third
// collects more.
func TestTwoNodesSendADigestOnce(t *testing.T) {
	location := storetest.Postgres(t)
	one, two := openAt(t, location), openAt(t, location)
	const all = 90
	for i := range all {
		add(t, one, fmt.Sprintf("RE%03d", i))
	}
	var mu sync.Mutex
	times := make(map[string]int)
	stop := make(chan struct{})
	var working, routing sync.WaitGroup
	for i, s := range []*store.Store{one, two} {
		recipients := []string{"bob@example.com", "alice@example.com"}
		if i == 1 { // no order of theirs may have the nodes wait for each other
			slices.Reverse(recipients)
		}
		routing.Go(func() {
			for {
				routed, err := s.Route(t.Context(), 3, threeDays, 0, func(store.Stored) []*store.Delivery {
					return []*store.Delivery{collected(recipients[0], -time.Hour), collected(recipients[1], -time.Hour)}
				})
				if err != nil {
					t.Errorf("Route() = %v", err)
				}
				if len(routed) == 0 {
					return
				}
			}
		})
		working.Go(func() {
			for last := false; ; {
				found, err := s.DueDigests(t.Context(), 9)
				if err != nil {
					t.Errorf("DueDigests() = %v", err)
					return
				}
				for _, d := range found {
					sent, err := s.SendDigest(t.Context(), &d, told(&d), threeDays)
					if err != nil {
						t.Errorf("SendDigest() = %v", err)
					}
					if sent {
						mu.Lock()
						for _, r := range digestOf(d) {
							times[d.To+" "+r]++
						}
						mu.Unlock()
					}
				}
				if last && len(found) == 0 {
					return
				}
				select {
				case <-stop:
					last = true
				default:
				}
			}
		})
	}
	routing.Wait()
	close(stop)
	working.Wait()
	for i := range all {
		for _, to := range []string{"alice", "bob"} {
			if n := times[fmt.Sprintf("%s@example.com RE%03d", to, i)]; n != 1 {
				t.Errorf("%s was told %d times of RE%03d, want once", to, n, i)
			}
		}
	}
}
