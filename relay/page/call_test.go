package page_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// await stores the callback of a recording, which then waits to know who called.
func (f *fixture) await(id string) store.Lookup {
	f.Helper()
	if _, err := f.store.Add(f.Context(), call(id)); err != nil {
		f.Fatal(err)
	}
	_, err := f.store.RouteBy(f.Context(), 10, time.Hour, f.plan.ID, func(r *store.Routed) { r.LookUpUntil = time.Now().Add(time.Minute) })
	if err != nil {
		f.Fatal(err)
	}
	claimed, err := f.store.ClaimLookups(f.Context(), 1)
	if err != nil || len(claimed) != 1 {
		f.Fatalf("ClaimLookups = %v, %v, want one", claimed, err)
	}
	return claimed[0]
}

// goOn ends a look-up with what is known of the call.
func (f *fixture) goOn(l store.Lookup, c *callback.Call) {
	f.Helper()
	_, done, err := f.store.EndLookup(f.Context(), &l, c, time.Hour, f.plan.ID, func(r *store.Routed) {
		r.Deliveries, _ = f.plan.Deliveries(r.Callback.Callback)
	})
	if err != nil || !done {
		f.Fatalf("EndLookup = %v, %v", done, err)
	}
}

// byCaller follows a plan that tells alice of calls from one number.
func (f *fixture) byCaller() {
	f.follow(newPlan(f.T, rules.Rule{Name: "a known caller", Line: 7, Conditions: rules.Conditions{From: rules.Patterns{"+15550100099"}},
		Send: []rules.Send{{Via: "email", To: rules.Patterns{"alice"}, Template: "recording"}}}))
}

func TestThePageSaysThatACallbackWaitsToKnowWhoCalled(t *testing.T) {
	f := newFixture(t)
	f.byCaller()
	l := f.await("rec-1")
	f.must(f.get("/recordings/1"), 200, "It waits for SignalWire to say who called: not asked yet; it goes on without that at ")
	f.must(f.get("/recordings"), 200, "Waits for SignalWire to say who called")
	l.Attempts, l.LastError = 2, "no answer in time"
	if err := f.store.PostponeLookup(t.Context(), &l); err != nil {
		t.Fatal(err)
	}
	a := f.get("/recordings/1")
	f.must(a, 200, "It waits for SignalWire to say who called: asked 2 times (no answer in time); it goes on without that at ")
	for _, no := range []string{"Nobody was told", "No rule matched", "Caller", "Matched"} {
		if strings.Contains(a.body, no) {
			t.Errorf("the page of what waits says %q", no)
		}
	}
}

func TestThePageSaysWhoCalled(t *testing.T) {
	f := newFixture(t)
	f.byCaller()
	f.goOn(f.await("rec-1"), &callback.Call{Known: true, From: "+15550100099", To: "<b>sip:alice@example.com", Direction: "inbound",
		StartTime: time.Now().Add(-time.Minute)})
	a := f.get("/recordings/1")
	f.must(a, 200, "<dt>Caller</dt><dd class=\"wrap\">+15550100099</dd>", "&lt;b&gt;sip:alice@example.com", "<dd>inbound</dd>", "Call began",
		"Matched 1 rule", "<td>+15550100099</td><td>+15550100099</td>")
	if strings.Contains(a.body, "went on without") || strings.Contains(a.body, "waits for") {
		t.Errorf("the page says that it waits or went on without: %s", a.body)
	}
	// What today's rules make of it is by the same call.
	f.must(f.get("/rules/try/1"), 200, "1 message would go out", "From=&#43;15550100099\nTo=&lt;b&gt;sip:alice@example.com\nDirection=inbound\nStartTime=")
}

func TestThePageSaysThatTheRulesWentOnWithoutWhoCalled(t *testing.T) {
	f := newFixture(t)
	f.byCaller()
	f.goOn(f.await("rec-1"), &callback.Call{Problem: "no answer in time"})
	f.must(f.get("/recordings/1"), 200, "SignalWire did not say who called, and the rules went on without", "no answer in time",
		"not known: the rules went on without", "No rule matched", "Who called is not known (no answer in time); this rule wants +15550100099.")
}

func TestWhoCalledCanBeTried(t *testing.T) {
	f := newFixture(t)
	f.byCaller()
	try := func(call, late string) answer {
		return f.post("/rules/try", url.Values{"status": {"completed"}, "source": {"DialVerb"}, "duration": {"5"}, "call": {call}, "late": {late}})
	}
	f.must(try("From=+15550100099\r\n", "1"), 200, "1 message would go out", `name="late" value="1" checked`, "From=+15550100099")
	f.must(try("From=+15550100098", ""), 200, "Nobody would be told", "The caller is +15550100098; this rule wants +15550100099.")
	f.must(try("", ""), 200, "Nobody would be told", "Who called is not known", "SignalWire would be asked who called first")
	f.must(try("Form=x", ""), 400, "The call: Form: there is no such field of a call")
	f.must(try("x", ""), 400, "The call: want a line for each")
}
