package main_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/peers"
	"ringpost/relay/store/storetest"
)

// lapse is a server beside a SignalWire API whose clock is put forward by hand.
type lapse struct {
	*server
	t     *testing.T
	mail  *peers.Mail
	api   *peers.SignalWire
	ahead atomic.Int64 // nanoseconds
}

// newLapse prepares a server that tells carol of every recording, and of what is
// late in words of its own.
func newLapse(t *testing.T, store string) *lapse {
	t.Helper()
	l := &lapse{t: t}
	var err error
	if l.mail, err = peers.NewMail(peers.MailConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.mail.Close() })
	if l.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t", Now: l.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.api.Close() })
	dir := t.TempDir()
	if store == "" {
		store = "sqlite:" + dir + "/ringpost.db"
	}
	l.server = newServerOn(t, dir, store, toPeers(l.api.URL, l.mail)+`[[rule]]
name = "everything that has finished"
status = "completed"
send = [{ via = "email", to = ["carol@example.com"], template = "told" }]
[[rule]]
name = "what was late"
late = true
send = [{ via = "email", to = ["admin@example.com"], template = "told" }]
`)
	write(t, dir+"/templates/told.email.txt", "Subject: {{.RecordingSid}}{{if .Late}}, late{{end}}\n\n{{.RecordingUrl}}\n")
	return l
}

func (l *lapse) now() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }

// swept waits until the server has looked through the recordings.
func (l *lapse) swept() {
	l.t.Helper()
	eventually(l.t, "the recordings are looked through", patience, func() bool {
		return strings.Contains(l.read("/metrics"), `ringpost_catch_ups_total{result="done"} 1`)
	})
}

// subjects are those of the emails to an address.
func (l *lapse) subjects(to string) (all []string) {
	for _, m := range l.mail.Emails() {
		if slices.Contains(m.To, to) {
			c, err := m.Content()
			if err != nil {
				l.t.Fatal(err)
			}
			all = append(all, c.Subject)
		}
	}
	slices.Sort(all)
	return all
}

func TestWhatEndsWhileNobodyListensIsToldOnceAfterwards(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			location := ""
			if kind == "postgres" {
				location = storetest.Postgres(t)
			}
			l := newLapse(t, location)
			l.api.List(peers.Recording{Sid: "before", Status: "completed", Length: time.Minute, Began: l.now().Add(-5 * time.Minute)})
			l.start()
			l.swept()
			if err := l.terminate(); err != nil {
				t.Fatal(err)
			}

			began := l.now()
			l.ahead.Add(int64(10 * time.Minute)) // of which it knows nothing
			var want []string
			for i := range 40 {
				sid := fmt.Sprintf("rec-%02d", i)
				length := 30 * time.Second
				l.api.List(peers.Recording{Sid: sid, Call: "call-1", Status: "completed", Source: "DialVerb", Length: length,
					Began: began.Add(time.Duration(i)*12*time.Second - length + 5*time.Second)})
				want = append(want, sid+", late")
			}
			l.ahead.Add(int64(2 * time.Minute)) // for the callbacks of the last ones
			l.start()
			eventually(t, "all are told of", patience, func() bool { return len(l.mail.Emails()) >= 80 })
			l.swept()
			for i := range 40 {
				form := completed(fmt.Sprintf("rec-%02d", i))
				form.Set("AccountSid", "p")
				l.mustPost(form, "") // the callbacks that came to nobody come after all
			}
			form := completed("after")
			l.mustPost(form, "")
			eventually(t, "what came afterwards is told of", patience, func() bool { return len(l.mail.Emails()) >= 81 })
			for to, want := range map[string][]string{"carol@example.com": append([]string{"after"}, want...), "admin@example.com": want} {
				if got := l.subjects(to); !slices.Equal(got, want) {
					t.Errorf("%s got %q, want %q", to, got, want)
				}
			}
			l.checkLate()
		})
	}
}

