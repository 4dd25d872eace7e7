package page_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestChannelsSayHowTheyDo(t *testing.T) {
	f := newFixture(t)
	now := time.Now()
	r := f.receive(call("rec-1"))
	f.finish(r.Deliveries[0], store.Dead, "550 no")
	f.finish(r.Deliveries[1], store.Retrying, "connection refused")
	f.channels[0].Down, f.channels[0].LastError, f.channels[0].LastErrorAt = true, "connection refused", now
	f.channels[1].Pause = &store.Pause{Channel: "sms", At: now, By: "lee"}
	err := f.store.AddTallies(t.Context(), []store.Tally{
		{At: now, What: "delivery", Name: "email", Result: "delivered", N: 1200, LastAt: now},
		{At: now.Add(-20 * time.Hour), What: "delivery", Name: "email", Result: "delivered", N: 34, LastAt: now},
		{At: now, What: "delivery", Name: "email", Result: "dead", N: 7, LastAt: now},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := f.get("/channels")
	f.must(a, 200, ">down<", "connection refused", "1,200", "1,234", ">7<", ">paused<", "aused by lee", "not limited",
		"Channels <span class=\"alarm\">1 down</span>")
	if n := strings.Count(a.body, "Try failed ones again"); n != 1 {
		t.Errorf("%d channels offer to try failed ones again, want the one that has some", n)
	}
}

func TestPeoplePauseResumeTestAndRetry(t *testing.T) {
	f := newFixture(t)
	r := f.receive(call("rec-1"))
	f.finish(r.Deliveries[0], store.Dead, "550 no")
	f.finish(r.Deliveries[1], store.Dead, "550 no")
	for _, test := range []struct{ op, to, notice, words string }{
		{"pause", "", "paused", "The channel is paused."},
		{"resume", "", "resumed", "The channel is resumed."},
		{"retry", "", "all", "will be tried again now"},
		{"retry", "", "none", "nothing that can be tried again"},
		{"test", "alice", "tested", "has taken the test message"},
	} {
		a := f.post("/channels/"+test.op, url.Values{"channel": {"email"}, "to": {test.to}})
		if want := "/channels?notice=" + test.notice; a.status != 303 || a.header.Get("Location") != want {
			t.Fatalf("%s = %d to %q, want 303 to %s: %s", test.op, a.status, a.header.Get("Location"), want, a.body)
		}
		f.must(f.get(a.header.Get("Location")), 200, test.words)
		if paused, err := f.store.Paused(t.Context()); err != nil || (len(paused) == 1) != (test.op == "pause") {
			t.Errorf("after %s these are paused: %v, %v", test.op, paused, err)
		}
	}
	for _, d := range r.Deliveries[:2] {
		if got, _, err := f.store.Delivery(t.Context(), d.ID); err != nil || got.State != store.Queued {
			t.Errorf("after all were retried, delivery %d is %v, %v", d.ID, got, err)
		}
	}
	f.must(f.post("/channels/test", url.Values{"channel": {"email"}}), 400, "Say whom the test is for")
	f.must(f.post("/channels/test", url.Values{"channel": {"email"}, "to": {"refused@example.com"}}), 502,
		"The provider did not take it", "550 no such user", `href="/channels"`)
}
