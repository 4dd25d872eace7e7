package page_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// newLinked is a fixture in which alice was sent a link and carol none.
func newLinked(t *testing.T, ttl time.Duration) (f *fixture, linked, plain *store.Delivery) {
	t.Helper()
	f = newFixture(t)
	plan := newPlan(t, rules.Rule{Name: "links", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Send: []rules.Send{
		{Via: "sms", To: rules.Patterns{"alice"}, Template: "link"}, {Via: "email", To: rules.Patterns{"carol@example.com"}, Template: "recording"}}})
	plan.Links = route.Links{PublicURL: "https://hooks.example.com", TTL: ttl}
	f.follow(plan)
	r := f.receive(call("rec-1"))
	return f, r.Deliveries[0], r.Deliveries[1]
}

func TestARecordingSaysHowItsLinksStand(t *testing.T) {
	f, linked, _ := newLinked(t, time.Hour)
	page := f.get("/recordings/1")
	f.must(page, 200, "Link not opened, until ", "Revoke the link")
	if n := strings.Count(page.body, "Revoke the link"); n != 1 {
		t.Errorf("%d links can be revoked, want that of the SMS alone", n)
	}
	for range 3 {
		if err := f.store.Opened(t.Context(), linked.Link.Token); err != nil {
			t.Fatal(err)
		}
	}
	f.must(f.get("/recordings/1"), 200, "Link opened 3 times, last <time", "just now", "until ")

	expired, _, _ := newLinked(t, 0)
	page = expired.get("/recordings/1")
	expired.must(page, 200, "Link not opened, expired ")
	if strings.Contains(page.body, "Revoke the link") {
		t.Error("a link that has expired can be revoked")
	}
}

func TestPeopleRevokeLinks(t *testing.T) {
	f, linked, plain := newLinked(t, time.Hour)
	path := fmt.Sprintf("/deliveries/%d/revoke", linked.ID)
	a := f.post(path, nil)
	if a.status != 303 || a.header.Get("Location") != "/recordings/1?notice=revoked" {
		t.Fatalf("revoke = %d to %q, want 303 to the recording", a.status, a.header.Get("Location"))
	}
	page := f.get("/recordings/1?notice=revoked")
	f.must(page, 200, "The link opens nothing any more.", "Link not opened, revoked ", "kim revoked the link in the SMS to alice")
	if strings.Contains(page.body, "Revoke the link") {
		t.Error("a link that was revoked can be revoked again")
	}
	if _, err := f.store.Linked(context.Background(), linked.Link.Token); err == nil {
		t.Error("the link opens the recording though it was revoked")
	}
	f.must(f.post(fmt.Sprintf("/deliveries/%d/revoke", plain.ID), nil), 409, "has no link that could be revoked")
	f.must(f.post("/deliveries/99/revoke", nil), 404)
	f.must(f.get(path), 405)
}