// checkLate looks where people look for what became of a recording.
func (l *lapse) checkLate() {
	l.t.Helper()
	var page api.Callbacks
	l.get("/api/callbacks?recording=rec-07", &page)
	if len(page.Callbacks) != 1 || !page.Callbacks[0].Late || page.Callbacks[0].URL != l.api.RecordingURL("rec-07") {
		l.t.Fatalf("GET /api/callbacks = %+v, want one that is late", page)
	}
	for path, want := range map[string]string{
		fmt.Sprint("/recordings/", page.Callbacks[0].ID): "received late: found by asking SignalWire",
		"/metrics": `ringpost_late_callbacks_total{status="completed"} 40`,
	} {
		if body := l.read(path); !strings.Contains(body, want) {
			l.t.Errorf("GET %s does not say %q", path, want)
		}
	}
	if out, errs, code := ringpost(l.t, nil, "explain", "--recording", "rec-07", "-c", l.file("ringpost.toml")); code != 0 ||
		!strings.Contains(out, "received late: found by asking SignalWire") {
		l.t.Errorf("explain --recording = %d\n%s%s\nwant that it was received late", code, out, errs)
	}
	log := tail(l.file("log"), 1000)
	if n := strings.Count(log, "recordings received late: found by asking SignalWire"); n != 1 || !strings.Contains(log, `"recordings":40`) {
		l.t.Errorf("the log says %d times that recordings were found, want once, 40 of them:\n%s", n, log)
	}
}

func TestCatchUpAsksForMore(t *testing.T) {
	t.Parallel()
	l := newLapse(t, "")
	for i := range 30 {
		l.api.List(peers.Recording{Sid: fmt.Sprintf("old-%02d", i), Status: "completed", Length: time.Minute, Began: l.now().Add(-time.Duration(i+1) * time.Hour)})
	}
	l.start()
	l.swept()
	catchUp := func(want string, wantCode int, args ...string) {
		t.Helper()
		out, errs, code := ringpost(t, nil, append([]string{"catch-up", "-c", l.file("ringpost.toml")}, args...)...)
		if code != wantCode || !strings.Contains(out+errs, want) {
			t.Errorf("catch-up %q = %d\n%s%s\nwant %d and %s", args, code, out, errs, wantCode, want)
		}
	}
	if n := len(l.mail.Emails()); n != 0 {
		t.Errorf("%d messages were sent before anybody asked, want none", n)
	}
	catchUp("found 24 recordings that ended since then, of which 24 had no callback", 0, "--since", "24h")
	catchUp("found 24 recordings that ended since then, of which 0 had no callback: there is nothing to tell", 0, "--since", "24h")
	eventually(t, "all are told of", patience, func() bool { return len(l.mail.Emails()) == 48 })
	out, _, code := ringpost(t, nil, "catch-up", "-c", l.file("ringpost.toml"), "--since", l.now().Add(-26*time.Hour).Format(time.RFC3339), "-o", "json")
	var found api.CaughtUp
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 || found != (api.CaughtUp{Found: 26, New: 2}) {
		t.Errorf("catch-up -o json = %d %s, want 26 found, 2 of them new", code, out)
	}
	catchUp("--since: missing", 2)
	catchUp("since: want a time", 1, "--since", "yesterday")
	catchUp("want less than [store] keep", 1, "--since", "91d")
	l.api.Close()
	catchUp("list recordings: ", 1, "--since", "24h")
}

func TestOwnStatusesAreRefusedFromOutside(t *testing.T) {
	t.Parallel()
	l := newLapse(t, "")
	l.start()
	for _, status := range []string{"missing", "undelivered"} {
		form := url.Values{"AccountSid": {"a"}, "RecordingSid": {"r"}, "RecordingStatus": {status}}
		if got, err := l.post(form, ""); err != nil || got != 400 {
			t.Errorf("POST of a callback with the status %s = %d, %v; want 400", status, got, err)
		}
	}
}
