package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// TestManyMessagesThatWereNotDeliveredDoNotDrownTheRecording has one callback for
// each of them, of which a rule sends the first on.
func TestManyMessagesThatWereNotDeliveredDoNotDrownTheRecording(t *testing.T) {
	f := newFixture(t)
	const many = 30
	route := func(deliveries func(store.Stored) []*store.Delivery) {
		t.Helper()
		if _, err := f.store.Route(t.Context(), 100, time.Hour, f.plan.ID, deliveries); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.store.Add(t.Context(), call("rec-1")); err != nil {
		t.Fatal(err)
	}
	route(func(store.Stored) (all []*store.Delivery) {
		for i := range many {
			all = append(all, &store.Delivery{Rule: "r", Channel: "email", Kind: "email", To: fmt.Sprintf("n%d@example.com", i), Text: "t",
				State: store.Dead, LastError: "550 no such user"})
		}
		return all
	})
	letters, err := f.store.DeadLetters(t.Context(), 0, 100)
	if err != nil || len(letters) != many {
		t.Fatalf("DeadLetters() = %d, %v, want %d", len(letters), err, many)
	}
	var list []store.Settlement
	for i, d := range letters {
		told := *d.Callback.Callback
		told.RecordingStatus = callback.Undelivered
		told.Fields = map[string]string{"DeliveryId": fmt.Sprint(d.ID), "DeliveryError": "550 <b>no such user</b>"}
		one := store.Settlement{DeadLetter: d, Told: &told, Unknown: i == 1}
		if i == 0 {
			one.Fallbacks = []store.Fallback{{Template: "t", Delivery: &store.Delivery{Rule: "r", Channel: "sms", Kind: "sms", To: "+15550100001",
				Text: "t", State: store.Queued}}}
		}
		list = append(list, one)
	}
	if _, err := f.store.Settle(t.Context(), list, time.Hour); err != nil {
		t.Fatal(err)
	}
	route(func(cb store.Stored) []*store.Delivery {
		if cb.Fields["DeliveryId"] != "30" {
			return nil
		}
		return []*store.Delivery{{Rule: "r", Channel: "email", Kind: "email", To: "ops@example.com", Text: "t", State: store.Queued}}
	})
	a := f.get("/recordings/1")
	f.must(a, 200, "There are 7 more callbacks about this recording.", "Who was told of delivery 30, which failed", "ops@example.com",
		"Not told: delivery 29 failed for good, which the rules are asked about", "550 &lt;b&gt;no such user&lt;/b&gt;",
		"so its fallback took over: delivery 31", "whether it has a fallback is not known", "fallback for delivery 1")
	if n := strings.Count(a.body, "Who was told"); n != 2 {
		t.Errorf("it is said of %d callbacks who was told, want the recording's and the one that somebody heard of", n)
	}
	// One that is asked for is shown, whoever heard of it.
	f.must(f.get("/recordings/5"), 200, `<span class="chip status-undelivered">Not told</span>`, "Who was told of delivery 4, which failed",
		"All that is known of it", "DeliveryId")
	f.must(f.get("/recordings"), 200, `<span class="chip status-undelivered">Not told</span>`)
}
