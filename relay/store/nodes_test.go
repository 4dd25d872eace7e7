package store_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// nodes opens n stores on one schema.
func nodes(t *testing.T, n int) []*store.Store {
	t.Helper()
	url := storetest.Postgres(t)
	all := make([]*store.Store, n)
	for i := range all {
		all[i] = openAt(t, url)
	}
	return all
}

func TestNodesNeverClaimTheSameDeliveryAndBothGetSome(t *testing.T) {
	both := nodes(t, 2)
	const many = 600
	deliveries := make([]*store.Delivery, many)
	for i := range deliveries {
		deliveries[i] = aDelivery("email", store.Queued)
	}
	route(t, both[0], "RE1", threeDays, deliveries...)

	var mu sync.Mutex
	var got []int64
	share := make([]int, len(both))
	var first, claiming sync.WaitGroup
	first.Add(len(both))
	for i, s := range both {
		firstClaim := sync.OnceFunc(func() {
			first.Done()
			first.Wait() // so that neither is late
		})
		for range 8 {
			claiming.Go(func() {
				for empty := 0; empty < 2; {
					claimed, err := s.Claim(t.Context(), "email", 3)
					if err != nil {
						t.Errorf("Claim() = %v", err)
						firstClaim()
						return
					}
					if len(claimed) == 0 {
						empty++ // what others had locked may be free again
					}
					mu.Lock()
					got = append(got, idsOf(claimed)...)
					share[i] += len(claimed)
					mu.Unlock()
					firstClaim()
				}
			})
		}
	}
	claiming.Wait()
	slices.Sort(got)
	checkIDs(t, "all claims together", got, idsOf(deliveries)...)
	if share[0] == 0 || share[1] == 0 {
		t.Errorf("the nodes claimed %v, want some each", share)
	}
}

func TestNodesNeverRouteTheSameCallback(t *testing.T) {
	both := nodes(t, 2)
	const many = 400
	var adding sync.WaitGroup
	for i := range 16 {
		adding.Go(func() {
			for j := i; j < many; j += 16 {
				if _, err := both[j%2].Add(t.Context(), aCallback(fmt.Sprint("RE", j))); err != nil {
					t.Errorf("Add() = %v", err)
				}
			}
		})
	}
	adding.Wait()
	var routing sync.WaitGroup
	for i := range 8 {
		routing.Go(func() {
			for {
				routed, err := both[i%2].Route(t.Context(), 10, threeDays, 0, func(store.Stored) []*store.Delivery {
					return []*store.Delivery{aDelivery("email", store.Queued)}
				})
				if err != nil {
					t.Errorf("Route() = %v", err)
				}
				if len(routed) == 0 {
					return
				}
			}
		})
	}
	routing.Wait()
	if left := unrouted(t, both[0], many); len(left) > 0 { // locked by another when it was looked for
		t.Errorf("%d callbacks are left to route, want none", len(left))
	}
	list, err := both[1].Deliveries(t.Context(), store.Filter{Limit: 2 * many})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, d := range list {
		seen[d.Recording]++
	}
	if len(list) != many || len(seen) != many {
		t.Errorf("%d deliveries of %d callbacks, want one of each of %d", len(list), len(seen), many)
	}
}

func TestNodesRouteAtTheSameTime(t *testing.T) {
	both := nodes(t, 2)
	add(t, both[0], "RE1", "RE2")
	routed := func(s *store.Store, plan func(store.Stored) []*store.Delivery) (recordings []string) {
		t.Helper()
		batch, err := s.Route(t.Context(), 1, threeDays, 0, plan)
		if err != nil {
			t.Errorf("Route() = %v", err)
		}
		for _, r := range batch {
			recordings = append(recordings, r.Callback.RecordingSid)
		}
		return recordings
	}
	nothing := func(store.Stored) []*store.Delivery { return nil }
	var second []string
	first := routed(both[0], func(store.Stored) []*store.Delivery {
		second = routed(both[1], nothing) // while the first is in the middle of it
		return nil
	})
	check(t, "what the first node routed", fmt.Sprint(first), "[RE1]")
	check(t, "what the second node routed meanwhile", fmt.Sprint(second), "[RE2]")
}

func TestACallbackThatTwoNodesAddAtOnceIsStoredOnce(t *testing.T) {
	both := nodes(t, 2)
	const many = 100
	stored := make([]int, many)
	var mu sync.Mutex
	var adding sync.WaitGroup
	for i := range 16 {
		adding.Go(func() {
			for j := range many {
				j = (j + i*7) % many // each in an order of its own
				ok, err := both[i%2].Add(t.Context(), aCallback(fmt.Sprint("RE", j)))
				if err != nil {
					t.Errorf("Add() = %v", err)
				}
				if ok {
					mu.Lock()
					stored[j]++
					mu.Unlock()
				}
			}
		})
	}
	adding.Wait()
	for j, n := range stored {
		check(t, fmt.Sprintf("how often Add(RE%d) says that it stored it", j), n, 1)
	}
}

// age makes the leases of a node older.
func age(t *testing.T, s *store.Store, by time.Duration) {
	t.Helper()
	if err := s.Age(t.Context(), by); err != nil {
		t.Fatal(err)
	}
}

func takeUp(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	if channels, err := s.Recover(t.Context(), nil); !slices.Equal(channels, want) || err != nil {
		t.Errorf("Recover() = %v, %v, want %v, nil", channels, err, want)
	}
}

