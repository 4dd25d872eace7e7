package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"ringpost/relay/peers"
)

const attachRule = `
[[rule]]
name = "with the recording"
all = true
send = [{ via = "email", to = ["alice@example.com"], template = "recording", attach = "mp3", attach_max = "25MB" }]
`

// long20MB is a recording of 20 MB, of which no two blocks are the same.
func long20MB(id string) []byte {
	var audio bytes.Buffer
	for block := sha256.Sum256([]byte(id)); audio.Len() < 20_000_000; block = sha256.Sum256(block[:]) {
		audio.Write(block[:])
	}
	return audio.Bytes()[:20_000_000]
}

// Four recordings of 20 MB are on their way at once: from the provider to disk,
// and from there to the mail server.
func TestRecordingsAreAttachedInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("sends a hundred megabytes: run it without -short")
	}
	const many = 4
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write(long20MB(strings.TrimSuffix(path.Base(r.URL.Path), ".mp3")))
	}))
	t.Cleanup(provider.Close)
	arrived := make(chan struct{}, many)
	all := make(chan struct{})
	mail, err := peers.NewMail(peers.MailConfig{MaxBytes: 64 << 20, Hook: during(peers.Data, func(ctx context.Context, _ string) error {
		arrived <- struct{}{}
		select {
		case <-all: // no message is accepted before all are here
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mail.Close() })
	s := newServer(t, t.TempDir(), toPeers(provider.URL, mail)+attachRule)
	s.start()
	before := memory(s)
	begun := time.Now()
	for i := range many {
		form := completed(fmt.Sprint("rec-", i))
		form.Set("RecordingUrl", provider.URL+fmt.Sprint("/Recordings/rec-", i))
		s.mustPost(form, "")
	}
	for range many {
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatal("not all emails have come in time")
		}
	}
	peak := peakMemory(s)
	close(all)
	t.Logf("%d recordings of 20 MB in %v: at most %.0f MB in memory, %.0f MB before", many, time.Since(begun).Round(time.Millisecond), peak, before)
	if peak > 60 {
		t.Errorf("while they are sent %.0f MB are in memory, want at most 60", peak)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent, err := mail.Wait(ctx, many)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[[sha256.Size]byte]bool)
	for i := range many {
		want[sha256.Sum256(long20MB(fmt.Sprint("rec-", i)))] = true
	}
	for _, email := range sent {
		c, err := email.Content()
		if err != nil || len(c.Files) != 1 {
			t.Fatalf("with an email came %v, %v, want a recording", len(c.Files), err)
		}
		sum := sha256.Sum256(c.Files[0].Data)
		if !want[sum] {
			t.Error("a recording is another than the provider's, or has come twice")
		}
		delete(want, sum)
	}
}

// Before anything is sent, and after: people are told what goes with an email.
func TestWhatIsAttachedIsShown(t *testing.T) {
	t.Parallel()
	o := newOperated(t, strings.Replace(attachRule, "all = true", `query = { attach = "*" }`, 1))
	out, errs, code := o.run("explain", "--query", "attach=yes")
	if code != 0 || !strings.Contains(out, "with the recording as MP3, if it has at most 25 MB") {
		t.Errorf("explain = %d %s%s, want what would go with the email", code, out, errs)
	}
	out, errs, code = o.run("explain", "--query", "attach=yes", "-o", "json")
	var e struct {
		Deliveries []struct {
			Attach    string
			AttachMax int64 `json:"attach_max"`
		}
	}
	if err := json.Unmarshal([]byte(out), &e); code != 0 || err != nil || len(e.Deliveries) == 0 ||
		e.Deliveries[len(e.Deliveries)-1].Attach != "mp3" || e.Deliveries[len(e.Deliveries)-1].AttachMax != 25_000_000 {
		t.Errorf("explain -o json = %d, %v\n%s%s", code, err, out, errs)
	}
	o.api.Record("rec-1", 10*time.Second)
	for _, recording := range []string{"rec-1", "rec-2"} {
		form := completed(recording)
		form.Set("RecordingUrl", o.api.RecordingURL(recording))
		if recording == "rec-2" {
			form.Set("RecordingUrl", "https://elsewhere.example/rec-2")
		}
		o.mustPost(form, "?attach=yes")
	}
	found := o.awaitState("delivered", 2)
	for _, d := range found {
		want := "attachment: the recording, 21 kB"
		why := "accepted by the mail server at "
		if d.Recording == "rec-2" {
			want = "attachment: a link in place of the recording: recordings are fetched from SignalWire's and Twilio's hosts"
			why = "with a link in place of the recording"
		}
		out, errs, code := o.run("deliveries", "show", fmt.Sprint(d.ID))
		if words := strings.Join(strings.Fields(out), " "); code != 0 || !strings.Contains(words, want) || !strings.Contains(words, why) {
			t.Errorf("show = %d %s%s\nwant %q and %q", code, out, errs, want, why)
		}
	}
	resp, err := http.Get("http://" + o.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `ringpost_channel_up{channel="email"} 1`) {
		t.Errorf("the channel is not up, %v", err)
	}
}
