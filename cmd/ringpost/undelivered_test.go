package main_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringpost/relay/route"
)

// withFallback is a rule for SMS that alice gets by email where they are not
// delivered, and one for somebody who is told of that.
const withFallback = `
[[rule]]
name = "texts"
status = "completed"
query = { text = "*" }
send = [{ via = "sms", to = ["{{.Query.text}}"], template = "recording", fallback = { via = "email", to = "alice" } }]
[[rule]]
name = "somebody hears of it"
status = ["missing", "undelivered"]
send = [{ via = "email", to = ["ops@example.com"], template = "undelivered" }]
`

// TestWhatIsNotDeliveredIsToldOtherwiseAndToSomebodyElse sends an SMS to a phone
// that its carrier does not reach, long after the SMS was accepted.
func TestWhatIsNotDeliveredIsToldOtherwiseAndToSomebodyElse(t *testing.T) {
	t.Parallel()
	o := newOperated(t, withFallback)
	o.mustPost(completed("rec-1"), "?text="+url.QueryEscape(switchedOff))
	o.awaitState("delivered", 2)
	mails := make(map[string]string) // what each says, by whom it is for
	for _, e := range o.mail.Emails() {
		mails[e.To[0]] = string(e.Raw)
	}
	if !strings.Contains(mails["alice@example.com"], "Subject: Call recording, 1m34s") {
		t.Errorf("alice got %q, want the recording", mails["alice@example.com"])
	}
	if ops := mails["ops@example.com"]; !strings.Contains(ops, "Subject: Not delivered") || !strings.Contains(ops, switchedOff) || !strings.Contains(ops, "30003") {
		t.Errorf("ops got %q, want whom it was for, and why not", ops)
	}

	const why = `the carrier did not deliver it: the phone is switched off or out of reach \(code 30003\); its fallback took over: delivery 2`
	out, errs, code := o.run("deliveries", "show", "1")
	if code != 0 || !regexp.MustCompile(`(?m)^why: +`+why+`$`).MatchString(out) {
		t.Errorf("deliveries show 1 = %d\n%s%s\nwant %s", code, out, errs, why)
	}
	out, _, _ = o.run("deliveries", "show", "2")
	if !regexp.MustCompile(`(?m)^by Ringpost: .*fallback for delivery 1$`).MatchString(out) {
		t.Errorf("deliveries show 2 =\n%s\nwant that it is a fallback", out)
	}
	out, _, _ = o.run("explain", "--recording", "rec-1")
	for _, want := range []string{"its fallback took over", "(undelivered, 94 s, by DialVerb)", "delivery 1 failed for good",
		"delivered to ops@example.com"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain --recording =\n%s\nwant %q", out, want)
		}
	}
	page := html.UnescapeString(o.read("/recordings/1"))
	for _, want := range []string{"The SMS to " + switchedOff + " was not delivered, so its fallback took over: delivery 2",
		"The email to alice: fallback for delivery 1", "Not told: delivery 1 failed for good", "Who was told of delivery 1, which failed"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if metrics := o.read("/metrics"); !strings.Contains(metrics, `ringpost_callbacks_total{result="stored",status="undelivered"} 1`) {
		t.Error("the metrics do not count the callback")
	}

	// Sent again by a person and dead again, it is told to nobody twice.
	if out, errs, code := o.run("deliveries", "retry", "1"); code != 0 {
		t.Fatalf("deliveries retry = %d %s%s", code, out, errs)
	}
	eventually(t, "it is dead again", patience, func() bool {
		d := o.deliveries("to=" + url.QueryEscape(switchedOff))[0]
		return d.State == "dead" && d.Attempts == 2
	})
	o.mustPost(completed("rec-2"), "?mailbox=alice")
	o.awaitState("delivered", 3)
	if all := o.deliveries(""); len(all) != 4 {
		t.Errorf("there are %d deliveries, want 4: %+v", len(all), all)
	}
}

// TestAKillDoublesNoFallbackAndLosesNone kills the service while SMS are refused,
// and what takes their place is made.
func TestAKillDoublesNoFallbackAndLosesNone(t *testing.T) {
	t.Parallel()
	o := newOperated(t, withFallback)
	const n = 90
	for i := range n {
		o.mustPost(completed(fmt.Sprint("rec-", i)), "?text="+url.QueryEscape(optedOut))
		if i%30 == 29 { // in the middle of the last ones
			o.kill()
			o.start()
		}
	}
	o.awaitState("dead", n)
	o.awaitState("delivered", 2*n)
	to := make(map[string]map[string]int) // recordings, by whom they were for
	for _, d := range o.deliveries("") {
		if to[d.To] == nil {
			to[d.To] = make(map[string]int)
		}
		to[d.To][d.Recording]++
	}
	for _, who := range []string{optedOut, "alice@example.com", "ops@example.com"} {
		if len(to[who]) != n {
			t.Errorf("%s: %d recordings, want %d", who, len(to[who]), n)
		}
		for recording, times := range to[who] {
			if times != 1 {
				t.Errorf("%s: %d deliveries about %s, want 1", who, times, recording)
			}
		}
	}
}

// TestExplainShowsFallbacksAndCheckTriesThem has a fallback that is right, and one
// that nobody would get.
func TestExplainShowsFallbacksAndCheckTriesThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const config = "[signalwire]\nspace = \"example.signalwire.com\"\nproject = \"p\"\ntoken = \"t\"\nsigning_keys = [\"PSK_1\"]\n" +
		"[server]\npublic_url = \"https://hooks.example.com\"\n[channel.email]\nhost = \"smtp.example.com\"\nfrom = \"a@example.com\"\n" +
		"[channel.sms]\nfrom = \"+15550100000\"\n[contact.alice]\nemail = \"alice@example.com\"\n" + withFallback
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := write("ringpost.toml", config)
	out, errs, code := ringpost(t, nil, "explain", "-c", file, "--query", "text=%2B15550100002")
	if code != 0 || !strings.Contains(out, "    where it is not delivered: an email to alice@example.com (channel email, template recording)\n") {
		t.Errorf("explain = %d\n%s%s\nwant the fallback", code, out, errs)
	}
	out, _, _ = ringpost(t, nil, "explain", "-c", file, "--query", "text=%2B15550100002", "-o", "json")
	var e route.Explanation
	if err := json.Unmarshal([]byte(out), &e); err != nil || len(e.Deliveries) != 1 || !strings.Contains(e.Deliveries[0].Fallback, "alice@example.com") {
		t.Errorf("explain -o json = %s (%v), want the fallback", out, err)
	}
	bad := strings.Replace(config, `to = "alice" }`, `to = "{{.Query.manager}}" }`, 1) + `
[[test]]
name = "a text"
callback = { RecordingStatus = "completed" }
query = { text = "+15550100002" }
expect = ["sms:+15550100002"]
[[test]]
name = "a text that was not delivered"
callback = { RecordingStatus = "undelivered" }
query = { text = "+15550100002" }
expect = ["email:ops@example.com"]
`
	out, errs, code = ringpost(t, nil, "check", "-c", write("bad.toml", bad))
	if code != 1 || !strings.Contains(out+errs, `test "a text": rule "texts": the fallback of a message by sms would be dead: by email: the recipient is not known`) ||
		strings.Contains(out+errs, "was not delivered") {
		t.Errorf("check = %d\n%s%s\nwant what is wrong with the fallback, and nothing else", code, out, errs)
	}
}
