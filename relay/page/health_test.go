package page_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestHealthDrawsTheLastDay(t *testing.T) {
	f := newFixture(t)
	now := f.store.Now()
	tally := func(hoursAgo int, what, result string, n int64) store.Tally {
		at := now.Add(-time.Duration(hoursAgo) * time.Hour)
		return store.Tally{At: at, What: what, Name: "x", Result: result, N: n, LastAt: at}
	}
	err := f.store.AddTallies(t.Context(), []store.Tally{
		tally(0, "callback", "stored", 9000), tally(0, "callback", "bad_signature", 1), tally(3, "callback", "invalid", 2),
		tally(23, "callback", "duplicate", 5), tally(24, "callback", "stored", 777),
		tally(1, "delivery", "delivered", 40), tally(1, "delivery", "dead", 4),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := f.get("/health")
	f.must(a, 200, "In the last 24 hours: 9,000 stored, 5 repeated, 3 refused, 0 not stored.",
		"In the last 24 hours: 40 delivered, 0 to be tried again, 0 uncertain, 4 not delivered.",
		": 9,000 stored, 1 refused</title>", ">ready<", "/etc/ringpost.toml", "None were refused lately.")
	// One among thousands is seen, if only just.
	least := regexp.MustCompile(`<rect class="bar-bad"[^>]* height="2.0"/>`)
	if !least.MatchString(a.body) {
		t.Errorf("one refused request is not drawn: %s", a.body)
	}
	chart, _, _ := strings.Cut(a.body, "</section>")
	if rows := strings.Count(chart, `<th scope="row">`); rows != 24 {
		t.Errorf("the table beside the chart has %d rows, want one an hour", rows)
	}
	for _, outside := range regexp.MustCompile(` (x|y|width|height)="-|NaN|Inf`).FindAllString(chart, -1) {
		t.Errorf("the chart has %q", outside)
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	f := newFixture(t)
	f.notReady = errors.New("the store cannot commit: disk full")
	f.problems = []string{`ringpost.toml:17: rule "agents": via: no channel "smss"`}
	a := f.get("/health")
	f.must(a, 200, ">not ready<", "The store cannot commit: disk full.", "last reload refused", "ringpost.toml:17: rule",
		"Health <span class=\"alarm\">reload refused</span>")
	f.must(f.post("/health/reload", nil), 422, "ringpost.toml:17: rule")
	f.problems = nil
	if a := f.post("/health/reload", nil); a.status != 303 || a.header.Get("Location") != "/health?notice=reloaded" {
		t.Errorf("reload = %d to %q, want 303 to a notice", a.status, a.header.Get("Location"))
	}
}

func TestARefusedRequestGoesToTheDoctor(t *testing.T) {
	f := newFixture(t)
	raw := "POST /callbacks/recording?agent=" + hostile + " HTTP/1.1\nHost: hooks.example.com\n\nRecordingSid=" + hostile + "\xff"
	err := f.store.KeepRefusals(t.Context(), []store.Refusal{
		{At: time.Now(), Status: 403, Reason: "signature does not verify", Request: []byte("POST /callbacks/recording HTTP/1.1\nHost: a\n\nx=1")},
		{At: time.Now(), Status: 400, Reason: hostile, Request: []byte(raw)},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := f.get("/health")
	f.must(a, 200, "Signature does not verify.", `href="/health/refused/1"`, `href="/health/refused/2"`)
	assertNoMarkup(t, "GET /health", a.body)
	f.must(f.get("/health/refused/1"), 200, "The API token is in place of the signing key.", "POST /callbacks/recording HTTP/1.1",
		"the signature does not verify")
	a = f.get("/health/refused/2")
	f.must(a, 200, "hooks.example.com")
	assertNoMarkup(t, "GET /health/refused/2", a.body)
}
