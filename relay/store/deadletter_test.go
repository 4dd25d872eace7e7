package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// deadLetters returns what is not settled.
func deadLetters(t testing.TB, s *store.Store) []store.DeadLetter {
	t.Helper()
	found, err := s.DeadLetters(t.Context(), 0, 1000)
	if err != nil {
		t.Fatalf("DeadLetters() = %v", err)
	}
	return found
}

// undelivered is the callback that tells of a dead letter.
func undelivered(d store.DeadLetter) *callback.Callback {
	cb := *d.Callback.Callback
	cb.RecordingStatus = callback.Undelivered
	cb.Fields = maps.Clone(cb.Fields)
	cb.Fields["DeliveryId"] = fmt.Sprint(d.ID)
	return &cb
}

// settle settles all dead letters, with what fallbacks makes of each; nil: with
// none. It returns how many were settled.
func settle(t testing.TB, s *store.Store, fallbacks func(store.DeadLetter) []store.Fallback) int {
	t.Helper()
	var list []store.Settlement
	for _, d := range deadLetters(t, s) {
		one := store.Settlement{DeadLetter: d, Told: undelivered(d)}
		if fallbacks != nil {
			one.Fallbacks = fallbacks(d)
		}
		list = append(list, one)
	}
	settled, err := s.Settle(t.Context(), list, threeDays)
	if err != nil {
		t.Fatalf("Settle() = %v", err)
	}
	return len(settled)
}

// bury settles all dead letters, of which nobody is told.
func bury(t testing.TB, s *store.Store) {
	t.Helper()
	var list []store.Settlement
	for _, d := range deadLetters(t, s) {
		list = append(list, store.Settlement{DeadLetter: d})
	}
	if _, err := s.Settle(t.Context(), list, threeDays); err != nil {
		t.Fatalf("Settle() = %v", err)
	}
}

// received returns the statuses of the callbacks that were received, oldest first.
func received(t testing.TB, s *store.Store) (statuses []string) {
	t.Helper()
	list, err := s.Callbacks(t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		t.Fatalf("Callbacks() = %v", err)
	}
	slices.Reverse(list)
	for _, cb := range list {
		statuses = append(statuses, cb.RecordingStatus)
	}
	return statuses
}

func TestHoweverADeliveryEndsDeadItIsADeadLetter(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		ways := map[string]func(*store.Delivery){
			"routed so": func(d *store.Delivery) {},
			"refused": func(d *store.Delivery) {
				finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "RCPT: 550"})
			},
			"given up": func(*store.Delivery) {
				if n, err := s.Expire(t.Context(), "sms", "too long"); n != 1 || err != nil {
					t.Errorf("Expire() = %d, %v, want 1, nil", n, err)
				}
			},
			"not delivered, by a receipt": func(d *store.Delivery) {
				finish(t, s, d, accepted("SM1"))
				say(t, s, d.ID, [2]string{"SM1", "undelivered"})
			},
			"not delivered, by a receipt that came first": func(d *store.Delivery) {
				say(t, s, d.ID, [2]string{"SM2", "failed"})
				finish(t, s, d, accepted("SM2"))
			},
			"not delivered, by a receipt before a crash": func(d *store.Delivery) {
				say(t, s, d.ID, [2]string{"SM3", "failed"})
				if err := s.Abandon(t.Context()); err != nil {
					t.Fatal(err)
				}
				if channels, err := s.Recover(t.Context(), map[string]time.Duration{"sms": time.Minute}); len(channels) != 1 || err != nil {
					t.Errorf("Recover() = %v, %v, want that of one delivery, nil", channels, err)
				}
			},
		}
		want := 0
		for way, die := range ways {
			d := aText(store.Sending)
			giveUpAfter := threeDays
			switch way {
			case "routed so":
				d.State = store.Dead
			case "given up":
				d.State, giveUpAfter = store.Queued, 0
			}
			select {
			case <-s.Died(): // of the way before
			default:
			}
			route(t, s, "RE "+way, giveUpAfter, d)
			die(d)
			want++
			select {
			case <-s.Died():
			default:
				t.Errorf("%s: Died() is silent, want a value", way)
			}
			found := deadLetters(t, s)
			if len(found) != want || found[want-1].ID != d.ID || found[want-1].Callback.RecordingSid != "RE "+way {
				t.Errorf("%s: DeadLetters() returned %d, want %d, the last of them delivery %d", way, len(found), want, d.ID)
			}
		}
		for _, state := range store.States {
			if state != store.Dead {
				inState(t, s, state)
			}
		}
		check(t, "dead letters among all states", len(deadLetters(t, s)), want)
	})
}

