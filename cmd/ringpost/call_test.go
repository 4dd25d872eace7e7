package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
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

// asked is a server that tells carol of every recording, and whoever was called of
// voicemail, beside a SignalWire API that may hang when it is asked who called.
type asked struct {
	*server
	t       *testing.T
	mail    *peers.Mail
	api     *peers.SignalWire
	hanging atomic.Bool
	began   chan string // the calls that the API was asked for while it hung
}

func newAsked(t *testing.T, store, timeout string) *asked {
	t.Helper()
	a := &asked{t: t, began: make(chan string, 1000)}
	var err error
	if a.mail, err = peers.NewMail(peers.MailConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.mail.Close() })
	a.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: "b3877c40", Token: "t", Hook: a.hang})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.api.Close() })
	a.api.Ring(peers.Call{Sid: "call-1", From: "+15550100099", To: "+15550100001", Direction: "inbound", Began: time.Now().Add(-time.Minute)})
	dir := t.TempDir()
	if store == "" {
		store = "sqlite:" + dir + "/ringpost.db"
	}
	a.server = newServerOn(t, dir, store, a.config(timeout, ""))
	write(t, dir+"/templates/caller.email.txt", "Subject: {{.RecordingSid}} by {{.Call.From | default \"somebody\"}}\n\nx\n")
	write(t, dir+"/templates/plain.email.txt", "Subject: {{.RecordingSid}}\n\nx\n")
	return a
}

func (a *asked) config(timeout, more string) string {
	return fmt.Sprintf(`
[signalwire]
space = "example.signalwire.com"
project = "b3877c40"
token = "t"
api_url = %q
signing_keys = [%q]
lookup_timeout = %q
[watch]
catch_up = "off"
[channel.email]
host = %q
port = %d
tls = "none"
from = "recordings@example.com"
[contact.alice]
email = "alice@example.com"
phone = "+15550100001"
[[rule]]
name = "voicemail"
source = "RecordVerb"
status = "completed"
unless = { from = "+15550100666" }
send = [{ via = "email", to = ["{{contact .Call.To}}", "carol@example.com"], template = "caller" }]
%s[[rule]]
name = "others"
source = "DialVerb"
send = [{ via = "email", to = ["carol@example.com"], template = "plain" }]
`, a.api.URL, signingKey, timeout, a.mail.Host, a.mail.Port, more)
}

func (a *asked) hang(ctx context.Context, step peers.Step, call string) error {
	if step != peers.DescribeCall || !a.hanging.Load() {
		return nil
	}
	select {
	case a.began <- call:
	default:
	}
	<-ctx.Done()
	return peers.ErrCut
}

// voicemail is the form of a callback for one.
func voicemail(recording, call string) url.Values {
	form := completed(recording)
	form.Set("RecordingSource", "RecordVerb")
	form.Set("CallSid", call)
	return form
}

// arrived waits for emails, which must be all there are: TO SUBJECT.
func (a *asked) arrived(want ...string) {
	a.t.Helper()
	want = slices.Sorted(slices.Values(want))
	var got []string
	eventually(a.t, fmt.Sprintf("%d emails arrive", len(want)), patience, func() bool { return len(a.mail.Emails()) >= len(want) })
	for _, m := range a.mail.Emails() {
		c, err := m.Content()
		if err != nil {
			a.t.Fatal(err)
		}
		got = append(got, strings.Join(m.To, ",")+" "+c.Subject)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		a.t.Errorf("emails are %q, want %q", got, want)
	}
}

// trace is what the API says of a recording's callback, the one that was posted.
func (a *asked) trace(recording string) (got api.Trace) {
	a.t.Helper()
	var page api.Callbacks
	a.get("/api/callbacks?recording="+recording, &page)
	page.Callbacks = slices.DeleteFunc(page.Callbacks, func(cb api.Callback) bool { return cb.Status == "undelivered" })
	if len(page.Callbacks) != 1 {
		a.t.Fatalf("%d callbacks of %s, want 1", len(page.Callbacks), recording)
	}
	a.get(fmt.Sprint("/api/callbacks/", page.Callbacks[0].ID), &got)
	return got
}

