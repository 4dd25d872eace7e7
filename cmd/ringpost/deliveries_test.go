package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-smtp"
	"golang.org/x/crypto/bcrypt"

	"ringpost/relay/api"
	"ringpost/relay/peers"
)

// operated is a running server between a mail server and a SignalWire API that
// can be put in trouble, for commands that ask it.
type operated struct {
	*server
	t           *testing.T
	config      string // without the server's addresses and store
	mail        *peers.Mail
	api         *peers.SignalWire
	mailTrouble trouble
	receipts    atomic.Int64 // that were answered
}

// optedOut is a number whose owner has answered STOP.
const optedOut = "+15550500001"

// newOperated starts a server whose rules send finished calls to whom the
// callback's URL names. extra is more configuration.
func newOperated(t *testing.T, extra string) *operated {
	t.Helper()
	o := &operated{t: t}
	var err error
	if o.mail, err = peers.NewMail(peers.MailConfig{Hook: o.mailTrouble.ask}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.mail.Close() })
	o.api, err = peers.NewSignalWire(peers.SignalWireConfig{
		Project: "p",
		Token:   "t",
		Hook: during(peers.SendSMS, func(_ context.Context, number string) error {
			if number == optedOut {
				return &peers.APIError{Status: http.StatusBadRequest, Code: 21610, Message: "Attempt to send to unsubscribed recipient"}
			}
			return nil
		}),
		OnMessage: o.reportEarly,
		Receipts: peers.Receipts{
			SigningKey: signingKey,
			Of:         func(sms peers.SMS) []peers.Receipt { return receipts[sms.To] },
			Listener:   func() string { return o.callbacks },
			OnReceipt:  func(peers.SMS, peers.Receipt, int) { o.receipts.Add(1) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.api.Close() })
	o.config = toPeers(o.api.URL, o.mail) + `[channel.sms]
from = "+15550100000"
[contact.alice]
email = "alice@example.com"
[[rule]]
name = "mailboxes"
query = { mailbox = "*" }
send = [{ via = "email", to = ["{{.Query.mailbox}}"], template = "recording" }]
[[rule]]
name = "agents"
min_duration = "5s"
query = { agent = "*" }
send = [{ via = "sms", to = ["{{.Query.agent}}"], template = "recording" }]
` + extra
	o.server = newServer(t, t.TempDir(), o.config)
	o.start()
	return o
}

// run runs a command against the server.
func (o *operated) run(args ...string) (stdout, stderr string, code int) {
	o.t.Helper()
	return ringpost(o.t, nil, append(args, "-c", o.file("ringpost.toml"))...)
}

// awaitState waits until as many deliveries are in a state, and returns them.
func (o *operated) awaitState(state string, n int) []delivery {
	o.t.Helper()
	var found []delivery
	eventually(o.t, fmt.Sprintf("%d deliveries are %s", n, state), patience, func() bool {
		found = o.deliveries("state=" + state)
		return len(found) == n
	})
	return found
}

// moments are the times that differ from one run to the next.
var moments = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d\d:\d\d [A-Z]+|\d+\.\d s`)

// timeless is text without what differs from one run to the next.
func timeless(text string) string {
	return moments.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("·", len(s)) })
}

func TestADeadChannelAndAnOptedOutNumberAreToldInOneLine(t *testing.T) {
	t.Parallel()
	o := newOperated(t, "")
	o.mailTrouble.begin(always(peers.Connect, peers.ErrCut))
	for i := range 6 {
		o.mustPost(completed(fmt.Sprint("rec-", i)), "?mailbox=alice")
	}
	o.mustPost(completed("stop"), "?agent=%2B15550500001")
	o.awaitState("dead", 1)
	eventually(t, "the channel is down", patience, func() bool { return strings.Contains(o.read("/metrics"), `ringpost_channel_up{channel="email"} 0`) })

	for recording, want := range map[string]string{
		"rec-3": `waits: channel email is down since \d\d:\d\d [A-Z]+ \(.+\); it goes out by itself once the channel is up`,
		"stop":  `not sent: the recipient has opted out of SMS \(answered STOP\); they get none until they text START to the sender's number`,
	} {
		out, errs, code := o.run("explain", "--recording", recording)
		if code != 0 || !regexp.MustCompile(`(?m)^    `+want+`$`).MatchString(out) {
			t.Errorf("explain --recording %s = %d\n%s%s\nwant a line %s", recording, code, out, errs, want)
		}
		out, errs, code = o.run("deliveries", "--recording", recording)
		if code != 0 || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("deliveries --recording %s = %d\n%s%s\nwant %s", recording, code, out, errs, want)
		}
	}
	out, errs, code := o.run("channels")
	if code != 0 || !regexp.MustCompile(`(?m)^email +email +down +6 +\d.* down since .*$`).MatchString(out) ||
		!regexp.MustCompile(`(?m)^sms +sms +up +0 +- +up since .*$`).MatchString(out) {
		t.Errorf("channels = %d\n%s%s\nwant email down with 6 waiting, and sms up", code, out, errs)
	}
	o.mailTrouble.heal()
	o.awaitState("delivered", 6)
}

