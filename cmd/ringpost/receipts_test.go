package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"ringpost/relay/api"
	"ringpost/relay/callback"
	"ringpost/relay/peers"
)

// The numbers of phones whose carriers say what becomes of an SMS.
const (
	switchedOff = "+15550600001"
	disorderly  = "+15550600002" // the last receipt comes first, and all of them again
	notInUse    = "+15550600003" // the carrier says so before the SMS was answered
	silent      = "+15550600004" // of which no receipt comes
)

var receipts = map[string][]peers.Receipt{
	switchedOff: {{Status: "queued"}, {Status: "sent"}, {Status: "undelivered", ErrorCode: 30003}, {Status: "sent"}},
	disorderly:  {{Status: "delivered"}, {Status: "sent"}, {Status: "queued"}, {Status: "delivered"}, {Status: "sent"}, {Status: "read"}},
}

// reportEarly posts a receipt before the SMS is answered.
func (o *operated) reportEarly(sms peers.SMS) {
	if sms.To != notInUse {
		return
	}
	if status, err := o.api.Report(context.Background(), sms, peers.Receipt{Status: "undelivered", ErrorCode: 30005}); status != http.StatusOK {
		o.t.Errorf("an early receipt = %d, %v, want 200", status, err)
	}
}

// TestTheCarriersLastWordIsToldWhereverPeopleLook sends SMS to phones whose
// carriers say different things about them.
func TestTheCarriersLastWordIsToldWhereverPeopleLook(t *testing.T) {
	t.Parallel()
	o := newOperated(t, "")
	for _, number := range []string{switchedOff, disorderly, notInUse, silent} {
		o.mustPost(completed("rec-"+number[1:]), "?agent="+url.QueryEscape(number))
	}
	all := len(receipts[switchedOff]) + len(receipts[disorderly])
	eventually(t, "all receipts are answered", patience, func() bool { return int(o.receipts.Load()) == all })
	o.awaitState("delivered", 2)
	o.awaitState("dead", 2)

	for number, want := range map[string]struct{ state, why, receipt string }{
		switchedOff: {"dead", `the carrier did not deliver it: the phone is switched off or out of reach \(code 30003\)`, "undelivered"},
		notInUse:    {"dead", `the carrier did not deliver it: the recipient's number is not in use \(code 30005\)`, "undelivered"},
		disorderly:  {"delivered", `accepted by the SMS provider at \d\d:\d\d [A-Z]+; the phone has it since \d\d:\d\d [A-Z]+`, "delivered"},
		silent:      {"delivered", `accepted by the SMS provider at \d\d:\d\d [A-Z]+; not yet confirmed by the phone's carrier`, ""},
	} {
		d := o.deliveries("to=" + url.QueryEscape(number))[0]
		out, errs, code := o.run("deliveries", "show", fmt.Sprint(d.ID))
		if code != 0 || !regexp.MustCompile(`(?m)^why: +`+want.why+`$`).MatchString(out) || !regexp.MustCompile(`(?m)^state: +`+want.state+`$`).MatchString(out) ||
			strings.Contains(out, ": "+want.receipt+"\n") != (want.receipt != "") {
			t.Errorf("deliveries show %s = %d\n%s%s\nwant %s", number, code, out, errs, want.why)
		}
		out, _, _ = o.run("deliveries", "show", fmt.Sprint(d.ID), "-o", "json")
		var shown api.Delivery
		if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Receipt != want.receipt || (shown.ReceiptAt != nil) != (want.receipt != "") ||
			len(shown.History) != 1 {
			t.Errorf("deliveries show %s -o json = %s (%v), want the receipt %q and one attempt", number, out, err, want.receipt)
		}
		page := html.UnescapeString(o.read(fmt.Sprint("/recordings/", shown.Callback)))
		if !regexp.MustCompile(`(?i)` + want.why).MatchString(page) {
			t.Errorf("the page of %s does not say: %s\n%s", number, want.why, page)
		}
	}
	for _, want := range []string{`{channel="sms",result="dead"} 2`, `{channel="sms",result="delivered"} 4`} {
		if metrics := o.read("/metrics"); !strings.Contains(metrics, "ringpost_deliveries_total"+want) {
			t.Errorf("the metrics do not say ringpost_deliveries_total%s", want)
		}
	}

	// A person may have it sent again, and the message before does not count then.
	id := o.deliveries("to=" + url.QueryEscape(notInUse))[0].ID
	if out, errs, code := o.run("deliveries", "retry", fmt.Sprint(id)); code != 0 {
		t.Fatalf("deliveries retry = %d %s%s", code, out, errs)
	}
	eventually(t, "it is dead again", patience, func() bool {
		d := o.deliveries("to=" + url.QueryEscape(notInUse))[0]
		return d.State == "dead" && d.Attempts == 2
	})
}

// TestForgedReceiptsAreRefused posts receipts that the provider has not signed for
// the delivery that they name, and one about a delivery that is not there.
func TestForgedReceiptsAreRefused(t *testing.T) {
	t.Parallel()
	o := newOperated(t, "")
	o.mustPost(completed("rec-1"), "?agent="+url.QueryEscape(silent))
	d := o.awaitState("delivered", 1)[0]
	sms := o.api.Messages()[0]
	if want := callback.ReceiptURL(publicURL, d.ID); sms.StatusCallback != want {
		t.Fatalf("StatusCallback = %q, want %q", sms.StatusCallback, want)
	}
	post := func(signedFor, target, sid string) int {
		form := url.Values{"MessageSid": {sid}, "MessageStatus": {"failed"}}.Encode()
		header, signature, err := callback.Sign(signingKey, signedFor, form)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+o.callbacks+target, strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, signature)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := poster.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	target, other := fmt.Sprintf("%s?delivery=%d", callback.ReceiptPath, d.ID), callback.ReceiptPath+"?delivery=999"
	for _, test := range []struct {
		name, signedFor, target, sid string
		want                         int
	}{
		{"signed for another delivery", publicURL + other, target, sms.Sid, 403},
		{"signed for another server", "https://other.example.com" + target, target, sms.Sid, 403},
		{"of another message", publicURL + target, target, "SM-other", 200},
		{"of a delivery that is not there", publicURL + other, other, sms.Sid, 200},
	} {
		if got := post(test.signedFor, test.target, test.sid); got != test.want {
			t.Errorf("a receipt %s = %d, want %d", test.name, got, test.want)
		}
	}
	if d := o.deliveries("")[0]; d.State != "delivered" || d.LastError != "" {
		t.Errorf("the delivery is %s (%s), want delivered as before", d.State, d.LastError)
	}
}
