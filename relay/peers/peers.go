// Package peers plays the two outside parties on loopback sockets, for the demo
// and the tests: a mail server (mail.go) and SignalWire's REST API
// (signalwire.go), with receipts of text messages (receipts.go) and recordings to
// play and delete (recordings.go) and to list (listing.go), and calls (calls.go). Both keep what they accepted
// (journal.go), and fail on demand through a [Hook].
package peers

import (
	"context"
	"errors"
)

// Step is a moment at which a [Hook] may interfere.
type Step string

const (
	Connect  Step = "connect" // a client connected to the mail server; no subject
	Auth     Step = "auth"    // a client logs in; the subject is the user
	MailFrom Step = "mail"    // the subject is the sender
	RcptTo   Step = "rcpt"    // the subject is the recipient
	Data     Step = "data"    // the whole message has arrived; the subject is the first recipient
	Reset    Step = "reset"   // RSET, or a message has been answered; no subject
	End      Step = "end"     // a session is over, or goes on under TLS; the answer does not matter

	SendSMS Step = "send" // the subject is the recipient
	ListSMS Step = "list" // the subject is the recipient asked for

	FetchRecording    Step = "fetch"    // the subject is the recording's id
	DescribeRecording Step = "describe" // likewise
	DeleteRecording   Step = "delete"   // likewise
	ListRecordings    Step = "page"     // the subject is the number of the page, from 0 on

	DescribeCall Step = "call" // the subject is the call's id
)

// Hook is asked before a step is answered. It may wait; ctx ends when the peer
// is closed. What it returns is the answer: nil is success, a
// [smtp.SMTPError] or [APIError] a refusal. See also [ErrCut], [ErrGarbage] and
// [ErrAcceptAndCut]. It may be called from several sessions at once.
type Hook func(ctx context.Context, step Step, subject string) error

var (
	// ErrCut closes the connection instead of answering.
	ErrCut = errors.New("cut the connection")
	// ErrGarbage says what is not the protocol and closes the connection. It
	// makes sense at Connect.
	ErrGarbage = errors.New("say what is not the protocol")
	// ErrAcceptAndCut accepts the message and closes the connection instead of
	// saying so. It makes sense at Data and SendSMS.
	ErrAcceptAndCut = errors.New("accept the message and cut the connection")
)

// SentOn sends the client on to another URL. It makes sense at FetchRecording.
type SentOn struct{ URL string }

func (e *SentOn) Error() string { return "sent on" }

// ask calls the hook, if there is one.
func (h Hook) ask(ctx context.Context, step Step, subject string) error {
	if h == nil {
		return nil
	}
	return h(ctx, step, subject)
}
