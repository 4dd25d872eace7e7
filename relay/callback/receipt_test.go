package callback_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"ringpost/relay/callback"
)

const receiptTarget = callback.ReceiptPath + "?delivery=17"

// receiptBody is a receipt as Twilio and SignalWire post them.
const receiptBody = "AccountSid=AC1&ApiVersion=2010-04-01&From=%2B15550100000&MessageSid=SM1&MessageStatus=undelivered" +
	"&ErrorCode=30003&SmsSid=SM1&SmsStatus=undelivered&To=%2B15550100001"

func parseReceipt(method, target, contentType, body string) (*callback.Receipt, error) {
	r := &callback.Request{Method: method, Target: target, ContentType: contentType, Body: []byte(body)}
	if err := r.Decode(); err != nil {
		return nil, err
	}
	return r.ParseReceipt()
}

func TestAReceiptIsReadAsProvidersSendIt(t *testing.T) {
	lost := callback.Receipt{Delivery: 17, MessageSid: "SM1", Status: "undelivered", ErrorCode: 30003}
	sent := callback.Receipt{Delivery: 17, MessageSid: "SM1", Status: "sent"}
	for name, test := range map[string]struct {
		method, target, contentType, body string
		want                              callback.Receipt
	}{
		"form":            {http.MethodPost, receiptTarget, formType, receiptBody, lost},
		"GET":             {http.MethodGet, receiptTarget + "&" + receiptBody, "", "", lost},
		"JSON":            {http.MethodPost, receiptTarget, jsonType, `{"MessageSid":"SM1","MessageStatus":"undelivered","ErrorCode":30003}`, lost},
		"the older names": {http.MethodPost, receiptTarget, formType, "SmsSid=SM1&SmsStatus=sent", sent},
		"capitals":        {http.MethodPost, receiptTarget, formType, "MessageSid=SM1&MessageStatus=SENT", sent},
		"no code":         {http.MethodPost, receiptTarget, formType, "MessageSid=SM1&MessageStatus=sent&ErrorCode=", sent},
		"code null":       {http.MethodPost, receiptTarget, jsonType, `{"MessageSid":"SM1","MessageStatus":"sent","ErrorCode":null}`, sent},
		"code no number":  {http.MethodPost, receiptTarget, formType, "MessageSid=SM1&MessageStatus=sent&ErrorCode=none", sent},
		"a large code":    {http.MethodPost, receiptTarget, formType, "MessageSid=SM1&MessageStatus=sent&ErrorCode=99999999999999999999", sent},
		"more in the URL": {http.MethodPost, receiptTarget + "&tag=a", formType, "MessageSid=SM1&MessageStatus=sent", sent},
	} {
		got, err := parseReceipt(test.method, test.target, test.contentType, test.body)
		if err != nil || *got != test.want {
			t.Errorf("%s: ParseReceipt() = %+v, %v, want %+v", name, got, err, test.want)
		}
	}
}

