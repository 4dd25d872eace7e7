package deadletter_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/deadletter"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

const (
	alice = "+15550100001"
	bob   = "+15550100002"
)

// world is a store whose callbacks are routed by hand.
type world struct {
	t      *testing.T
	store  *store.Store
	worker *deadletter.Worker
	plan   *route.Plan // in force
}

// promise runs keep with a world for each kind of store. The rules are those of
// one plan.
func promise(t *testing.T, list []rules.Rule, keep func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, location string) { keep(t, newWorld(t, location, list)) })
}

func newWorld(t *testing.T, location string, list []rules.Rule) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), location, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	ctx, stop := context.WithCancel(t.Context())
	m := metrics.New("test")
	d := deliver.New(ctx, s, m, log)
	t.Cleanup(func() { stop(); d.Drain() })
	// Without channels: what waits for them is claimed here.
	if err := d.Configure(ctx, deliver.Policy{FirstRetry: time.Second, MaxRetry: time.Minute, GiveUpAfter: time.Hour}, nil); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s}
	w.worker = deadletter.New(s, d, m, log, func() *route.Plan { return w.plan })
	w.follow(list, "as it was")
	return w
}

// follow puts rules into force with a template "t" that says what.
func (w *world) follow(list []rules.Rule, what string) {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range map[string]string{"t.email.txt": "Subject: " + what + "\n\nfor {{.To}}\n", "t.sms.txt": what} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	templates, errs := render.Load(dir)
	if len(errs) > 0 {
		w.t.Fatal(errs)
	}
	set, problems := rules.Compile(list, rules.Book{Channels: map[string]string{"email": render.Email, "sms": render.SMS}})
	if len(problems) > 0 {
		w.t.Fatal(problems)
	}
	plan := &route.Plan{Rules: set, Templates: templates, Links: route.Links{PublicURL: "https://hooks.example.com", TTL: time.Hour}}
	var err error
	if w.plan, err = plan.Keep(w.t.Context(), w.store); err != nil {
		w.t.Fatal(err)
	}
}

// post stores the callback of a recording.
func (w *world) post(recording string) {
	w.t.Helper()
	cb := &callback.Callback{AccountSid: "AC1", RecordingSid: recording, RecordingStatus: "completed", CallSid: "CA1",
		RecordingUrl: "https://example.com/" + recording, RecordingSource: "DialVerb", Query: map[string]string{"agent": alice}, ReceivedAt: time.Now()}
	if _, err := w.store.Add(w.t.Context(), cb); err != nil {
		w.t.Fatal(err)
	}
}

