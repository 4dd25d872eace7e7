package page_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

func TestARecordingSaysWhatBecameOfItsAttachments(t *testing.T) {
	f := newFixture(t)
	plan := newPlan(t, rules.Rule{Name: "with", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Send: []rules.Send{
		{Via: "email", To: rules.Patterns{"a@example.com", "b@example.com", "c@example.com", "d@example.com"}, Template: "recording", Attach: "mp3"}}})
	plan.Links = route.Links{PublicURL: "https://hooks.example.com", TTL: time.Hour}
	f.follow(plan)
	r := f.receive(call("rec-1"))
	page := f.get("/recordings/1")
	f.must(page, 200, "With the recording as MP3, if it has at most 10 MB")
	if n := strings.Count(page.body, "With the recording as MP3"); n != 4 {
		t.Errorf("it is said of %d of 4 emails that they are to have it", n)
	}
	if _, err := f.store.Claim(t.Context(), "email", 9); err != nil {
		t.Fatal(err)
	}
	notYet := "the recording cannot be attached yet: the provider has no such recording, or has it no longer: HTTP status 404"
	for i, o := range []store.Outcome{
		{State: store.Delivered, Attached: 4_230_000},
		{State: store.Delivered, LeftOut: "the recording has 31000000 bytes, and 10000000 are allowed"},
		{State: store.Retrying, Err: notYet, NextAttemptAt: f.store.Now().Add(time.Minute)},
	} {
		o.StartedAt = time.Now()
		if err := f.store.Finish(t.Context(), r.Deliveries[i], o); err != nil {
			t.Fatal(err)
		}
	}
	page = f.get("/recordings/1")
	f.must(page, 200, "with the recording (4.2 MB)",
		"with a link in place of the recording: the recording has 31000000 bytes, and 10000000 are allowed",
		"Waits for the recording, which is to go with it (the provider has no such recording",
		"The email to a@example.com was accepted by the provider, with the recording",
		"The email to b@example.com was accepted by the provider (attempt 1",
		"The email to c@example.com waits for its recording")
	if strings.Contains(page.body, "did not get through") {
		t.Errorf("that its recording is not there is told as the mail server's trouble")
	}
	if n := strings.Count(page.body, "With the recording as MP3"); n != 2 {
		t.Errorf("it is said of %d emails that they are to have it, want the two that wait", n)
	}
}