func TestWhatIsNoReceiptIsRefusedWithTheFieldsName(t *testing.T) {
	const plain = "MessageSid=SM1&MessageStatus=sent"
	for name, test := range map[string]struct{ target, body, field string }{
		"no delivery":          {callback.ReceiptPath, plain, "delivery"},
		"an empty delivery":    {callback.ReceiptPath + "?delivery=", plain, "delivery"},
		"two deliveries":       {receiptTarget + "&delivery=18", plain, "delivery"},
		"delivery 0":           {callback.ReceiptPath + "?delivery=0", plain, "delivery"},
		"a negative delivery":  {callback.ReceiptPath + "?delivery=-1", plain, "delivery"},
		"a zero before it":     {callback.ReceiptPath + "?delivery=017", plain, "delivery"},
		"a plus before it":     {callback.ReceiptPath + "?delivery=%2B17", plain, "delivery"},
		"a large delivery":     {callback.ReceiptPath + "?delivery=99999999999999999999", plain, "delivery"},
		"delivery in the body": {callback.ReceiptPath, plain + "&delivery=17", "delivery"},
		// The signature does not tell the end of the URL from what follows.
		"a name in the delivery":   {callback.ReceiptPath + "?delivery=17AccountSidAC1", plain, "delivery"},
		"the delivery in a name":   {callback.ReceiptPath + "?delivery=1", "7AccountSid=AC1&" + plain, "parameter name"},
		"no message":               {receiptTarget, "MessageStatus=sent", "MessageSid"},
		"two messages":             {receiptTarget, plain + "&SmsSid=SM2", "SmsSid"},
		"a message twice":          {receiptTarget, plain + "&MessageSid=SM1", "MessageSid"},
		"a status twice":           {receiptTarget, plain + "&MessageStatus=delivered", "MessageStatus"},
		"a name in the message":    {receiptTarget, "MessageSid=SM1MessageStatusdelivered&SmsStatus=sent", "MessageSid"},
		"a long message":           {receiptTarget, "MessageSid=" + strings.Repeat("x", 200) + "&MessageStatus=sent", "MessageSid"},
		"a message with a space":   {receiptTarget, "MessageSid=SM+1&MessageStatus=sent", "MessageSid"},
		"no status":                {receiptTarget, "MessageSid=SM1", "MessageStatus"},
		"a status that is no word": {receiptTarget, "MessageSid=SM1&MessageStatus=sent%20to+15550100001", "MessageStatus"},
		"a recording callback":     {receiptTarget, formBody, "MessageSid"},
	} {
		_, err := parseReceipt(http.MethodPost, test.target, formType, test.body)
		if e, ok := errors.AsType[*callback.FieldError](err); !ok || e.Field != test.field {
			t.Errorf("%s: ParseReceipt() = %v, want what is wrong with %s", name, err, test.field)
		}
	}
}

func TestReceiptsHaveAnOrder(t *testing.T) {
	order := [][]string{{"", "received", "canceled"}, {"accepted", "scheduled", "queued", "initiated"}, {"sending"}, {"sent"},
		{"delivered", "undelivered", "failed"}}
	for i, group := range order {
		for _, status := range group {
			r := &callback.Receipt{Status: status}
			if r.Known() != (i > 0) {
				t.Errorf("Known(%q) = %t, want %t", status, r.Known(), i > 0)
			}
			for j, others := range order {
				for _, other := range others {
					if got := r.Follows(other); got != (i > j) {
						t.Errorf("%q follows on %q: %t, want %t", status, other, got, i > j)
					}
				}
			}
		}
	}
}

// FuzzParseReceipt reads whatever comes in: what is accepted is what
// [callback.Receipt] promises.
func FuzzParseReceipt(f *testing.F) {
	f.Add(false, receiptTarget, formType, receiptBody)
	f.Add(true, receiptTarget+"&"+receiptBody, "", "")
	f.Add(false, receiptTarget, jsonType, `{"MessageSid":"SM1","MessageStatus":"sent","ErrorCode":1e9,"x":[1]}`)
	f.Add(false, callback.ReceiptPath+"?delivery=%31&a=b", formType, "SmsSid=1&SmsStatus=failed&ErrorCode=-1")
	f.Fuzz(func(t *testing.T, get bool, target, contentType, body string) {
		method := http.MethodPost
		if get {
			method = http.MethodGet
		}
		r, err := parseReceipt(method, target, contentType, body)
		if err != nil {
			return
		}
		if r.Delivery < 1 || r.ErrorCode < 0 {
			t.Errorf("ParseReceipt() = %+v, want no negative number", r)
		}
		if r.MessageSid == "" || len(r.MessageSid) > 128 || strings.ContainsFunc(r.MessageSid, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Errorf("MessageSid = %q, want an id", r.MessageSid)
		}
		if r.Status == "" || len(r.Status) > 32 || strings.Trim(r.Status, "abcdefghijklmnopqrstuvwxyz_-") != "" {
			t.Errorf("Status = %q, want a word", r.Status)
		}
		if r.Lost() && !r.Known() {
			t.Errorf("a message is lost by the status %q, which is not known", r.Status)
		}
	})
}
