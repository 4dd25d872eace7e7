package main_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/archive/archivetest"
	"ringpost/relay/peers"
)

// archiveIn is the configuration of an archive that takes every recording, in a
// store of that kind. more are more keys of the channel.
func archiveIn(t *testing.T, kind, more string) string {
	t.Helper()
	var s *archivetest.Store
	switch kind {
	case "file":
		s = &archivetest.Store{URL: "file://" + t.TempDir()}
	case "s3":
		s = archivetest.S3(t)
	case "azblob":
		s = archivetest.Azure(t)
	}
	keys := fmt.Sprintf("url = %q\n", s.URL)
	for name, value := range map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey, "account": s.Account, "key": s.Key} {
		if value != "" {
			keys += fmt.Sprintf("%s = %q\n", name, value)
		}
	}
	return "[channel.archive]\n" + keys + more + `
[[rule]]
name = "keep"
status = "completed"
send = [{ via = "archive" }]
`
}

// ended is the callback of a recording that the operated API has.
func (o *operated) ended(sid string) url.Values {
	form := completed(sid)
	form.Set("AccountSid", "p")
	form.Set("RecordingUrl", o.api.RecordingURL(sid))
	return form
}

func TestRecordingsAreKeptAndHeardFromThere(t *testing.T) {
	for _, kind := range []string{"file", "s3", "azblob"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := newOperated(t, linkRule+archiveIn(t, kind, "delete_at_source = true\npath = 'calls/{{.RecordingSid}}.mp3'\n")+`
[[test]]
name = "it is kept"
callback = { RecordingStatus = "completed", RecordingSid = "rec-7" }
expect = ["archive:calls/rec-7.mp3"]
`)
			o.api.Record("rec-1", time.Minute)
			o.mustPost(o.ended("rec-1"), "?link=%2B15550100001")
			link := sentLink(t, o.server, o.api)
			kept := o.awaitState("delivered", 2)[0]
			if kept.Channel != "archive" {
				kept = o.awaitState("delivered", 2)[1]
			}
			if kept.To != "calls/rec-1.mp3" || o.api.Recorded("rec-1") {
				t.Errorf("kept at %q, and still at the provider: %v; want it there, and deleted", kept.To, o.api.Recorded("rec-1"))
			}
			if err := o.api.Close(); err != nil { // nobody can ask it any more
				t.Fatal(err)
			}
			for where, url := range map[string]string{"the link": link + "/audio", "the page": "http://" + o.admin + "/recordings/1/audio"} {
				whole := hear(t, url, "", http.StatusOK)
				if part := hear(t, url, "bytes=1000-1999", http.StatusPartialContent); len(whole) < 10_000 || part != whole[1000:2000] {
					t.Errorf("%s plays %d bytes, and %d of a part; want the recording, and a thousand", where, len(whole), len(part))
				}
			}
			o.checkKept(fmt.Sprint(kept.ID))
		})
	}
}

// hear returns what is answered to a player.
func hear(t *testing.T, url, span string, status int) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if span != "" {
		req.Header.Set("Range", span)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || status < 300 && !strings.HasPrefix(resp.Header.Get("Content-Type"), "audio/") {
		t.Errorf("GET %s = %s, %s, %v; want %d and audio", url, resp.Status, resp.Header.Get("Content-Type"), err, status)
	}
	return string(body)
}

// checkKept looks where people look for what became of a recording.
func (o *operated) checkKept(id string) {
	o.t.Helper()
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"deliveries", "show", id}, 0, `(?m)^why: +archived at .*, and verified there$`},
		{[]string{"deliveries", "show", id}, 0, `sha256:[0-9a-f]{64}`},
		{[]string{"explain", "--recording", "rec-1"}, 0, `✓ delivered to calls/rec-1.mp3 \(channel archive, rule "keep", delivery ` + id},
		{[]string{"explain", "RecordingSid=rec-2"}, 0, `✓ to calls/rec-2.mp3 \(channel archive, rule "keep"\)`},
		{[]string{"send-test", "archive", "test/ringpost.txt"}, 0, `sent through archive to test/ringpost.txt; the provider says: sha256:`},
		{[]string{"send-test", "archive", "calls/rec-1.mp3"}, 1, `something else is kept at this path.*name a path where nothing is`},
		{[]string{"send-test", "archive", "../etc/passwd"}, 1, `is no contact, no group and no path such as test/ringpost.txt`},
		{[]string{"check", "--against", "5"}, 0, `no difference`},
	} {
		out, errs, code := o.run(test.args...)
		if code != test.code || !regexp.MustCompile(test.want).MatchString(out+errs) {
			o.t.Errorf("%q = %d %s%s; want %d and %s", test.args, code, out, errs, test.code, test.want)
		}
	}
	if page := o.read("/recordings/1"); !strings.Contains(page, "The copy at calls/rec-1.mp3 was archived") || strings.Contains(page, "forward-"+id) {
		o.t.Error("the recording's page does not say that it is archived, or offers to send it on")
	}
	resp, err := http.Post("http://"+o.admin+"/api/deliveries/"+id+"/forward?to=alice", "", nil)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 4 || !strings.Contains(string(answer), "no message") {
		o.t.Errorf("forward = %s %s, want that it cannot be sent on", resp.Status, answer)
	}
}