// route takes all that is stored through the rules in force.
func (w *world) route() {
	w.t.Helper()
	_, err := w.store.Route(w.t.Context(), 100, time.Hour, w.plan.ID, func(cb store.Stored) []*store.Delivery {
		deliveries, _ := w.plan.Deliveries(cb.Callback)
		return deliveries
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// attempt has all that waits for a channel accepted or, where it goes to one of
// the refused, refused for good.
func (w *world) attempt(channel string, refused ...string) {
	w.t.Helper()
	claimed, err := w.store.Claim(w.t.Context(), channel, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range claimed {
		o := store.Outcome{StartedAt: time.Now(), State: store.Delivered, ProviderID: fmt.Sprint("SM", d.ID), Receipts: d.Kind == render.SMS}
		if slices.Contains(refused, d.To) {
			o.State, o.Err = store.Dead, "refused: no such recipient"
		}
		if err := w.store.Finish(w.t.Context(), d, o); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) settle() {
	w.t.Helper()
	if err := w.worker.Settle(w.t.Context()); err != nil {
		w.t.Fatalf("Settle() = %v", err)
	}
}

// deliveries are all that there are, oldest first, as CHANNEL TO STATE.
func (w *world) deliveries() (all []string) {
	w.t.Helper()
	list, err := w.store.Deliveries(w.t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(list)
	for _, d := range list {
		all = append(all, fmt.Sprintf("%s %s %s", d.Channel, d.To, d.State))
	}
	return all
}

// want checks all deliveries.
func (w *world) want(when string, want ...string) {
	w.t.Helper()
	if got := w.deliveries(); !slices.Equal(got, want) {
		w.t.Errorf("%s: got %q\nwant %q", when, got, want)
	}
}

// undelivered returns the callbacks that tell of dead deliveries, oldest first.
func (w *world) undelivered() (found []store.Stored) {
	w.t.Helper()
	list, err := w.store.Callbacks(w.t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(list)
	return slices.DeleteFunc(list, func(cb store.Stored) bool { return cb.RecordingStatus != callback.Undelivered })
}

// text is a rule that sends SMS, with the same by email in their place.
func text(to string, fallback ...string) rules.Rule {
	r := rules.Rule{Name: "text", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}},
		Send: []rules.Send{{Via: "sms", To: rules.Patterns{to}, Template: "t"}}}
	if fallback != nil {
		r.Send[0].Fallback = &rules.Fallback{Via: "email", To: fallback}
	}
	return r
}

// toldOf is a rule that mails what could not be delivered.
func toldOf(to string) rules.Rule {
	return rules.Rule{Name: "told of", Conditions: rules.Conditions{Status: rules.Patterns{"undelivered"}},
		Send: []rules.Send{{Via: "email", To: rules.Patterns{to}, Template: "undelivered"}}}
}

func TestSomebodyIsToldOfWhatCouldNotBeDeliveredAndNotForEver(t *testing.T) {
	promise(t, []rules.Rule{text(bob), toldOf("ops@example.com")}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.route()
		w.attempt("sms", bob)
		w.settle()
		found := w.undelivered()
		if len(found) != 1 {
			t.Fatalf("%d callbacks tell of it, want 1", len(found))
		}
		cb := found[0]
		want := map[string]string{"DeliveryId": "1", "DeliveryRule": "text", "DeliveryChannel": "sms", "DeliveryTo": bob,
			"DeliveryError": "refused: no such recipient"}
		for name, value := range want {
			if cb.Fields[name] != value {
				t.Errorf("its %s = %q, want %q", name, cb.Fields[name], value)
			}
		}
		if cb.RecordingSid != "RE1" || cb.CallSid != "CA1" || cb.RecordingUrl != "https://example.com/RE1" || cb.Query["agent"] != alice || cb.Late {
			t.Errorf("the callback is %+v, want what the recording's own has", cb.Callback)
		}
		w.route()
		w.want("once that is routed", "sms "+bob+" dead", "email ops@example.com queued")
		mail, _, err := w.store.Delivery(t.Context(), 2)
		if err != nil || !strings.Contains(mail.Text, bob) || !strings.Contains(mail.Text, "refused: no such recipient") {
			t.Errorf("it says %q (%v), want whom it was for, and why not", mail.Text, err)
		}
		w.attempt("email", "ops@example.com")
		w.settle()
		w.route()
		w.want("once that is refused too", "sms "+bob+" dead", "email ops@example.com dead")
		if n := len(w.undelivered()); n != 1 {
			t.Errorf("%d callbacks tell of it, want 1 for ever", n)
		}
	})
}

func TestWhatNobodyGetsFromTheStartIsToldToo(t *testing.T) {
	promise(t, []rules.Rule{text(`{{index .Query "nobody"}}`, "ops@example.com")}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.route()
		w.settle()
		w.want("after nobody was found", "sms  dead", "email ops@example.com queued")
		if found := w.undelivered(); len(found) != 1 || found[0].Fields["DeliveryTo"] != "" || found[0].Fields["DeliveryError"] == "" {
			t.Errorf("what tells of it is %+v, want one with the reason", found)
		}
	})
}

func TestAFallbackIsByTheRulesOfThenInTheWordsOfNow(t *testing.T) {
	promise(t, []rules.Rule{text(bob, "alice@example.com")}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.route()
		w.attempt("sms")
		w.follow([]rules.Rule{text(bob, "later@example.com")}, "as it is now")
		// The carrier says so after the rules were changed.
		d, _, err := w.store.Receive(t.Context(), &callback.Receipt{Delivery: 1, MessageSid: "SM1", Status: "undelivered"}, "switched off")
		if err != nil || d == nil {
			t.Fatalf("Receive() = %v, %v", d, err)
		}
		w.settle()
		w.settle()
		w.want("after the receipt", "sms "+bob+" dead", "email alice@example.com queued")
		mail, _, err := w.store.Delivery(t.Context(), 2)
		if err != nil || mail.Subject != "as it is now" || mail.Text != "for alice@example.com\n" || mail.Rule != "text" {
			t.Errorf("the fallback is %+v (%v), want it in the words of the templates in force", mail, err)
		}
		if why := deliver.Why(&store.Delivery{State: store.Dead, To: bob, LastError: "x", Aftermath: store.FellBack}, nil, nil, time.Now()); !strings.Contains(why, "fallback took over") {
			t.Errorf("Why = %s", why)
		}

		w.attempt("email", "alice@example.com")
		w.settle()
		w.want("after the fallback was refused", "sms "+bob+" dead", "email alice@example.com dead")
		if n := len(w.undelivered()); n != 2 {
			t.Errorf("%d callbacks tell of dead deliveries, want 2: a fallback is one too", n)
		}
	})
}

func TestTheSameMessageIsNoFallbackTwice(t *testing.T) {
	mail := rules.Rule{Name: "mail", All: true, Send: []rules.Send{{Via: "email", To: rules.Patterns{"alice@example.com"}, Template: "t"}}}
	both := text(bob, "ALICE@example.com", "carol@example.com")
	both.Send = append(both.Send, rules.Send{Via: "sms", To: rules.Patterns{alice}, Template: "t",
		Fallback: &rules.Fallback{Via: "email", To: rules.Patterns{"carol@example.com"}, Template: "t"}})
	promise(t, []rules.Rule{both, mail}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.route()
		w.attempt("sms", bob)
		w.settle() // alice has it by another rule
		w.want("after the first", "sms "+bob+" dead", "sms "+alice+" delivered", "email alice@example.com queued", "email carol@example.com queued")
		w.attempt("email", "alice@example.com")
		_, _, err := w.store.Receive(t.Context(), &callback.Receipt{Delivery: 2, MessageSid: "SM2", Status: "failed"}, "lost")
		if err != nil {
			t.Fatal(err)
		}
		w.settle() // carol has it by the fallback of the other
		w.want("after the second", "sms "+bob+" dead", "sms "+alice+" dead", "email alice@example.com dead", "email carol@example.com delivered")
	})
}

func TestAFallbackThatCannotBeWrittenSaysSo(t *testing.T) {
	promise(t, []rules.Rule{text(bob, `{{index .Query "nobody"}}`)}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.route()
		w.attempt("sms", bob)
		w.settle()
		w.settle()
		w.want("in the end", "sms "+bob+" dead", "email  dead")
		d, _, err := w.store.Delivery(t.Context(), 2)
		if err != nil || !strings.Contains(d.LastError, "recipient is empty") {
			t.Errorf("the fallback is %+v (%v), want the reason why nobody gets it", d, err)
		}
	})
}

