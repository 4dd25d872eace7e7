package peers

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringpost/relay/callback"
)

const (
	// receiptTries is how often a receipt is posted until it is answered with
	// 200 or 204, and receiptPause how long after the last time.
	receiptTries = 3
	receiptPause = 200 * time.Millisecond
	receiptTime  = 5 * time.Second
)

// Receipts says which receipts follow on text messages that ask for them.
type Receipts struct {
	SigningKey string // of the project; without one there are none

	// Of returns those of a message, in the order in which they are posted, from
	// about when the message is answered. nil says that all are sent and then
	// delivered.
	Of func(SMS) []Receipt

	// Listener returns the host and port to connect to, in place of those of the
	// URL that the message asks for; nil takes the URL's. It may block until
	// somebody listens.
	Listener func() string

	OnReceipt func(sms SMS, r Receipt, status int) // called once it is answered; may be nil
}

// Receipt is what is said of a text message that was accepted.
type Receipt struct {
	Status    string // such as delivered
	ErrorCode int    // such as 30003; 0 for none
}

// report posts the receipts of a message.
func (s *SignalWire) report(ctx context.Context, sms SMS) {
	receipts := []Receipt{{Status: "sent"}, {Status: callback.ReceiptDelivered}}
	if s.config.Receipts.Of != nil {
		receipts = s.config.Receipts.Of(sms)
	}
	for _, r := range receipts {
		for try := range receiptTries {
			if try > 0 {
				select {
				case <-time.After(receiptPause):
				case <-ctx.Done():
					return
				}
			}
			status, err := s.Report(ctx, sms, r)
			if err == nil && s.config.Receipts.OnReceipt != nil {
				s.config.Receipts.OnReceipt(sms, r, status)
			}
			if err == nil && (status == http.StatusOK || status == http.StatusNoContent) {
				break
			}
		}
	}
}

// Report posts one signed receipt of a message that asks for receipts, and returns
// how it was answered.
func (s *SignalWire) Report(ctx context.Context, sms SMS, r Receipt) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, receiptTime)
	defer cancel()
	form := url.Values{
		"AccountSid": {s.config.Project}, "ApiVersion": {"2010-04-01"},
		"MessageSid": {sms.Sid}, "SmsSid": {sms.Sid},
		"MessageStatus": {r.Status}, "SmsStatus": {r.Status},
		"To": {sms.To}, "From": {cmp.Or(sms.From, anySender)},
	}
	if r.ErrorCode != 0 {
		form.Set("ErrorCode", strconv.Itoa(r.ErrorCode))
	}
	body := form.Encode()
	header, signature, err := callback.Sign(s.config.Receipts.SigningKey, sms.StatusCallback, body)
	if err != nil {
		return 0, err
	}
	target, err := url.Parse(sms.StatusCallback)
	if err != nil {
		return 0, fmt.Errorf("StatusCallback: %w", err)
	}
	if s.config.Receipts.Listener != nil {
		target.Scheme, target.Host = "http", s.config.Receipts.Listener()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set(header, signature)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, nil
}
