package callback

import (
	"slices"
	"strconv"
	"strings"
)

// ReceiptPath is where senders post what has become of a text message.
const ReceiptPath = "/callbacks/message"

// ReceiptURL is where the receipts of a delivery are to be sent, where publicURL
// reaches the callbacks' listener. Signatures cover the delivery's id in it.
func ReceiptURL(publicURL string, delivery int64) string {
	return publicURL + ReceiptPath + "?delivery=" + strconv.FormatInt(delivery, 10)
}

// Receipt is one message status callback: how far a text message has come.
type Receipt struct {
	Delivery   int64  // from the URL
	MessageSid string // the provider's id of the message
	Status     string // in lower case, such as one of ReceiptStatuses
	ErrorCode  int    // why it was not delivered; 0 where none was sent
}

// What a message comes to at last.
const (
	ReceiptDelivered   = "delivered"   // to the phone, the carrier says
	ReceiptUndelivered = "undelivered" // the carrier says
	ReceiptFailed      = "failed"      // it did not get to a carrier
)

// receiptOrder is how far a message is with each status. Nothing follows on the
// furthest. Receipts come out of order.
var receiptOrder = map[string]int{
	"accepted": 1, "scheduled": 1, "queued": 1, "initiated": 1,
	"sending":        2,
	"sent":           3, // to the carrier, of which nothing more may be heard
	ReceiptDelivered: 4, ReceiptUndelivered: 4, ReceiptFailed: 4,
}

// Known reports whether the status is one that providers are known to send.
func (r *Receipt) Known() bool { return receiptOrder[r.Status] > 0 }

// Follows reports whether the receipt says more than one with that status, which
// may be empty, has said before.
func (r *Receipt) Follows(status string) bool { return receiptOrder[r.Status] > receiptOrder[status] }

// Lost reports whether the message will not arrive.
func (r *Receipt) Lost() bool { return r.Status == ReceiptUndelivered || r.Status == ReceiptFailed }

// ParseReceipt returns the receipt that a decoded request carries. As [Request.Parse], it
// must come after Verify, whose other half some of its checks are.
func (r *Request) ParseReceipt() (*Receipt, error) {
	receipt := new(Receipt)
	var err error
	if receipt.Delivery, err = r.delivery(); err != nil {
		return nil, err
	}
	given := make(map[string]string)
	for _, p := range r.params {
		if err := p.check(); err != nil {
			return nil, err
		}
		if r.format == formatForm && !p.plainName() {
			return nil, errPlainName
		}
		if _, again := given[p.name]; again && slices.Contains(receiptNames, p.name) {
			return nil, &FieldError{p.name, "given more than once"}
		}
		given[p.name] = p.value
	}
	// Both spellings are sent, and say the same.
	sid, status := "MessageSid", "MessageStatus"
	if given[sid] == "" {
		sid = "SmsSid"
	}
	if given[status] == "" {
		status = "SmsStatus"
	}
	receipt.MessageSid, receipt.Status = given[sid], strings.ToLower(given[status])
	switch {
	case receipt.MessageSid == "":
		return nil, &FieldError{"MessageSid", "missing"}
	case given["SmsSid"] != "" && given["SmsSid"] != receipt.MessageSid:
		return nil, &FieldError{"SmsSid", "differs from MessageSid"}
	case receipt.Status == "":
		return nil, &FieldError{"MessageStatus", "missing"}
	case !isStatus(receipt.Status):
		return nil, &FieldError{status, "want a word, such as " + ReceiptDelivered}
	}
	if code, err := strconv.ParseUint(given["ErrorCode"], 10, 31); err == nil {
		receipt.ErrorCode = int(code)
	}
	return receipt, checkID(sid, receipt.MessageSid, nextReceiptNames)
}

// receiptNames are the parameters that a receipt is made of.
var receiptNames = []string{"MessageSid", "SmsSid", "MessageStatus", "SmsStatus", "ErrorCode"}

// nextReceiptNames are parts of the names that follow on the id of a message
// where parameters are sorted.
var nextReceiptNames = []string{"Message", "Sms", "Status", "Num"}

// delivery returns the id of the delivery that the URL names.
func (r *Request) delivery() (id int64, err error) {
	text := ""
	for _, p := range r.query {
		if p.name != "delivery" {
			continue
		}
		if text != "" {
			return 0, &FieldError{"delivery", "given more than once"}
		}
		text = p.value
	}
	switch id, err = strconv.ParseInt(text, 10, 64); {
	case text == "":
		return 0, &FieldError{"delivery", "missing in the query"}
	case err != nil || id < 1 || text != strconv.FormatInt(id, 10):
		return 0, &FieldError{"delivery", "want the number of a delivery"}
	}
	return id, nil
}

// isStatus reports whether s is spelled as statuses are.
func isStatus(s string) bool {
	return len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_-") == ""
}