// explained is what the command and the page say of a recording.
func (a *asked) explained(recording string) (command, page string) {
	a.t.Helper()
	command, errs, code := ringpost(a.t, nil, "explain", "--recording", recording, "-c", a.file("ringpost.toml"))
	if code != 0 {
		a.t.Fatalf("explain --recording %s = %d %s%s", recording, code, command, errs)
	}
	return command, html.UnescapeString(a.read(fmt.Sprint("/recordings/", a.trace(recording).ID)))
}

// TestWhatWaitsToKnowWhoCalledOutlivesAKill has SignalWire hang, and kills the
// service meanwhile, more than once. Callbacks that need no call go out at once;
// those that do are told of once, when it answers.
func TestWhatWaitsToKnowWhoCalledOutlivesAKill(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			location := ""
			if kind == "postgres" {
				location = storetest.Postgres(t)
			}
			a := newAsked(t, location, "5m")
			a.hanging.Store(true)
			a.start()
			var want []string
			for i := range 30 {
				recording := fmt.Sprintf("rec-%02d", i)
				a.mustPost(voicemail(recording, "call-1"), "")
				a.mustPost(voicemail(recording, "call-1"), "") // senders repeat themselves
				want = append(want, "alice@example.com "+recording+" by +15550100099", "carol@example.com "+recording+" by +15550100099")
			}
			<-a.began
			a.mustPost(completed("other-1"), "")
			a.arrived("carol@example.com other-1")
			a.checkThatItWaits()
			eventually(t, "all that can be sent is", patience, a.idle)

			a.kill()
			a.start()
			<-a.began
			a.kill()
			a.hanging.Store(false)
			a.start()
			want = append(want, "carol@example.com other-1")
			a.arrived(want...)
			eventually(t, "all is sent", patience, a.idle)
			a.checkThatItIsKnown()
			a.kill()
			a.start()
			a.mustPost(completed("other-2"), "")
			a.arrived(append(want, "carol@example.com other-2")...)
		})
	}
}

func (a *asked) checkThatItWaits() {
	a.t.Helper()
	got := a.trace("rec-07")
	command, page := a.explained("rec-07")
	const words = "t waits for SignalWire to say who called: "
	if got.Lookup == nil || got.RoutedAt != nil || got.CallDetails != nil || !strings.Contains(got.Note, words) || got.Lookup.Deadline.Sub(got.ReceivedAt) != 5*time.Minute {
		a.t.Errorf("the API says %+v, want that it waits for five minutes", got)
	}
	if !strings.Contains(command, words) || !strings.Contains(page, words) || strings.Contains(command, "Nothing was sent") {
		a.t.Errorf("want that it waits from the command, which says\n%s\nand from the page\n%s", command, page)
	}
}

func (a *asked) checkThatItIsKnown() {
	a.t.Helper()
	got := a.trace("rec-07")
	command, page := a.explained("rec-07")
	if c := got.CallDetails; got.Lookup != nil || c == nil || !c.Known || c.From != "+15550100099" || c.StartTime == nil || len(got.Deliveries) != 2 {
		a.t.Errorf("the API says %+v, want the call and two deliveries", got)
	}
	if !strings.Contains(command, "+15550100099 called +15550100001 (inbound), ") || !strings.Contains(page, ">+15550100099<") {
		a.t.Errorf("want who called from the command, which says\n%s\nand from the page\n%s", command, page)
	}
	log := mustRead(a.t, a.file("log"))
	for _, secret := range []string{"5550100099", "5550100001", "call-1"} {
		if strings.Contains(log, secret) {
			a.t.Errorf("the log says %s: %s", secret, log)
		}
	}
}

