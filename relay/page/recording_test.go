package page_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

func TestARecordingTellsWhatHappenedAndWhy(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1", func(cb *callback.Callback) {
		cb.RecordingStatus, cb.RecordingUrl, cb.RecordingDuration = "in-progress", "", 0
	}))
	r := f.receive(call("rec-1", func(cb *callback.Callback) {
		cb.Query = map[string]string{"agent": "nobody"}
		cb.Fields = map[string]string{"From": "+15550109999"}
	}))
	f.finish(r.Deliveries[0], store.Delivered, "")
	f.finish(r.Deliveries[1], store.Dead, "550 5.1.1 User unknown")
	if err := f.Pause(t.Context(), "email", "lee"); err != nil {
		t.Fatal(err)
	}
	if err := f.Retry(t.Context(), r.Deliveries[1].ID, "kim"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"<h1>Dialled call, 1 min 34 s</h1>",
		`<audio class="player" controls preload="none" src="/recordings/2/audio"`,
		`<a href="https://example.signalwire.com/recordings/rec-1"`,
		"+15550109999", // a field of the sender's
		// Why nobody was told of the first one, and the agent not of the second.
		"Nobody was told.", "rec-1",
		"agents get a link to their own calls",
		"is no contact, no group and no phone number",
		// What happened.
		"SignalWire told us: recorded", "Matched 2 rules", "The email to alice was accepted by the provider (attempt 1, 120 ms)",
		"The email to carol@example.com did not get through (attempt 1, 120 ms)", "550 5.1.1 User unknown",
		"The email to carol@example.com was retried by kim",
		"line 40",
	}
	a := f.get("/recordings/2")
	f.must(a, 200, want...)
	if n := strings.Count(a.body, "lee paused the channel email"); n != 1 {
		t.Errorf("the pause of the channel is told %d times, want once for both of its messages", n)
	}
	f.must(f.get("/recordings/1"), 200, "<h1>Dialled call</h1>", `src="/recordings/1/audio"`)
}

func TestARecordingTellsWhatBecameOfAnSMSAfterItWasAccepted(t *testing.T) {
	const lost = "the carrier did not deliver it: the phone is switched off or out of reach (code 30003)"
	for status, want := range map[string][]string{
		"":            {"not yet confirmed by the phone's carrier"},
		"queued":      {"is on its way at the provider (queued)", "not yet confirmed by the phone's carrier"},
		"sent":        {"was handed to the phone’s carrier", "not yet confirmed by the phone's carrier"},
		"delivered":   {"has reached the phone", "the phone has it since"},
		"undelivered": {"was accepted by the provider (attempt 1", "has not reached the phone", lost, "The carrier did not deliver it", "not delivered"},
	} {
		f := newFixture(t)
		d := f.receive(call("rec-1")).Deliveries[2]
		if d.Kind != "sms" {
			t.Fatalf("the third delivery is of kind %s, want sms", d.Kind)
		}
		f.finish(d, store.Delivered, "")
		if status != "" {
			receipt := &callback.Receipt{Delivery: d.ID, MessageSid: "SM-1", Status: status}
			if got, _, err := f.store.Receive(t.Context(), receipt, lost); err != nil || got == nil {
				t.Fatalf("Receive() = %v, %v, want the delivery", got, err)
			}
		}
		f.must(f.get("/recordings/1"), 200, want...)
	}
}

func TestRulesThatAreNotKeptAreNotMadeUp(t *testing.T) {
	f := newFixture(t)
	unreadable, err := f.store.KeepPlan(t.Context(), []byte("rules of another age"))
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []int64{0 /* routed before plans were kept */, unreadable} {
		f.plan.ID = id
		f.receive(call(fmt.Sprintf("rec-%d", i+1)))
		f.must(f.get(fmt.Sprintf("/recordings/%d", i+1)), 200,
			"The rules of that time are no longer kept.", "Matched against the rules of that time")
	}
	if body := f.get("/recordings").body; strings.Contains(body, "No rule matched") {
		t.Errorf("the list says that no rule matched, which nobody knows: %s", body)
	}
}