func TestADeadLetterIsToldOfOnceForEver(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		one, two := aDelivery("email", store.Dead), aDelivery("email", store.Dead)
		route(t, s, "RE1", threeDays, one, two)
		check(t, "settled", settle(t, s, nil), 2)
		check(t, "settled again", settle(t, s, nil), 0)
		check(t, "received", fmt.Sprint(received(t, s)), "[completed undelivered undelivered]")

		if err := s.Retry(t.Context(), one.ID, "kim", threeDays); err != nil {
			t.Fatal(err)
		}
		again := claim(t, s, "email", 9)
		finish(t, s, again[0], store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "RCPT: 550"})
		check(t, "settled after it was retried and died again", settle(t, s, nil), 0)

		list := unrouted(t, s, 9)
		for i, d := range []*store.Delivery{one, two} {
			cb := list[i]
			if cb.RecordingSid != "RE1" || cb.AccountSid != "AC1" || cb.Query["agent"] != "alice" || cb.Fields["DeliveryId"] != fmt.Sprint(d.ID) {
				t.Errorf("the callback of delivery %d is %+v, want it in the words of its own callback", d.ID, cb.Callback)
			}
			if ago := s.Now().Sub(cb.ReceivedAt); ago < 0 || ago > 10*time.Second {
				t.Errorf("the callback of delivery %d was received %v ago, want just now", d.ID, ago)
			}
		}
	})
}

func TestARetriedDeliveryIsNoDeadLetter(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aDelivery("email", store.Dead)
		route(t, s, "RE1", threeDays, d)
		list := []store.Settlement{{DeadLetter: deadLetters(t, s)[0], Told: undelivered(deadLetters(t, s)[0])}}
		if err := s.Retry(t.Context(), d.ID, "kim", threeDays); err != nil { // before it is settled
			t.Fatal(err)
		}
		settled, err := s.Settle(t.Context(), list, threeDays)
		if len(settled) != 0 || err != nil {
			t.Errorf("Settle() of a retried one = %v, %v, want none, nil", settled, err)
		}
		check(t, "received", fmt.Sprint(received(t, s)), "[completed]")
	})
}

func TestFallbacksTakeThePlaceOfDeadOnesOnce(t *testing.T) {
	email := func(to string) store.Fallback {
		d := aDelivery("email", store.Queued)
		d.To = to
		return store.Fallback{Delivery: d, Template: "recording"}
	}
	promise(t, func(t *testing.T, s *store.Store) {
		dead := []*store.Delivery{aText(store.Dead), aText(store.Dead), aText(store.Dead), aText(store.Dead)}
		dead[1].To, dead[2].To, dead[3].To = "+15550100002", "+15550100003", "+15550100004"
		plain := aDelivery("email", store.Queued)
		plain.To = "bob@example.com"
		route(t, s, "RE1", threeDays, append(dead, plain)...)
		n := settle(t, s, func(d store.DeadLetter) []store.Fallback {
			switch d.ID {
			case dead[0].ID:
				return []store.Fallback{email("alice@example.com"), email("carol@example.com")}
			case dead[1].ID:
				return []store.Fallback{email("Alice@example.com")} // the same person
			case dead[2].ID:
				same := email("bob@example.com")
				same.Same = plain.ID
				return []store.Fallback{same}
			}
			return nil
		})
		check(t, "settled", n, 4)
		waiting := claim(t, s, "email", 9)
		var to []string
		for _, d := range waiting {
			to = append(to, d.To)
		}
		check(t, "what goes out", strings.Join(to, " "), "bob@example.com alice@example.com carol@example.com")
		for i, want := range []store.Aftermath{store.FellBack, store.FellBack, store.FellBack, store.Settled} {
			check(t, fmt.Sprintf("what followed from dead delivery %d", i), read(t, s, dead[i].ID).Aftermath, want)
		}
		instead, err := s.Fallbacks(t.Context(), waiting[0].CallbackID)
		if err != nil || len(instead) != 2 || instead[waiting[1].ID] != dead[0].ID || instead[waiting[2].ID] != dead[0].ID {
			t.Errorf("Fallbacks() = %v, %v, want two for delivery %d", instead, err, dead[0].ID)
		}
		for id, want := range map[int64]string{
			dead[0].ID:    fmt.Sprintf("fallback: delivery %d, %d", waiting[1].ID, waiting[2].ID),
			dead[1].ID:    fmt.Sprintf("fallback: delivery %d", waiting[1].ID),
			dead[2].ID:    fmt.Sprintf("fallback: delivery %d", plain.ID),
			dead[3].ID:    "",
			waiting[1].ID: fmt.Sprintf("fallback for delivery %d", dead[0].ID),
		} {
			operations, err := s.Operations(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var notes []string
			for _, o := range operations {
				check(t, "who did it", o.By, store.Itself)
				notes = append(notes, o.What)
			}
			check(t, fmt.Sprintf("notes of delivery %d", id), strings.Join(notes, "; "), want)
		}
		// Its callback has it, wherever it is looked for.
		found, err := s.Search(t.Context(), store.Search{Text: "carol@example.com", Limit: 9})
		if err != nil || len(found) != 1 || len(found[0].Deliveries) != 7 {
			t.Errorf("Search(carol) = %+v, %v, want the callback with 7 deliveries", found, err)
		}
	})
}

func TestAFallbackThatDiesIsADeadLetterToo(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		one, two := aText(store.Dead), aText(store.Dead)
		two.To = "+15550100002"
		route(t, s, "RE1", threeDays, one, two)
		settle(t, s, func(store.DeadLetter) []store.Fallback {
			d := aDelivery("email", store.Dead)
			d.To, d.Text, d.LastError = "", "", "contact bob has no email address"
			return []store.Fallback{{Delivery: d, Template: "recording"}}
		})
		left := deadLetters(t, s)
		if len(left) != 1 || left[0].Channel != "email" || left[0].Callback.RecordingStatus != "completed" {
			t.Fatalf("DeadLetters() = %+v, want the fallback, once", left)
		}
		settle(t, s, nil)
		check(t, "received", fmt.Sprint(received(t, s)), "[completed undelivered undelivered undelivered]")
		check(t, "dead letters in the end", len(deadLetters(t, s)), 0)
	})
}

