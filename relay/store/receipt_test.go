package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// aText returns a delivery of a text message as the router makes them.
func aText(state store.State) *store.Delivery {
	d := aDelivery("sms", state)
	d.Kind, d.To, d.Subject, d.HTML = "sms", "+15550100001", "", ""
	return d
}

// accepted is the outcome of an attempt that made a message of that id.
func accepted(message string) store.Outcome {
	return store.Outcome{StartedAt: time.Now(), State: store.Delivered, ProviderID: message, Receipts: true}
}

// unheard is the outcome of an attempt that may have made a message.
func unheard() store.Outcome {
	return store.Outcome{StartedAt: time.Now(), State: store.Retrying, Err: "no answer", Unsure: true, Receipts: true,
		NextAttemptAt: time.Now().Add(time.Hour)}
}

// unknown is the outcome of an attempt that cannot be looked up.
func unknown() store.Outcome {
	return store.Outcome{StartedAt: time.Now(), State: store.Unknown, Err: "cannot be looked up", Receipts: true}
}

// say has receipts come for a delivery, each as MESSAGE STATUS, and reports
// whether the last one was news.
func say(t testing.TB, s *store.Store, delivery int64, receipts ...[2]string) (news bool) {
	t.Helper()
	for _, one := range receipts {
		r := &callback.Receipt{Delivery: delivery, MessageSid: one[0], Status: one[1]}
		reason := ""
		if r.Lost() {
			reason = "lost: " + r.Status
		}
		d, _, err := s.Receive(t.Context(), r, reason)
		if err != nil {
			t.Fatalf("Receive(%v) = %v", one, err)
		}
		if news = d != nil; news {
			got := read(t, s, delivery)
			check(t, "state returned by Receive()", d.State, got.State)
			check(t, "receipt returned by Receive()", d.Receipt, got.Receipt)
		}
	}
	return news
}

func TestReceiptsTellHowFarAMessageIsAndNeverTakeItBack(t *testing.T) {
	tests := map[string]struct {
		receipts []string
		receipt  string
		state    store.State
		err      string
	}{
		"in order":                {[]string{"queued", "sending", "sent", "delivered"}, "delivered", store.Delivered, ""},
		"sent is the last":        {[]string{"accepted", "sent"}, "sent", store.Delivered, ""},
		"backwards":               {[]string{"delivered", "sent", "sending", "queued"}, "delivered", store.Delivered, ""},
		"repeated":                {[]string{"sent", "sent", "delivered", "delivered"}, "delivered", store.Delivered, ""},
		"undelivered":             {[]string{"sent", "undelivered"}, "undelivered", store.Dead, "lost: undelivered"},
		"failed":                  {[]string{"failed"}, "failed", store.Dead, "lost: failed"},
		"undelivered at first":    {[]string{"undelivered", "sent", "queued"}, "undelivered", store.Dead, "lost: undelivered"},
		"undelivered is final":    {[]string{"undelivered", "delivered", "failed"}, "undelivered", store.Dead, "lost: undelivered"},
		"delivered is final, too": {[]string{"delivered", "undelivered", "failed"}, "delivered", store.Delivered, ""},
		"a status of no order":    {[]string{"sending", "received"}, "sending", store.Delivered, ""},
	}
	promise(t, func(t *testing.T, s *store.Store) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				d := aText(store.Sending)
				route(t, s, name, threeDays, d)
				finish(t, s, d, accepted("SM1"))
				for _, status := range test.receipts {
					say(t, s, d.ID, [2]string{"SM1", status})
				}
				got := read(t, s, d.ID)
				check(t, "receipt", got.Receipt, test.receipt)
				check(t, "state", got.State, test.state)
				check(t, "last error", got.LastError, test.err)
				check(t, "provider id", got.ProviderID, "SM1")
				check(t, "attempts", got.Attempts, 1)
				if now := s.Now(); got.ReceiptAt.After(now) || now.Sub(got.ReceiptAt) > time.Minute {
					t.Errorf("receipt at %v, want now (%v)", got.ReceiptAt, now)
				}
				if got.State == store.Dead {
					checkTime(t, "finished at", got.FinishedAt, got.ReceiptAt)
				}
				list, err := s.Deliveries(t.Context(), store.Filter{Limit: 9, Recording: name})
				if err != nil || len(list) != 1 || list[0].Receipt != test.receipt || !list[0].ReceiptAt.Equal(got.ReceiptAt) {
					t.Errorf("Deliveries() = %+v, %v, want the receipt", list, err)
				}
			})
		}
	})
}

