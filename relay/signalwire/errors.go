package signalwire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a server may ask to wait.
const maxRetryAfter = time.Hour

// Error is an answer of the API that is not a success.
type Error struct {
	Status int // HTTP's; the body's own may differ
	Code   int // the API's, e.g. 21610; 0 where it gave none, as gateways do

	// Message is what the API says to people, redacted. It may be empty.
	Message string

	// RetryAfter is how long the API asks to wait, at most an hour; 0 where it
	// does not ask.
	RetryAfter time.Duration
}

// Error says what the code means, where that is known, and then what the API
// said.
func (e *Error) Error() string {
	var b strings.Builder
	if meaning := Meaning(e.Code); meaning != "" {
		fmt.Fprintf(&b, "%s: ", meaning)
	}
	fmt.Fprintf(&b, "HTTP status %d", e.Status)
	if e.Code != 0 {
		fmt.Fprintf(&b, ", code %d", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	return b.String()
}

// Meaning says in plain words what a code of the API's means, or nothing where
// that is not known.
func Meaning(code int) string { return meanings[code] }

var meanings = map[int]string{
	20003: "the project or the token is wrong",
	20404: "there is no such project",
	20429: "too many requests at once",
	21211: "the recipient is no valid phone number",
	21214: "the recipient's number cannot be reached",
	21217: "the recipient's number is not valid",
	21219: "the recipient's number is not verified, and a trial account sends to verified ones only",
	21401: "the sender's number cannot send SMS",
	21408: "the account may not send SMS to the recipient's country",
	21601: "the sender's number cannot send SMS",
	21602: "the message has no text",
	21603: "the message has no sender",
	21604: "the message has no recipient",
	21606: "the sender's number is not this account's, or cannot send SMS",
	21609: "the provider cannot post receipts to [server] public_url",
	21610: "the recipient has opted out of SMS (answered STOP)",
	21611: "too many messages of this sender wait already",
	21612: "the recipient cannot be reached from the sender's number",
	21614: "the recipient's number is no mobile number",
	21617: "the message is too long",
	30001: "too many messages of this sender waited already",
	30002: "the account is suspended or has no balance",
	30003: "the phone is switched off or out of reach",
	30004: "the recipient, or their carrier, blocks these messages",
	30005: "the recipient's number is not in use",
	30006: "the recipient's number is a landline, or its carrier takes no SMS",
	30007: "the carrier took the message for unwanted (spam)",
	30008: "the carrier does not say why",
	30010: "the message costs more than the account allows",
	30022: "the sender has used up what it may send for now",
	30032: "the sender's toll-free number is not verified",
	30034: "the sender's number is not registered for A2P 10DLC",
	30036: "the carrier did not take it in time",
}

// Undelivered says in plain words why a message that was accepted does not
// arrive, by the status and the code of its receipt. The code may be 0.
func Undelivered(status string, code int) string {
	text := "the carrier did not deliver it"
	if status != "undelivered" {
		text = "the provider could not pass it on"
	}
	switch meaning := Meaning(code); {
	case meaning != "":
		return fmt.Sprintf("%s: %s (code %d)", text, meaning, code)
	case code != 0:
		return fmt.Sprintf("%s: code %d", text, code)
	}
	return text + ", and gave no reason"
}

// newError reads an answer that is not a success.
func newError(resp *http.Response, body []byte, private []string) *Error {
	var answer struct {
		Code    loose `json:"code"`
		Message loose `json:"message"`
	}
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	if json.Unmarshal(body, &answer) == nil {
		e.Code, _ = strconv.Atoi(string(answer.Code))
		e.Message = Redact(string(answer.Message), private...)
	}
	return e
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110,
// section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// NoAnswerError is a request that got no answer, or none that could be read.
type NoAnswerError struct {
	// Sent says that the API may have received the request. Where it is false,
	// the request has had no effect.
	Sent bool

	reason string // redacted; the error behind it would name the URL
}

func (e *NoAnswerError) Error() string { return e.reason }

// loose is a JSON string or number, as the string that it is; anything else is
// empty.
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*l = loose(s)
		return nil
	}
	var n json.Number
	if json.Unmarshal(b, &n) == nil {
		*l = loose(n)
	}
	return nil
}