func TestTheCallbackOfADeadLetterIsRoutedInItsTurn(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		route(t, s, "RE1", threeDays, aDelivery("email", store.Dead))
		var adding sync.WaitGroup
		for i := range 40 { // they share transactions with it
			adding.Go(func() {
				if _, err := s.Add(t.Context(), aCallback(fmt.Sprint("more", i))); err != nil {
					t.Errorf("Add() = %v", err)
				}
			})
		}
		settle(t, s, nil)
		adding.Wait()
		var routed []string
		for {
			batch, err := s.Route(t.Context(), 7, threeDays, 0, func(store.Stored) []*store.Delivery { return nil })
			if err != nil {
				t.Fatalf("Route() = %v", err)
			}
			if len(batch) == 0 {
				break
			}
			for _, r := range batch {
				routed = append(routed, r.Callback.RecordingSid+" "+r.Callback.RecordingStatus)
			}
		}
		check(t, "callbacks routed", len(routed), 41)
		check(t, "RE1 undelivered is among them", slices.Contains(routed, "RE1 undelivered"), true)
	})
}

func TestNodesSettleADeadLetterOnce(t *testing.T) {
	both := nodes(t, 2)
	one, two := both[0], both[1]
	const n = 200
	for i := range n {
		route(t, one, fmt.Sprint("RE", i), threeDays, aText(store.Dead))
	}
	list := func(s *store.Store) (all []store.Settlement) {
		for _, d := range deadLetters(t, s) {
			all = append(all, store.Settlement{DeadLetter: d, Told: undelivered(d),
				Fallbacks: []store.Fallback{{Delivery: aDelivery("email", store.Queued), Template: "recording"}}})
		}
		return all
	}
	lists := [][]store.Settlement{list(one), list(two)}
	var settling sync.WaitGroup
	for i, s := range []*store.Store{one, two} {
		settling.Go(func() {
			for part := range slices.Chunk(lists[i], 10) {
				if _, err := s.Settle(t.Context(), part, threeDays); err != nil {
					t.Errorf("Settle() = %v", err)
				}
			}
		})
	}
	settling.Wait()
	settle(t, one, nil) // what both have left to each other
	told := 0
	for _, status := range received(t, one) {
		if status == callback.Undelivered {
			told++
		}
	}
	check(t, "callbacks that tell of it", told, n)
	check(t, "fallbacks", len(claim(t, one, "email", 1000)) <= n, true)
	check(t, "dead letters in the end", len(deadLetters(t, one)), 0)
}

func TestRemoveKeepsADeadLetterUntilItIsSettled(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		route(t, s, "RE1", threeDays, aText(store.Dead))
		remove(t, s, s.Now(), 0)
		settle(t, s, func(store.DeadLetter) []store.Fallback {
			return []store.Fallback{{Delivery: aDelivery("email", store.Shadow), Template: "recording"}}
		})
		_, err := s.Route(t.Context(), 9, threeDays, 0, func(store.Stored) []*store.Delivery { return nil })
		if err != nil {
			t.Fatal(err)
		}
		remove(t, s, s.Now(), 2)
	})
}

func TestALinkDoesNotOpenWhatTellsOfADeadLetter(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aDelivery("email", store.Dead)
		d.Link = &store.Link{Token: store.NewToken(), TTL: time.Hour}
		route(t, s, "RE1", threeDays, d)
		settle(t, s, nil)
		found, err := s.Linked(t.Context(), d.Link.Token)
		if err != nil || len(found) != 1 || found[0].RecordingStatus != "completed" {
			t.Errorf("Linked() = %+v, %v, want the recording's own callback", found, err)
		}
	})
}
