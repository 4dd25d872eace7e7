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

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP status %d", e.Status)
	if e.Code != 0 {
		fmt.Fprintf(&b, ", code %d", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	return b.String()
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