func TestARecordingWithManyDeliveriesShowsTheRestInALineEach(t *testing.T) {
	f := newFixture(t)
	var people rules.Patterns
	for i := range 60 {
		people = append(people, fmt.Sprintf("person-%d@example.com", i))
	}
	f.follow(newPlan(t, rules.Rule{Name: "many", All: true, Send: []rules.Send{{Via: "email", To: people, Template: "recording"}}}))
	f.receive(call("rec-1"))
	a := f.get("/recordings/1")
	f.must(a, 200, `id="delivery-40"`, "And 20 more", "person-59@example.com")
	if strings.Contains(a.body, `id="delivery-41"`) {
		t.Error("more than 40 deliveries are shown whole")
	}
	f.must(f.get("/recordings"), 200, "and 48 more")
}

func TestTheAudioIsThatOfTheCallback(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1", func(cb *callback.Callback) { cb.RecordingStatus, cb.RecordingUrl = "in-progress", "" }))
	f.receive(call("rec-1"))
	for _, path := range []string{"/recordings/1/audio", "/recordings/2/audio"} {
		f.must(f.get(path), 200, "audio of https://example.signalwire.com/recordings/rec-1")
	}
	f.must(f.get("/recordings/3/audio"), 404)
}

func TestWhatIsNotThereIsA404Page(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/recordings/7", "/recordings/x", "/recordings/0", "/recordings/99999999999999999999",
		"/deliveries/7/html", "/nothing", "/recordings/", "/health/refused/7"} {
		f.must(f.get(path), 404, "<h1>", "</nav>")
	}
	f.must(f.post("/deliveries/7/retry", nil), 404, "<h1>")
	f.must(f.get("/deliveries/1/retry"), 405, "<h1>")
	f.must(f.do("DELETE", "/recordings/1", nil), 405, "<h1>")
}

func TestPeopleRetryCancelAndSendOn(t *testing.T) {
	f := newFixture(t)
	r := f.receive(call("rec-1"))
	dead, retrying, delivered := r.Deliveries[0], r.Deliveries[1], r.Deliveries[2]
	f.finish(dead, store.Dead, "550 no")
	f.finish(retrying, store.Retrying, "timed out")
	f.finish(delivered, store.Delivered, "")
	path := func(d *store.Delivery, op string) string { return fmt.Sprintf("/deliveries/%d/%s", d.ID, op) }

	for _, test := range []struct {
		d      *store.Delivery
		op, to string
		notice string
		words  string
	}{
		{dead, "retry", "", "retried", "It will be tried again now."},
		{retrying, "cancel", "", "cancelled", "It is cancelled and will not be sent."},
		{delivered, "forward", "+15550100003", "forwarded", "It is on its way to someone else too."},
	} {
		a := f.post(path(test.d, test.op), url.Values{"to": {test.to}})
		if want := "/recordings/1?notice=" + test.notice; a.status != 303 || a.header.Get("Location") != want {
			t.Fatalf("%s = %d to %q, want 303 to %s: %s", test.op, a.status, a.header.Get("Location"), want, a.body)
		}
		f.must(f.get(a.header.Get("Location")), 200, test.words)
	}
	f.must(f.get("/recordings/1"), 200, "was retried by kim", "was cancelled by kim", "+15550100003")

	f.must(f.post(path(delivered, "retry"), nil), 409, "This delivery is delivered.", `href="/recordings/1"`)
	f.must(f.post(path(delivered, "cancel"), nil), 409, "Nothing more happens to it")
	f.must(f.post(path(delivered, "forward"), nil), 400, "Say whom to send it to")
}

func TestWhereTheStoreIsAwayThePageSaysSo(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1"))
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/recordings", "/recordings/1", "/rules", "/channels", "/health"} {
		a := f.get(path)
		f.must(a, 503, "The store does not answer", "callbacks that were acknowledged are stored")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("GET %s: no Retry-After", path)
		}
	}
}
