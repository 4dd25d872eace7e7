package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
)

const linkRule = `
[[rule]]
name = "links"
query = { link = "*" }
send = [{ via = "sms", to = ["{{.Query.link}}"], template = "link" }]
`

// sentLink waits for an SMS with a link and returns its URL at the server.
func sentLink(t *testing.T, s *server, api *peers.SignalWire) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent, err := api.Wait(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile(`/r/[0-9A-Za-z]{11}$`).FindString(sent[0].Body)
	if path == "" {
		t.Fatalf("the SMS says %q, want a link", sent[0].Body)
	}
	return "http://" + s.callbacks + path
}

func TestLinksAreShownAndRevoked(t *testing.T) {
	t.Parallel()
	o := newOperated(t, linkRule)
	o.mustPost(completed("rec-1"), "?link=%2B15550100001")
	link := sentLink(t, o.server, o.api)
	id := fmt.Sprint(o.awaitState("delivered", 1)[0].ID)
	if out, errs, code := o.run("deliveries", "show", id); code != 0 || !regexp.MustCompile(`(?m)^link: +not opened, until 20`).MatchString(out) {
		t.Errorf("show = %d %s%s, want a link that was not opened", code, out, errs)
	}
	if resp, err := http.Get(link); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the link = %v, %v, want 200", resp, err)
	}
	if out, errs, code := o.run("deliveries", "show", id); code != 0 || !regexp.MustCompile(`(?m)^link: +opened once, 20.*, until 20`).MatchString(out) {
		t.Errorf("show = %d %s%s, want a link that was opened", code, out, errs)
	}
	out, errs, code := o.run("deliveries", "revoke", id)
	if code != 0 || !strings.Contains(out, "delivery "+id+", sms to +15550100001, opens nothing any more") {
		t.Errorf("revoke = %d %s%s, want 0", code, out, errs)
	}
	if resp, err := http.Get(link); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("after it is revoked the link = %v, %v, want 404", resp, err)
	}
	if out, _, _ := o.run("deliveries", "show", id); !regexp.MustCompile(`(?m)^link: +opened once, .*, revoked 20`).MatchString(out) || !strings.Contains(out, "revoked the link") {
		t.Errorf("show = %s, want who revoked it", out)
	}
	o.mustPost(completed("rec-2"), "?mailbox=alice")
	o.awaitState("delivered", 2)
	if _, errs, code := o.run("deliveries", "revoke", "2", "99"); code != 1 || !strings.Contains(errs, "has no link") || !strings.Contains(errs, "99") {
		t.Errorf("revoke of one without a link, and of none = %d %s, want 1 and why", code, errs)
	}
	if _, _, code := o.run("deliveries", "revoke"); code != 2 {
		t.Errorf("revoke of nothing = %d, want 2", code)
	}
}

// gigabyte is the length of a long recording, in bytes.
const gigabyte = 1_000_000_000

// A recording is passed on as it comes: however long it is, it is never in
// memory whole.
func TestAGigabyteIsPlayedInLittleMemory(t *testing.T) {
	if !*long {
		t.Skip("streams two gigabytes: run it with -long")
	}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		w.Header().Set("Content-Length", fmt.Sprint(gigabyte))
		_, _ = io.CopyN(w, zeros{}, gigabyte)
	}))
	t.Cleanup(provider.Close)
	mail, err := peers.NewMail(peers.MailConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mail.Close() })
	s := newServer(t, t.TempDir(), toPeers(provider.URL, mail)+`[[rule]]
name = "links"
all = true
send = [{ via = "email", to = ["alice@example.com"], template = "link" }]
`)
	s.start()
	form := completed("rec-1")
	form.Set("RecordingUrl", provider.URL+"/Recordings/rec-1")
	s.mustPost(form, "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent, err := mail.Wait(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	content, err := sent[0].Content()
	if err != nil {
		t.Fatal(err)
	}
	link := "http://" + s.callbacks + regexp.MustCompile(`/r/[0-9A-Za-z]{11}`).FindString(content.Text)

	before := memory(s)
	begun := time.Now()
	var listening sync.WaitGroup
	for range 2 {
		listening.Go(func() {
			resp, err := http.Get(link + "/audio")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); n != gigabyte || err != nil {
				t.Errorf("heard %d bytes, %v, want %d", n, err, gigabyte)
			}
		})
	}
	listening.Wait()
	peak := peakMemory(s)
	t.Logf("two gigabytes in %v: at most %.0f MB in memory, %.0f MB before", time.Since(begun).Round(time.Millisecond), peak, before)
	if peak > 60 {
		t.Errorf("while it is played %.0f MB are in memory, want at most 60", peak)
	}
}

// zeros is silence without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