func TestExplainARecordingTellsHowTheRulesOfThenDecided(t *testing.T) {
	t.Parallel()
	o := newOperated(t, "")
	form := completed("rec-1")
	form.Set("RecordingDuration", "3")
	o.mustPost(form, "?mailbox=alice&agent=%2B15550100001")
	o.awaitState("delivered", 1)
	// The rules change; what they were then does not.
	o.writeConfig(strings.Replace(o.config, `min_duration = "5s"`, `min_duration = "2s"`, 1))
	if resp, err := http.Post("http://"+o.admin+"/-/reload", "", nil); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("reload = %v, %v", resp, err)
	}
	out, errs, code := o.run("explain", "--recording", "rec-1")
	if code != 0 || errs != "" {
		t.Errorf("explain --recording = %d %s", code, errs)
	}
	golden(t, "explain-recording.txt", timeless(out))

	out, _, _ = o.run("explain", "--recording", "rec-1", "-o", "json")
	var traces struct{ Callbacks []api.Trace }
	if err := json.Unmarshal([]byte(out), &traces); err != nil || len(traces.Callbacks) != 1 || len(traces.Callbacks[0].Rules) != 2 ||
		traces.Callbacks[0].Rules[1].Reason != "the recording lasted 3s; this rule wants at least 5s" || len(traces.Callbacks[0].Deliveries) != 1 {
		t.Errorf("explain --recording -o json = %s (%v)", out, err)
	}
	if _, errs, code := o.run("explain", "--recording", "nothing"); code != 1 || !strings.Contains(errs, `no callback about recording "nothing" is stored`) {
		t.Errorf("explain --recording nothing = %d %s, want 1 and that there is none", code, errs)
	}
	if _, errs, code := o.run("explain", "--recording", "rec-1", "RecordingDuration=3"); code != 2 {
		t.Errorf("explain --recording with a field = %d %s, want 2", code, errs)
	}
}

// withThreeDeliveries is a server with one delivery that arrived, one that the
// mail server refused, and one for nobody.
func withThreeDeliveries(t *testing.T) *operated {
	t.Helper()
	o := newOperated(t, "")
	o.mailTrouble.begin(during(peers.RcptTo, func(_ context.Context, to string) error {
		if strings.HasPrefix(to, "gone") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}))
	if out, _, code := o.run("deliveries"); code != 0 || out != "no deliveries\n" {
		t.Errorf("deliveries = %d %s, want none", code, out)
	}
	o.mustPost(completed("rec-1"), "?mailbox=alice@example.com")
	o.awaitState("delivered", 1)
	o.mustPost(completed("rec-2"), "?mailbox=gone@example.com")
	o.awaitState("dead", 1)
	o.mustPost(completed("rec-3"), "?mailbox=nobody")
	o.awaitState("dead", 2)
	return o
}

func TestDeliveriesAreListedAndShown(t *testing.T) {
	t.Parallel()
	o := withThreeDeliveries(t)
	out, errs, code := o.run("deliveries", "list")
	if code != 0 || errs != "" {
		t.Errorf("deliveries list = %d %s", code, errs)
	}
	golden(t, "deliveries.txt", timeless(out))
	if bare, _, _ := o.run("deliveries"); bare != out {
		t.Errorf("deliveries printed\n%s\nwant what deliveries list prints:\n%s", bare, out)
	}
	if out, _, _ := o.run("deliveries", "list", "--limit", "1"); !strings.Contains(out, "There are more: --after 3\n") {
		t.Errorf("deliveries list --limit 1 printed\n%s\nwant how to go on", out)
	}
	if out, _, _ := o.run("deliveries", "list", "--after", "3", "--limit", "1", "--channel", "email", "--since", "1h"); !strings.Contains(out, "\n2 ") || strings.Contains(out, "\n3 ") {
		t.Errorf("deliveries list --after 3 --limit 1 printed\n%s\nwant delivery 2", out)
	}
	out, errs, code = o.run("deliveries", "show", "2")
	if code != 0 || errs != "" {
		t.Errorf("deliveries show = %d %s", code, errs)
	}
	golden(t, "delivery.txt", timeless(out))
}