func TestReceiptsThatAreOfNoConcernChangeNothing(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		delivered, dead, retrying := aText(store.Sending), aText(store.Sending), aText(store.Sending)
		queued, shadow, cancelled := aText(store.Queued), aText(store.Shadow), aText(store.Queued)
		route(t, s, "RE1", threeDays, delivered, dead, retrying, queued, shadow, cancelled)
		finish(t, s, delivered, accepted("SM1"))
		finish(t, s, dead, store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "opted out", Receipts: true})
		finish(t, s, retrying, store.Outcome{StartedAt: time.Now(), State: store.Retrying, Err: "busy", Receipts: true,
			NextAttemptAt: time.Now().Add(time.Hour)})
		if err := s.Cancel(t.Context(), cancelled.ID, "kim"); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*store.Delivery{delivered, dead, retrying, queued, shadow, cancelled} {
			before := *read(t, s, d.ID)
			for _, status := range []string{"sent", "delivered", "undelivered", "failed"} {
				check(t, "news for one that is "+string(before.State), say(t, s, d.ID, [2]string{"SM2", status}), false)
			}
			check(t, "delivery", *read(t, s, d.ID), before)
		}
		check(t, "news for one that is not there", say(t, s, 999_999, [2]string{"SM1", "delivered"}), false)
	})
}

func TestAReceiptThatComesBeforeTheOutcomeIsNotLost(t *testing.T) {
	tests := map[string]struct {
		receipts []string // of SM1
		outcome  store.Outcome
		state    store.State
		receipt  string
		id       string
	}{
		"delivered":          {[]string{"delivered", "sent"}, accepted("SM1"), store.Delivered, "delivered", "SM1"},
		"on its way":         {[]string{"queued", "sending"}, accepted("SM1"), store.Delivered, "sending", "SM1"},
		"undelivered":        {[]string{"queued", "undelivered", "sent"}, accepted("SM1"), store.Dead, "undelivered", "SM1"},
		"of another message": {[]string{"undelivered"}, accepted("SM2"), store.Delivered, "", "SM2"},
		"unheard, delivered": {[]string{"delivered"}, unheard(), store.Delivered, "delivered", "SM1"},
		"unheard, lost":      {[]string{"failed"}, unheard(), store.Dead, "failed", "SM1"},
		"refused at last":    {[]string{"delivered"}, store.Outcome{StartedAt: time.Now(), State: store.Dead, Err: "no", Receipts: true}, store.Delivered, "delivered", "SM1"},
		"unknown, sent":      {[]string{"sent"}, unknown(), store.Delivered, "sent", "SM1"},
	}
	promise(t, func(t *testing.T, s *store.Store) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				d := aText(store.Sending)
				route(t, s, name, threeDays, d)
				for _, status := range test.receipts {
					say(t, s, d.ID, [2]string{"SM1", status})
				}
				check(t, "state before", read(t, s, d.ID).State, store.Sending)
				finish(t, s, d, test.outcome)
				got, attempts, err := s.Delivery(t.Context(), d.ID)
				if err != nil {
					t.Fatal(err)
				}
				check(t, "state", got.State, test.state)
				check(t, "receipt", got.Receipt, test.receipt)
				check(t, "provider id", got.ProviderID, test.id)
				check(t, "attempts kept", len(attempts), 1)
				if test.state != test.outcome.State {
					check(t, "state that Finish() tells", d.State, test.state)
					check(t, "error that Finish() tells", d.LastError, got.LastError)
				}
				checkIDs(t, "claimed afterwards", idsOf(claim(t, s, "sms", 9)))
				// Later ones count as ever.
				if test.receipt == "sending" {
					check(t, "news", say(t, s, d.ID, [2]string{"SM1", "undelivered"}), true)
					check(t, "state", read(t, s, d.ID).State, store.Dead)
				}
			})
		}
	})
}

