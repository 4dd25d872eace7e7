package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// behindAProxy opens a store whose way to the server can be put in trouble.
func behindAProxy(t *testing.T) (*store.Store, *storetest.Proxy) {
	t.Helper()
	proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
	return openAt(t, url), proxy
}

// within returns a context that ends after a time, and with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// patient is for what must come, on a machine that may be busy.
const patient = 30 * time.Second

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patient)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patient, what)
		}
	}
}

func TestAServerThatGoesAwayIsAnErrorAndNoHealthUntilItIsBack(t *testing.T) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, proxy := behindAProxy(t)
			add(t, s, "RE1")
			c.begin(proxy)
			for range 2 {
				start := time.Now()
				stored, err := s.Add(within(t, time.Second), aCallback("RE2"))
				if stored || err == nil {
					t.Errorf("Add() without a server = %v, %v, want false and an error", stored, err)
				}
				t.Log(err)
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("Add() took %v, want no longer than its context", took)
				}
			}
			eventually(t, "the store says that it is not healthy", func() bool {
				return s.Healthy(within(t, time.Second)) != nil
			})
			proxy.Restore()
			eventually(t, "callbacks are stored again", func() bool {
				_, err := s.Add(within(t, 5*time.Second), aCallback("RE2"))
				return err == nil
			})
			if err := s.Healthy(t.Context()); err != nil {
				t.Errorf("Healthy() once the server is back = %v, want nil", err)
			}
			check(t, "callbacks", len(unrouted(t, s, 9)), 2)
			route(t, s, "RE3", threeDays, aDelivery("email", store.Queued))
			check(t, "deliveries claimed", len(claim(t, s, "email", 9)), 1)
		})
	}
}

// TestAConnectionCutAtACommitNeitherLosesNorDoublesACallback cuts it before the
// server has heard of the COMMIT, and after it has done it.
func TestAConnectionCutAtACommitNeitherLosesNorDoublesACallback(t *testing.T) {
	for name, when := range map[string]storetest.CommitCut{"before": storetest.BeforeCommit, "after": storetest.AfterCommit} {
		t.Run(name, func(t *testing.T) {
			s, proxy := behindAProxy(t)
			add(t, s, "RE")
			proxy.CutCommits(when, 3)
			var mu sync.Mutex
			acknowledged := make(map[string]bool)
			var adding sync.WaitGroup
			for i := range 20 {
				adding.Go(func() {
					recording := fmt.Sprint("RE", i)
					if _, err := s.Add(within(t, 5*time.Second), aCallback(recording)); err == nil {
						mu.Lock()
						acknowledged[recording] = true
						mu.Unlock()
					} else if strings.Contains(err.Error(), "\n") {
						t.Errorf("Add() = %q, want the error and not what follows from it", err)
					}
				})
			}
			adding.Wait()
			if uncut := proxy.CutCommits(when, 0); uncut == 3 {
				t.Error("no connection was cut at a commit")
			}
			stored := make(map[string]int)
			for i := range 20 {
				eventually(t, "the callback is accepted when it comes again", func() bool {
					_, err := s.Add(within(t, 5*time.Second), aCallback(fmt.Sprint("RE", i)))
					return err == nil
				})
			}
			for _, cb := range unrouted(t, s, 100) {
				stored[cb.RecordingSid]++
			}
			t.Logf("%d of 20 were acknowledged while commits were cut", len(acknowledged))
			for recording := range acknowledged {
				check(t, "how often is stored "+recording, stored[recording], 1)
			}
			check(t, "callbacks", len(stored), 21)
		})
	}
}

// TestAServerThatAnswersNoQueryHoldsNobodyUp freezes the connections: what reads
// without a deadline of its own must end all the same.
func TestAServerThatAnswersNoQueryHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	s, proxy := behindAProxy(t)
	route(t, s, "RE1", threeDays, aDelivery("email", store.Queued))
	proxy.Freeze()
	var asking sync.WaitGroup
	for name, ask := range map[string]func() error{
		"NextDue":         func() error { _, err := s.NextDue(context.Background(), "email"); return err },
		"WaitingChannels": func() error { _, err := s.WaitingChannels(context.Background()); return err },
		"Ring":            func() error { return s.Ring(context.Background(), "email") },
		"Claim":           func() error { _, err := s.Claim(context.Background(), "email", 1); return err },
		"Route": func() error {
			_, err := s.Route(context.Background(), 1, threeDays, 0, func(store.Stored) []*store.Delivery { return nil })
			return err
		},
	} {
		asking.Go(func() {
			start := time.Now()
			err := ask()
			t.Logf("%s = %v after %v", name, err, time.Since(start))
			if err == nil {
				t.Errorf("%s() = nil, want an error", name)
			}
		})
	}
	answered := make(chan struct{})
	go func() { asking.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(2 * patient):
		t.Errorf("not all were answered within %v", 2*patient)
	}
	proxy.Restore()
	asking.Wait()
}

// TestACallbackThatIsCommittedUnheardIsRoutedAtOnce cuts the connection once the
// server has done the COMMIT: the second try finds the callback there.
func TestACallbackThatIsCommittedUnheardIsRoutedAtOnce(t *testing.T) {
	s, proxy := behindAProxy(t)
	add(t, s, "RE1")
	<-s.Added()
	proxy.CutCommits(storetest.AfterCommit, 1)
	_, err := s.Add(within(t, patient), aCallback("RE2"))
	check(t, "callbacks", len(unrouted(t, s, 9)), 2)
	select {
	case <-s.Added():
	default:
		t.Errorf("Add() = %v: nobody is told that there is a callback to route", err)
	}
}

func TestANodeThatWasCutOffHearsTheOthersAgain(t *testing.T) {
	server := storetest.Postgres(t)
	proxy, url := storetest.NewProxy(t, server)
	rings, hears := openAt(t, server), openAt(t, url)
	for range 2 {
		eventually(t, "the node hears the other", func() bool {
			if err := rings.Ring(t.Context(), "email"); err != nil {
				t.Errorf("Ring() = %v", err)
			}
			select {
			case <-hears.Rung():
				return true
			default:
				return false
			}
		})
		for len(hears.Rung()) > 0 {
			<-hears.Rung()
		}
		proxy.Cut()
	}
}