// TestWhereSignalWireDoesNotSayWhoCalledTheRulesGoOnWithout has it hang for longer
// than is waited.
func TestWhereSignalWireDoesNotSayWhoCalledTheRulesGoOnWithout(t *testing.T) {
	t.Parallel()
	a := newAsked(t, "", "2s")
	a.hanging.Store(true)
	a.start()
	for i := range 20 {
		a.mustPost(voicemail(fmt.Sprintf("rec-%02d", i), fmt.Sprint("call-", i)), "")
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("carol@example.com rec-%02d by somebody", i))
	}
	a.arrived(want...)
	got := a.trace("rec-07")
	if c := got.CallDetails; c == nil || c.Known || c.Problem == "" || got.RoutedAt.Sub(got.ReceivedAt) < 2*time.Second {
		t.Errorf("the API says %+v, want that it went on without after two seconds", got)
	}
	command, page := a.explained("rec-07")
	if !strings.Contains(command, "who called is not known, and it went on without: ") || !strings.Contains(page, "SignalWire did not say who called, and the rules went on without") {
		t.Errorf("want that it went on without from the command, which says\n%s\nand from the page\n%s", command, page)
	}
	dead := a.deliveries("state=dead")
	if len(dead) != 20 || !strings.HasPrefix(dead[0].LastError, "the recipient is not known: who called is not known (") {
		t.Errorf("dead are %+v, want one for each that could not be told", dead)
	}
	if metrics := a.read("/metrics"); !strings.Contains(metrics, `ringpost_lookups_total{result="without"} 20`) {
		t.Errorf("the metrics do not say that 20 went on without")
	}

	eventually(t, "the rules were asked who is to know of that", patience, func() bool {
		return strings.Contains(a.read("/metrics"), `ringpost_callbacks_total{result="stored",status="undelivered"} 20`)
	})

	// An edit that asks for the call cannot be compared over callbacks of which it was
	// never asked.
	a.mustPost(completed("other-1"), "")
	a.arrived(append(want, "carol@example.com other-1")...)
	edited := a.file("edited.toml")
	a.writeConfig(a.config("2s", `[[rule]]
name = "new"
to = "+15550100001"
send = [{ via = "email", to = ["dave@example.com"], template = "plain" }]
`))
	write(t, edited, mustRead(t, a.file("ringpost.toml")))
	out, errs, code := ringpost(t, nil, "check", "-c", edited, "--against", "500")
	if want := "left out: 1 callback that the file takes who called for, which was not asked then\nno difference over the last 40 callbacks\n"; code != 0 || out != want {
		t.Errorf("check --against = %d %s%s, want %s", code, out, errs, want)
	}
}

func TestExplainSaysWhatDependsOnWhoCalled(t *testing.T) {
	t.Parallel()
	a := newAsked(t, "", "2m")
	explain := func(want string, wantCode int, args ...string) {
		t.Helper()
		out, errs, code := ringpost(t, nil, append([]string{"explain", "-c", a.file("ringpost.toml"), "RecordingSource=RecordVerb"}, args...)...)
		if code != wantCode || !strings.Contains(out+errs, want) {
			t.Errorf("explain %q = %d\n%s%s\nwant %d and %s", args, code, out, errs, wantCode, want)
		}
	}
	explain("✓ to alice@example.com, carol@example.com", 0, "--call", "From=+15550100099", "--call", "To=+15550100001")
	explain("its exception holds: the caller is +15550100666", 0, "--call", "From=+15550100666")
	explain("SignalWire would be asked who called first.", 0)
	explain("the recipient is not known: who called is not known", 0, "--late")
	explain("call: Form: there is no such field of a call (have Direction, From, StartTime, To)", 1, "--call", "Form=+1")
	explain(`"From": want FIELD=VALUE`, 2, "--call", "From")
	explain("want either --recording or a callback", 2, "--recording", "x", "--late")
	out, _, _ := ringpost(t, nil, "explain", "-c", a.file("ringpost.toml"), "-o", "json", "RecordingSource=RecordVerb")
	var e struct {
		NeedsCall *bool `json:"needs_call"`
	}
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.NeedsCall == nil || !*e.NeedsCall {
		t.Errorf("explain -o json = %s (%v), want that it needs the call", out, err)
	}
}
