package page_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// hostile is what somebody may put into everything that others write.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}` + "\r\ndata: <script>alert(2)</script>"

// everyPage are paths of all pages, over a store with one recording.
var everyPage = []string{"/recordings", "/recordings/1", "/rules", "/rules/try/1", "/nothing-here", "/recordings?q=x"}

func TestEveryAnswerAllowsNothingButItsOwnFiles(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1"))
	for _, path := range everyPage {
		a := f.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
				"connect-src 'self'; media-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("GET %s: %s = %q, want %q", path, name, got, want)
			}
		}
		for _, inline := range []*regexp.Regexp{
			regexp.MustCompile(`<script(>| [^>]*>)[^<]`), // with something in it
			regexp.MustCompile(`<style`),
			regexp.MustCompile(`<[^>]* style=`),
			regexp.MustCompile(`<[^>]* on[a-z]+=`),
			regexp.MustCompile(`(src|href|action)="(https?:)?//`),
		} {
			if found := inline.FindString(strings.ReplaceAll(a.body, `href="https://example.signalwire.com/`, "")); found != "" {
				t.Errorf("GET %s has %q within it", path, found)
			}
		}
	}
}

// assertNoMarkup fails where what is hostile came through as markup.
func assertNoMarkup(t *testing.T, where, body string) {
	t.Helper()
	for _, bad := range []string{"<script>alert", "<img src=x", `="javascript:`} {
		if i := strings.Index(body, bad); i >= 0 {
			t.Errorf("%s holds %q: …%s…", where, bad, body[max(0, i-80):min(len(body), i+80)])
		}
	}
}

func TestWhatCallersWriteIsShownAndNeverObeyed(t *testing.T) {
	f := newFixture(t)
	r := f.receive(call(`rec-1"'><script>alert(1)</script>`, func(cb *callback.Callback) {
		cb.CallSid = `"><img src=x onerror=alert(1)>`
		cb.RecordingUrl = "javascript:alert(1)"
		cb.RecordingSource, cb.RecordingChannels = hostile, hostile
		cb.Query = map[string]string{"agent": "alice", hostile: hostile}
		cb.Fields = map[string]string{hostile: hostile, "From": hostile}
	}))
	f.finish(r.Deliveries[0], store.Dead, "550 "+hostile)
	for _, path := range append(everyPage, "/recordings?"+url.Values{"q": {hostile}}.Encode(),
		"/recordings?state="+url.QueryEscape(hostile), "/recordings?from="+url.QueryEscape(hostile),
		"/recordings?notice="+url.QueryEscape(hostile), "/recordings/1?notice="+url.QueryEscape(hostile)) {
		assertNoMarkup(t, "GET "+path, f.get(path).body)
	}
	if body := f.get("/recordings/1").body; !strings.Contains(body, "javascript:alert(1)") {
		t.Errorf("the recording's URL is not shown: %s", body)
	}
	a := f.post("/rules/try", url.Values{"status": {hostile}, "source": {hostile}, "duration": {hostile}, "query": {hostile},
		"fields": {hostile + "=" + hostile}})
	f.must(a, 400)
	assertNoMarkup(t, "POST /rules/try", a.body)
	a = f.post("/rules/try", url.Values{"status": {"completed"}, "source": {hostile}, "query": {url.Values{"agent": {hostile}}.Encode()}})
	f.must(a, 200, "Nobody")
	assertNoMarkup(t, "POST /rules/try", a.body)
}

func TestAMessageIsFramedWithNothingThatRunsOrAsks(t *testing.T) {
	f := newFixture(t)
	r := f.receive(call("rec-1"))
	f.must(f.get("/recordings/1"), 200, `<iframe class="message" sandbox `, `src="/deliveries/1/html"`)
	a := f.get("/deliveries/1/html")
	f.must(a, 200, "<!DOCTYPE html>")
	policy := a.header.Get("Content-Security-Policy")
	for _, want := range []string{"sandbox;", "default-src 'none'", "frame-ancestors 'self'", "form-action 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the message's policy is %q, want %s in it", policy, want)
		}
	}
	if strings.Contains(policy, "allow-") || strings.Contains(policy, "script-src") {
		t.Errorf("the message's policy is %q, which allows too much", policy)
	}
	sms := r.Deliveries[len(r.Deliveries)-1]
	f.must(f.get(fmt.Sprintf("/deliveries/%d/html", sms.ID)), 404)
}

func TestAssetsAreKeptForGoodUnderTheirHash(t *testing.T) {
	f := newFixture(t)
	body := f.get("/recordings").body
	found := regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(found) != 5 {
		t.Fatalf("the page refers to %d assets, want 5: %v", len(found), found)
	}
	for _, m := range found {
		a := f.get(m[1])
		if a.status != 200 || a.header.Get("Cache-Control") != "private, max-age=31536000, immutable" || a.header.Get("Content-Type") == "" {
			t.Errorf("GET %s = %d, %v", m[1], a.status, a.header)
		}
	}
	f.must(f.get("/assets/style.css"), 404)
	f.must(f.get("/assets/LICENSES.txt"), 404)
}