func TestAReceiptSettlesWhatNobodyKnew(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for status, want := range map[string]store.State{
			"queued": store.Delivered, "sent": store.Delivered, "delivered": store.Delivered, "undelivered": store.Dead, "failed": store.Dead,
		} {
			for _, o := range []store.Outcome{unknown(), unheard()} {
				d := aText(store.Sending)
				route(t, s, fmt.Sprint("RE-", status, o.State), threeDays, d)
				finish(t, s, d, o)
				check(t, "news", say(t, s, d.ID, [2]string{"SM1", status}), true)
				got := read(t, s, d.ID)
				check(t, "state of one that was "+string(o.State)+" and is "+status, got.State, want)
				check(t, "unsure", got.Unsure, false)
				check(t, "provider id", got.ProviderID, "SM1")
				check(t, "finished", got.FinishedAt.IsZero(), false)
				check(t, "an error", got.LastError != "", want == store.Dead)
			}
		}
		q, err := s.Queue(t.Context())
		if err != nil || q.Depth[store.Queued]+q.Depth[store.Retrying] != 0 {
			t.Errorf("Queue() = %+v, %v, want none that waits", q, err)
		}
	})
}

func TestAReceiptOutlivesTheProcessThatSentTheMessage(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aText(store.Sending)
		route(t, s, "RE1", threeDays, d)
		say(t, s, d.ID, [2]string{"SM1", "delivered"})
		if err := s.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recover(t.Context(), map[string]time.Duration{"sms": time.Second}); err != nil {
			t.Fatal(err)
		}
		got := read(t, s, d.ID)
		check(t, "state", got.State, store.Delivered)
		check(t, "provider id", got.ProviderID, "SM1")
		check(t, "last error", got.LastError, "")
	})
}

func TestReceiptsOfAMessageBeforeARetryDoNotCount(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aText(store.Sending)
		route(t, s, "RE1", threeDays, d)
		finish(t, s, d, accepted("SM1"))
		say(t, s, d.ID, [2]string{"SM1", "undelivered"})
		if err := s.Retry(t.Context(), d.ID, "kim", threeDays); err != nil {
			t.Fatal(err)
		}
		again := [2]string{"SM1", "undelivered"}
		check(t, "news while it waits", say(t, s, d.ID, again), false)
		check(t, "receipt", read(t, s, d.ID).Receipt, "")
		d = claim(t, s, "sms", 1)[0]
		check(t, "news while it is sent", say(t, s, d.ID, again), false)
		finish(t, s, d, unheard())
		check(t, "news while it is unsure", say(t, s, d.ID, again), false)
		check(t, "state", read(t, s, d.ID).State, store.Retrying)
		check(t, "news of the other message", say(t, s, d.ID, [2]string{"SM2", "delivered"}), true)
		check(t, "news at last", say(t, s, d.ID, again), false)
		check(t, "state", read(t, s, d.ID).State, store.Delivered)
	})
}

// TestReceiptsAndOutcomesMayComeAtOnce has both for each of many deliveries in any
// order, and together in transactions.
func TestReceiptsAndOutcomesMayComeAtOnce(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		deliveries := make([]*store.Delivery, 100)
		for i := range deliveries {
			deliveries[i] = aText(store.Sending)
		}
		route(t, s, "RE1", threeDays, deliveries...)
		var all sync.WaitGroup
		for i, d := range deliveries {
			message := fmt.Sprint("SM", i)
			all.Go(func() {
				if err := s.Finish(t.Context(), d, accepted(message)); err != nil {
					t.Errorf("Finish() = %v", err)
				}
			})
			for _, status := range []string{"sent", "undelivered", "queued"} {
				all.Go(func() {
					r := &callback.Receipt{Delivery: d.ID, MessageSid: message, Status: status}
					if _, _, err := s.Receive(t.Context(), r, "lost"); err != nil {
						t.Errorf("Receive() = %v", err)
					}
				})
			}
		}
		all.Wait()
		for _, d := range deliveries {
			got := read(t, s, d.ID)
			check(t, "state", got.State, store.Dead)
			check(t, "receipt", got.Receipt, "undelivered")
			check(t, "last error", got.LastError, "lost")
		}
	})
}