func TestAFallbackHasALinkOfItsOwn(t *testing.T) {
	r := text(bob, "alice@example.com")
	r.Send[0].Template = "link"
	promise(t, []rules.Rule{r}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.route()
		w.attempt("sms", bob)
		w.settle()
		first, err := w.store.Link(t.Context(), 1)
		second, err2 := w.store.Link(t.Context(), 2)
		if err != nil || err2 != nil || first == nil || second == nil || first.Token == second.Token {
			t.Fatalf("the links are %+v and %+v (%v, %v), want two", first, second, err, err2)
		}
		if _, err := w.store.Linked(t.Context(), second.Token); err != nil {
			t.Errorf("the fallback's link does not open: %v", err)
		}
	})
}

func TestWhereTheRulesOfThenAreGoneItIsSaidAndTold(t *testing.T) {
	promise(t, []rules.Rule{text(bob, "alice@example.com")}, func(t *testing.T, w *world) {
		w.post("RE1")
		w.plan.ID = 4711
		w.route()
		w.attempt("sms", bob)
		w.follow([]rules.Rule{text(bob, "alice@example.com")}, "as it is now")
		w.settle()
		w.want("in the end", "sms "+bob+" dead")
		d, _, err := w.store.Delivery(t.Context(), 1)
		if err != nil || d.Aftermath != store.FallbackUnknown {
			t.Errorf("what followed is %v (%v), want that its fallback is not known", d.Aftermath, err)
		}
		if n := len(w.undelivered()); n != 1 {
			t.Errorf("%d callbacks tell of it, want 1", n)
		}
	})
}

func TestDeadLettersAreSettledAtOnce(t *testing.T) {
	promise(t, []rules.Rule{text(bob)}, func(t *testing.T, w *world) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.worker.Run(ctx) })
		defer running.Wait()
		defer stop()
		for i := range 3 { // the first one may be there before the worker
			w.post(fmt.Sprint("RE", i))
			w.route()
			began := time.Now()
			w.attempt("sms", bob)
			for len(w.undelivered()) <= i {
				if time.Since(began) > 4*time.Second {
					t.Fatalf("dead delivery %d is not settled in %v", i, time.Since(began))
				}
				<-w.store.Added()
			}
		}
	})
}

func TestManyDeadLettersAreSettledOnceByTwoNodes(t *testing.T) {
	location := storetest.Postgres(t)
	list := []rules.Rule{text(bob, "alice@example.com"), toldOf("ops@example.com")}
	one := newWorld(t, location, list)
	two := newWorld(t, location, list)
	const many = 120
	for i := range many {
		one.post(fmt.Sprint("RE", i))
	}
	one.route()
	one.route()
	for range 2 {
		one.attempt("sms", bob)
	}
	var settling sync.WaitGroup
	for _, w := range []*world{one, two} {
		settling.Go(func() {
			if err := w.worker.Settle(t.Context()); err != nil {
				t.Errorf("Settle() = %v", err)
			}
		})
	}
	settling.Wait()
	one.settle() // what both have left to each other
	fallbacks := 0
	for _, d := range one.deliveries() {
		if strings.HasPrefix(d, "email alice@") {
			fallbacks++
		}
	}
	if told := len(one.undelivered()); told != many || fallbacks != many {
		t.Errorf("%d callbacks and %d fallbacks of %d dead letters, want one each", told, fallbacks, many)
	}
}