// An email that waits longer than the provider has the recording takes it from the
// archive.
func TestWhatIsAttachedComesFromTheArchiveOnceTheProviderHasItNoMore(t *testing.T) {
	t.Parallel()
	o := newOperated(t, archiveIn(t, "file", "delete_at_source = true\n")+`
[[rule]]
name = "attached"
query = { attach = "*" }
send = [{ via = "email", to = ["{{.Query.attach}}"], template = "recording", attach = "mp3" }]
`)
	if out, errs, code := o.run("channels", "pause", "email"); code != 0 {
		t.Fatalf("pause = %d %s%s", code, out, errs)
	}
	o.api.Record("rec-1", time.Minute)
	o.mustPost(o.ended("rec-1"), "?attach=alice")
	kept := o.awaitState("delivered", 1)[0]
	if kept.Channel != "archive" || o.api.Recorded("rec-1") {
		t.Fatalf("%s has delivered, and still recorded: %v; want the archive, and it deleted", kept.Channel, o.api.Recorded("rec-1"))
	}
	if out, errs, code := o.run("channels", "resume", "email"); code != 0 {
		t.Fatalf("resume = %d %s%s", code, out, errs)
	}
	o.awaitState("delivered", 2)
	audio := hear(t, "http://"+o.admin+"/recordings/1/audio", "", http.StatusOK)
	sent := o.mail.Emails()
	if len(sent) != 1 {
		t.Fatalf("%d emails were sent, want one", len(sent))
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(audio))
	if body := regexp.MustCompile(`\s`).ReplaceAllString(string(sent[0].Raw), ""); !strings.Contains(body, encoded) {
		t.Errorf("the email of %d bytes has not the recording of %d bytes with it", len(sent[0].Raw), len(audio))
	}
}

// A process that is killed while it fetches a recording leaves nothing half
// done: the next one keeps the recording, once.
func TestARecordingIsKeptThoughTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var first sync.Once
	asked := make(chan struct{})
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t", Hook: func(ctx context.Context, step peers.Step, _ string) error {
		hang := false
		first.Do(func() { hang = step == peers.FetchRecording })
		if hang {
			close(asked)
			<-ctx.Done()
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), toPeers(api.URL, mail)+`[watch]
catch_up = "off"
missing_after = "off"
[channel.archive]
url = "file://`+dir+`"
path = "{{.RecordingSid}}.mp3"
[[rule]]
name = "keep"
status = "completed"
send = [{ via = "archive" }]
`)
	s.start()
	api.Record("rec-1", time.Minute)
	form := completed("rec-1")
	form.Set("RecordingUrl", api.RecordingURL("rec-1"))
	s.mustPost(form, "")
	<-asked
	s.kill()
	s.start()
	eventually(t, "the recording is kept", patience, func() bool { return len(s.deliveries("state=delivered")) == 1 })
	for _, name := range []string{"rec-1.mp3", "rec-1.mp3.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, want it kept", name, err)
		}
	}
}

// However long a recording is, it is never in memory whole.
func TestAGigabyteIsArchivedInLittleMemory(t *testing.T) {
	if !*long {
		t.Skip("archives three gigabytes: run it with -long")
	}
	for _, kind := range []string{"file", "s3", "azblob"} {
		t.Run(kind, func(t *testing.T) {
			provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "audio/mpeg")
				w.Header().Set("Content-Length", fmt.Sprint(gigabyte))
				_, _ = io.CopyN(w, zeros{}, gigabyte)
			}))
			t.Cleanup(provider.Close)
			mail, _ := newMailbox(t, nil)
			s := newServer(t, t.TempDir(), toPeers(provider.URL, mail)+"[watch]\ncatch_up = \"off\"\nmissing_after = \"off\"\n"+archiveIn(t, kind, ""))
			s.start()
			before := memory(s)
			begun := time.Now()
			form := completed("rec-1")
			form.Set("RecordingUrl", provider.URL+"/Recordings/rec-1")
			s.mustPost(form, "")
			eventually(t, "the recording is kept", 5*time.Minute, func() bool {
				for _, d := range s.deliveries("") {
					if d.State != "queued" && d.State != "sending" {
						return true
					}
				}
				return false
			})
			if d := s.deliveries("")[0]; d.State != "delivered" {
				t.Fatalf("the delivery is %s: %s", d.State, d.LastError)
			}
			archived := time.Since(begun)
			peak := peakMemory(s)
			t.Logf("a gigabyte kept in %v: at most %.0f MB in memory, %.0f MB before", archived.Round(time.Millisecond), peak, before)
			resp, err := http.Get("http://" + s.admin + "/recordings/1/audio")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if n, err := io.Copy(io.Discard, resp.Body); n != gigabyte || err != nil {
				t.Errorf("heard %d bytes, %v, want %d", n, err, gigabyte)
			}
			if peak = peakMemory(s); peak > 60 {
				t.Errorf("while it is kept and played %.0f MB are in memory, want at most 60", peak)
			}
			t.Logf("and played: at most %.0f MB", peak)
		})
	}
}