func TestALeaseThatIsNotRenewedIsTakenUpByAnotherNode(t *testing.T) {
	both := nodes(t, 2)
	hangs, lives := both[0], both[1]
	d := aDelivery("email", store.Sending)
	route(t, hangs, "RE1", threeDays, d)

	const margin = 5 * time.Second // what the machine may take between these lines
	age(t, hangs, store.Lease-margin)
	takeUp(t, lives)
	age(t, hangs, margin)
	takeUp(t, lives, "email")
	takeUp(t, lives)
	claimed := claim(t, lives, "email", 1)
	checkIDs(t, "Claim()", idsOf(claimed), d.ID)
	check(t, "unsure", claimed[0].Unsure, true)

	kept, err := hangs.Renew(t.Context(), []int64{d.ID})
	if len(kept) > 0 || err != nil {
		t.Errorf("Renew() by the node that lost it = %v, %v, want none, nil", kept, err)
	}
	if err := hangs.Release(t.Context(), []int64{d.ID}, "late"); err != nil {
		t.Errorf("Release() by the node that lost it = %v", err)
	}
	check(t, "state", read(t, lives, d.ID).State, store.Sending)
}

func TestALeaseThatIsRenewedIsNotTakenUp(t *testing.T) {
	both := nodes(t, 2)
	d := aDelivery("email", store.Sending)
	route(t, both[0], "RE1", threeDays, d)
	for range 3 {
		age(t, both[0], store.Lease-5*time.Second)
		if kept, err := both[0].Renew(t.Context(), []int64{d.ID}); len(kept) != 1 || err != nil {
			t.Fatalf("Renew() = %v, %v, want it kept", kept, err)
		}
		takeUp(t, both[1])
	}
	checkIDs(t, "Claim() by another node", idsOf(claim(t, both[1], "email", 1)))
	finish(t, both[0], d, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
	check(t, "state", read(t, both[1], d.ID).State, store.Delivered)
}

func TestThreeNodesThatOpenAnEmptySchemaAtOnceAllGetTheTables(t *testing.T) {
	url := storetest.Postgres(t)
	var opening sync.WaitGroup
	start := time.Now()
	for i := range 3 {
		opening.Go(func() {
			s, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("Open() = %v", err)
				return
			}
			defer s.Close()
			if stored, err := s.Add(t.Context(), aCallback(fmt.Sprint("RE", i))); !stored || err != nil {
				t.Errorf("Add() = %v, %v, want true, nil", stored, err)
			}
		})
	}
	opening.Wait()
	t.Logf("three nodes opened in %v", time.Since(start))
	check(t, "callbacks", len(unrouted(t, openAt(t, url), 9)), 3)
}

// TestNodesThatOpenAtOnceWaitForEachOtherAndNoLonger has another node in the middle
// of the migrations.
func TestNodesThatOpenAtOnceWaitForEachOtherAndNoLonger(t *testing.T) {
	url, another := storetest.Postgres(t), storetest.Postgres(t)
	conn, watch := storetest.Connect(t, url), storetest.Connect(t, url)
	if _, err := conn.Exec(t.Context(), store.TakeTurn); err != nil {
		t.Fatal(err)
	}
	openAt(t, another) // which has turns of its own
	opened := make(chan error)
	go func() {
		s, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	eventually(t, "the server has it wait for the other", func() bool {
		var waiting int
		err := watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))`,
			int32(conn.PgConn().PID())).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		return waiting > 0
	})
	conn.Close(t.Context())
	if err := <-opened; err != nil {
		t.Errorf("Open() = %v, want nil once it is its turn", err)
	}
}

func TestRingWakesTheOtherNodeAndNotItself(t *testing.T) {
	both := nodes(t, 2)
	heard := func(s *store.Store, other *store.Store) {
		t.Helper()
		// The other node begins to listen soon after it was opened.
		for deadline := time.Now().Add(30 * time.Second); ; {
			if err := s.Ring(t.Context(), "email"); err != nil {
				t.Fatalf("Ring() = %v", err)
			}
			select {
			case channel := <-other.Rung():
				check(t, "what the other node heard", channel, "email")
				return
			case <-time.After(50 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatal("the other node never heard it")
			}
		}
	}
	heard(both[0], both[1])
	heard(both[1], both[0])
	quiet := func(what string, s *store.Store) {
		t.Helper()
		select {
		case channel := <-s.Rung():
			t.Errorf("%s heard %q, want nothing", what, channel)
		default:
		}
	}
	for len(both[0].Rung()) > 0 || len(both[1].Rung()) > 0 {
		select {
		case <-both[0].Rung():
		case <-both[1].Rung():
		}
	}
	if err := both[0].Ring(t.Context(), ""); err != nil {
		t.Fatalf("Ring() = %v", err)
	}
	select {
	case <-both[1].Added():
	case <-time.After(30 * time.Second):
		t.Error("the other node was not told of callbacks to route")
	}
	// What the first node rang has been through by now, to it as well.
	select {
	case <-both[0].Added():
		t.Error("the node that rang woke itself")
	default:
	}
	quiet("the node that rang", both[0])
}

func TestAChangeOfThePausesIsRungForTheOtherNodeAlone(t *testing.T) {
	both := nodes(t, 2)
	eventually(t, "the other node is told of pauses", func() bool { // which begins to listen soon after it was opened
		if err := both[0].RingPauses(t.Context()); err != nil {
			t.Fatalf("RingPauses() = %v", err)
		}
		return len(both[1].RungPauses()) > 0
	})
	check(t, "what the node that rang was told of pauses", len(both[0].RungPauses()), 0)
	check(t, "what the other node was told of deliveries", len(both[1].Rung()), 0)
	check(t, "what the other node was told of callbacks", len(both[1].Added()), 0)
}
