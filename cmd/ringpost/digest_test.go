package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringpost/relay/api"
)

const digestRule = `
[[rule]]
name = "collected"
query = { team = "*" }
send = [{ via = "email", to = ["{{.Query.team}}"], template = "digest", digest = "1m" }]
`

// TestWhatADigestCollectsIsToldOnceThoughTheProcessIsKilled kills the service while
// recordings are collected, and again as they become due.
func TestWhatADigestCollectsIsToldOnceThoughTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	const all = 12
	o := newOperated(t, digestRule)
	for i := range all {
		o.mustPost(completed(fmt.Sprint("rec-", i)), "?team=alice@example.com")
		if i == all/2 {
			o.kill()
			o.start()
		}
	}
	o.mustPost(completed("rec-bob"), "?team=bob@example.com")
	const waits = `waits in a digest until (\d+ [A-Z][a-z]{2} )?\d\d:\d\d UTC`
	var out string
	eventually(t, "the last one is collected", patience, func() bool {
		var code int
		out, _, code = o.run("explain", "--recording", fmt.Sprint("rec-", all-1))
		return code == 0 && strings.Contains(out, "collected for")
	})
	if !regexp.MustCompile(`(?m)^✗ collected for alice@example.com \(channel email, rule "collected"\)\n    ` + waits + `$`).MatchString(out) {
		t.Errorf("explain says\n%s\nwant %s", out, waits)
	}
	if page := html.UnescapeString(o.read("/recordings/1")); !regexp.MustCompile("W" + waits[1:]).MatchString(page) {
		t.Errorf("the page does not say %s\n%s", waits, page)
	}
	if page := o.read("/recordings"); strings.Count(page, "in a digest</span>") != all+1 || strings.Contains(page, "nobody is told") {
		t.Errorf("the list does not say of all that they are in a digest:\n%s", page)
	}
	if !*long {
		return // what follows takes more than a minute
	}
	eventually(t, "the first digest goes out", 2*time.Minute, func() bool { return len(o.mail.Emails()) > 0 })
	o.kill()
	o.start()
	list := o.awaitState("delivered", 2)
	for _, d := range list {
		if d.To == "alice@example.com" {
			wantDigest(t, o, d.ID, all)
		}
	}
	<-time.After(10 * time.Second) // nothing more is due
	o.awaitState("delivered", 2)
	checkDigestMail(t, o, all)
	for i := range all {
		if out, errs, code := o.run("deliveries", "list", "--recording", fmt.Sprint("rec-", i)); code != 0 || strings.Count(out, "collected") != 1 {
			t.Errorf("deliveries of rec-%d = %d\n%s%s\nwant the digest", i, code, out, errs)
		}
		if page := o.read(fmt.Sprint("/recordings/", i+1)); !strings.Contains(page, fmt.Sprintf("It tells of %d recordings", all)) {
			t.Errorf("the page of rec-%d does not show the digest", i)
		}
	}
}

// wantDigest checks what is told of a digest's delivery.
func wantDigest(t *testing.T, o *operated, id int64, all int) {
	t.Helper()
	out, errs, code := o.run("deliveries", "show", fmt.Sprint(id), "-o", "json")
	var d api.Delivery
	if err := json.Unmarshal([]byte(out), &d); code != 0 || err != nil || d.Recordings != all || d.Recording != fmt.Sprint("rec-", all-1) || d.Link == nil {
		t.Errorf("deliveries show = %d %v\n%s%s\nwant %d recordings, filed under the newest", code, err, out, errs, all)
	}
	out, _, _ = o.run("deliveries", "show", fmt.Sprint(id))
	if !regexp.MustCompile(fmt.Sprintf(`(?m)^digest: +of %d recordings, that one is the newest$`, all)).MatchString(out) {
		t.Errorf("deliveries show says\n%s\nwant that it is a digest", out)
	}
}

// checkDigestMail checks that alice was told of each recording once, with a link
// that opens it.
func checkDigestMail(t *testing.T, o *operated, all int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent, err := o.mail.Wait(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool) // one may have been on its way at the kill
	for _, m := range sent {
		content, err := m.Content()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(content.Subject, "call recordings") {
			continue // bob's
		}
		ids[content.MessageID] = true
		links := regexp.MustCompile(`/r/[0-9A-Za-z]{11}`).FindAllString(content.Text, -1)
		if content.Subject != fmt.Sprintf("%d call recordings", all) || len(links) != all {
			t.Errorf("the mail is %q with %d links, want %d recordings", content.Subject, len(links), all)
		}
		for _, link := range links {
			resp, err := http.Get("http://" + o.callbacks + link)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a link of the digest = %d, want 200", resp.StatusCode)
			}
		}
	}
	if len(ids) != 1 {
		t.Errorf("alice got %d different digests, want 1", len(ids))
	}
}