// TestDeliveriesAreRetriedAndCancelled retries one that cannot be and one that
// can, which waits then for a channel that is paused, and is cancelled.
func TestDeliveriesAreRetriedAndCancelled(t *testing.T) {
	t.Parallel()
	o := withThreeDeliveries(t)
	out, errs, code := o.run("channels", "pause", "email")
	if code != 0 || !strings.HasPrefix(out, "channel email is paused by admin since ") {
		t.Errorf("channels pause = %d %s%s", code, out, errs)
	}
	out, errs, code = o.run("deliveries", "retry", "3", "2")
	if code != 1 || out != "delivery 2, email to gone@example.com, is due at once\n" || !strings.Contains(errs, "delivery 3 is dead: cannot retry it: there is nobody") {
		t.Errorf("deliveries retry 3 2 = %d %s%s", code, out, errs)
	}
	if out, _, _ := o.run("deliveries", "--state", "queued"); !strings.Contains(out, "waits: channel email is paused by admin since ") {
		t.Errorf("deliveries --state queued printed\n%s\nwant that the channel is paused", out)
	}
	out, errs, code = o.run("deliveries", "cancel", "2")
	if code != 0 || out != "delivery 2, email to gone@example.com, is cancelled\n" {
		t.Errorf("deliveries cancel 2 = %d %s%s", code, out, errs)
	}
	out, _, _ = o.run("deliveries", "show", "2", "-o", "json")
	var d api.Delivery
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.State != "cancelled" || !strings.HasPrefix(d.Why, "not sent: cancelled by admin at ") || len(d.Operations) < 2 {
		t.Errorf("deliveries show 2 -o json = %s (%v)", out, err)
	}
	out, errs, code = o.run("channels", "resume", "email")
	if code != 0 || !strings.HasPrefix(out, "channel email is up since ") || !strings.HasSuffix(out, "; nothing waits for it\n") {
		t.Errorf("channels resume = %d %s%s", code, out, errs)
	}
	o.mailTrouble.heal()
	out, errs, code = o.run("deliveries", "retry", "--all", "--channel", "email", "--state", "cancelled", "--since", "1h")
	if code != 0 || out != "1 delivery is due at once\n" {
		t.Errorf("deliveries retry --all = %d %s%s", code, out, errs)
	}
	o.awaitState("delivered", 2)
	if out, _, _ := o.run("deliveries", "retry", "--all", "--channel", "email", "-o", "json"); strings.TrimSpace(out) != "{\n  \"retried\": 0\n}" {
		t.Errorf("deliveries retry --all -o json printed %s, want 0: the other is for nobody", out)
	}
}

func TestAChannelThatIsInUseSendsATestMessage(t *testing.T) {
	o := newOperated(t, "")
	for to, status := range map[string]int{"alice": http.StatusOK, "dora": http.StatusBadRequest} {
		resp, err := http.Post("http://"+o.admin+"/api/channels/email/test?to="+to, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("POST /api/channels/email/test?to=%s = %d, want %d", to, resp.StatusCode, status)
		}
	}
	if emails := o.mail.Emails(); len(emails) != 1 || emails[0].To[0] != "alice@example.com" {
		t.Errorf("the mail server got %+v, want one message to alice@example.com", emails)
	}
	if got := o.deliveries(""); len(got) != 0 {
		t.Errorf("deliveries = %+v, want none: a test message is not one", got)
	}
}

func TestCommandsThatAskAServerSayWhatIsWrong(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	o := newOperated(t, fmt.Sprintf("[[admin.user]]\nname = \"kim\"\npassword_hash = %q\n", hash))
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"deliveries"}, 1, "set RINGPOST_USER and RINGPOST_PASSWORD"},
		{[]string{"deliveries", "show"}, 2, "accepts 1 arg(s), received 0"},
		{[]string{"deliveries", "show", "x"}, 2, `"x" is no delivery's id: want a number`},
		{[]string{"deliveries", "retry"}, 2, "want the ids of deliveries"},
		{[]string{"deliveries", "retry", "--all"}, 2, "retry --all: want a filter, such as --channel email or --since 1h"},
		{[]string{"deliveries", "retry", "--all", "3", "--since", "1h"}, 2, "want either ids or --all"},
		{[]string{"deliveries", "retry", "--since", "1h"}, 2, "want --all with a filter"},
		{[]string{"deliveries", "lsit"}, 2, "unknown command"},
		{[]string{"channels", "pause"}, 2, "accepts 1 arg(s), received 0"},
	} {
		if _, errs, code := o.run(test.args...); code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("%q = %d %s, want %d and %s", test.args, code, errs, test.code, test.want)
		}
	}
	kim := []string{"RINGPOST_USER=kim", "RINGPOST_PASSWORD=right"}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"deliveries", "list", "--state", "sent"}, 1, `state: no state "sent"`},
		{[]string{"deliveries", "list", "--since", "yesterday"}, 1, "since: want a time such as"},
		{[]string{"deliveries", "show", "99"}, 1, "delivery 99: not found"},
		{[]string{"deliveries", "cancel", "99"}, 1, "delivery 99: not found"},
		{[]string{"channels", "pause", "fax"}, 1, `no channel "fax" (have email, sms)`},
		{[]string{"deliveries", "retry", "--all", "--state", "delivered"}, 1, "cannot be retried"},
		{[]string{"channels", "pause", "sms"}, 0, ""},
	} {
		if _, errs, code := ringpost(t, kim, append(test.args, "--server", o.admin)...); code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("%q = %d %s, want %d and %s", test.args, code, errs, test.code, test.want)
		}
	}
	if out, _, code := ringpost(t, kim, "channels", "list", "--server", "http://"+o.admin); code != 0 || !strings.Contains(out, "paused by kim since ") {
		t.Errorf("channels list = %d %s, want who paused", code, out)
	}
}
