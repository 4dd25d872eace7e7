package intake_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"ringpost/relay/callback"
)

const (
	receiptTarget = callback.ReceiptPath + "?delivery=17"
	receiptBody   = "MessageSid=SM1&MessageStatus=delivered&SmsSid=SM1&SmsStatus=delivered&To=%2B15550100001"
)

// noted are the receipts that an intake was given.
type noted struct {
	mu  sync.Mutex
	err error
	all []callback.Receipt
}

func (n *noted) Receive(_ context.Context, r *callback.Receipt) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.all = append(n.all, *r)
	}
	return n.err
}

func (n *noted) received() []callback.Receipt {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all
}

// listenForReceipts returns an intake that takes receipts as well.
func listenForReceipts(t *testing.T) (*server, *noted) {
	t.Helper()
	s, n := listen(t), new(noted)
	s.intake.TakeReceipts(n)
	return s, n
}

func TestAReceiptIsNotedBeforeItIsAnswered(t *testing.T) {
	for name, test := range map[string]struct{ method, target, contentType, body string }{
		"form": {http.MethodPost, receiptTarget, formType, receiptBody},
		"GET":  {http.MethodGet, receiptTarget + "&" + receiptBody, "", ""},
		"JSON": {http.MethodPost, receiptTarget + "&bodySHA256=" + digest(`{"MessageSid":"SM1","MessageStatus":"delivered"}`), jsonType,
			`{"MessageSid":"SM1","MessageStatus":"delivered"}`},
	} {
		s, n := listenForReceipts(t)
		got := s.send(t, request(t, test.method, s.URL, test.target, test.contentType, test.body))
		want := callback.Receipt{Delivery: 17, MessageSid: "SM1", Status: "delivered"}
		if all := n.received(); got.status != http.StatusOK || len(all) != 1 || all[0] != want {
			t.Errorf("%s = %d %q, noted %+v, want 200 and %+v", name, got.status, got.body, all, want)
		}
		if counted := s.journal.counted(); counted != "" || len(s.store.all()) != 0 {
			t.Errorf("%s: counted %q and stored %d callbacks, want none", name, counted, len(s.store.all()))
		}
	}
}

func TestAReceiptThatIsNotSignedForItsDeliveryIsRefused(t *testing.T) {
	signedAs := func(target, body string) string {
		_, signature, err := callback.Sign(signKey, publicURL+target, body)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	_, forged, err := callback.Sign("PSK_other", publicURL+receiptTarget, receiptBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, signature := range map[string]string{
		"none":              "",
		"another key":       forged,
		"another delivery":  signedAs(callback.ReceiptPath+"?delivery=18", receiptBody),
		"no delivery":       signedAs(callback.ReceiptPath, receiptBody),
		"another status":    signedAs(receiptTarget, strings.ReplaceAll(receiptBody, "delivered", "sent")),
		"another message":   signedAs(receiptTarget, strings.ReplaceAll(receiptBody, "SM1", "SM2")),
		"the URL alone":     signedAs(receiptTarget, ""),
		"a recording's URL": signedAs(callback.Path+"?delivery=17", receiptBody),
	} {
		s, n := listenForReceipts(t)
		r := request(t, http.MethodPost, s.URL, receiptTarget, formType, receiptBody)
		r.Header.Del("X-SignalWire-Signature")
		if signature != "" {
			r.Header.Set("X-SignalWire-Signature", signature)
		}
		if got := s.send(t, r); got.status != http.StatusForbidden || len(n.received()) != 0 {
			t.Errorf("signature of %s = %d %q, noted %+v, want 403 and nothing", name, got.status, got.body, n.received())
		}
		if kept := s.refused(t, 0, 1); kept[0].Status != http.StatusForbidden || !strings.Contains(string(kept[0].Request), receiptTarget) {
			t.Errorf("signature of %s: kept %+v, want the request", name, kept)
		}
		if log := s.journal.logged(); !strings.Contains(log, publicURL+receiptTarget) || strings.Contains(log, "15550100001") {
			t.Errorf("signature of %s: logged %q, want the URL and no number", name, log)
		}
	}
}

func TestReceiptsHaveTheBoundsOfCallbacks(t *testing.T) {
	for name, test := range map[string]struct {
		method, target, contentType, body string
		want                              int
	}{
		"large":             {http.MethodPost, receiptTarget, formType, "Note=" + strings.Repeat("x", 64<<10), 413},
		"text":              {http.MethodPost, receiptTarget, "text/plain", receiptBody, 415},
		"PUT":               {http.MethodPut, receiptTarget, formType, receiptBody, 405},
		"path below":        {http.MethodPost, callback.ReceiptPath + "/17", formType, receiptBody, 404},
		"escaped letter":    {http.MethodPost, "/callbacks/%6dessage?delivery=17", formType, receiptBody, 404},
		"no delivery":       {http.MethodPost, callback.ReceiptPath, formType, receiptBody, 400},
		"no message":        {http.MethodPost, receiptTarget, formType, "MessageStatus=sent", 400},
		"many parameters":   {http.MethodPost, receiptTarget, formType, strings.Repeat("a=1&", 200) + receiptBody, 400},
		"a recording's own": {http.MethodPost, receiptTarget, formType, formBody, 400},
	} {
		s, n := listenForReceipts(t)
		got := s.send(t, request(t, test.method, s.URL, test.target, test.contentType, test.body))
		if got.status != test.want || len(n.received()) != 0 {
			t.Errorf("%s = %d %q, noted %+v, want %d and nothing", name, got.status, got.body, n.received(), test.want)
		}
	}
}

func TestAReceiptThatCannotBeNotedIsNoSuccess(t *testing.T) {
	s, n := listenForReceipts(t)
	n.err = errors.New("disk full")
	got := s.post(t, receiptTarget, formType, receiptBody)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "disk") {
		t.Errorf("POST = %d %q, want 503 with Retry-After and without the reason", got.status, got.body)
	}
	if !strings.Contains(s.journal.logged(), "disk full") {
		t.Errorf("logged %q, want the reason", s.journal.logged())
	}
}

func TestAStatusThatIsNotKnownIsIgnoredAndLoggedOnce(t *testing.T) {
	s, n := listenForReceipts(t)
	for range 3 {
		if got := s.post(t, receiptTarget, formType, "MessageSid=SM1&MessageStatus=read"); got.status != http.StatusOK {
			t.Fatalf("POST = %d %q, want 200", got.status, got.body)
		}
	}
	if all := n.received(); len(all) != 0 {
		t.Errorf("noted %+v, want nothing", all)
	}
	if log := s.journal.logged(); strings.Count(log, "status=read") != 1 {
		t.Errorf("logged %q, want the status once", log)
	}
}

func TestReceiptsAreRefusedWhereNobodyTakesThem(t *testing.T) {
	s := listen(t)
	if got := s.post(t, receiptTarget, formType, receiptBody); got.status != http.StatusNotFound {
		t.Errorf("POST = %d %q, want 404", got.status, got.body)
	}
}
