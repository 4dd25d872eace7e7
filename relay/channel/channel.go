// Package channel brings one message to one recipient: by email (email.go), by
// SMS (sms.go), or into the log (log.go); package archive has one more, which keeps
// the recording. What a failure means for the delivery,
// the channel knows best, and its error says it: see [Permanent], [Down],
// [RetryAfter], [Unsure] and [Unknown]. A plain error means "try again".
//
// An email is composed and signed (letter.go, body.go), then handed over on a
// connection (connection.go) that the channel keeps (pool.go) or makes
// (server.go). A file that goes with it is read while it is handed over
// (attachment.go).
package channel

import (
	"context"
	"errors"
	"time"
)

// Message is one rendered message to one recipient.
type Message struct {
	// ID is the delivery's Message-ID without angle brackets. It is the same on
	// every attempt, so that mail programs drop a repeat.
	ID string

	To      string // an email address, an E.164 number, or a path in an archive
	Subject string // email only
	Text    string
	HTML    string // email only; empty for a plain message

	// UnsureFor is how long ago, at most, an attempt was made whose outcome is
	// not known; zero where there is none. A channel whose provider does not
	// recognise a repeat must look there before it sends again.
	UnsureFor time.Duration

	// Attachment is a file that goes with an email; nil for none.
	Attachment *Attachment

	// Delivery is what receipts of the provider's are to name; 0 asks for none, as
	// test messages do.
	Delivery int64

	RecordingURL string        // where the provider has the recording; empty where it has not said
	Age          time.Duration // since the delivery was made
}

// Channel delivers messages. Its methods may be called at once.
type Channel interface {
	// Send delivers m and returns the provider's id of it, if there is one. It
	// returns within the channel's own time-outs or when ctx ends.
	Send(ctx context.Context, m *Message) (providerID string, err error)

	// Close ends idle connections. Sends under way are not waited for.
	Close() error
}

// Class says what a failed Send means.
type Class int

const (
	Temporary      Class = iota // this message failed now: try it again later
	Refused                     // this message will never be accepted
	ChannelDown                 // nothing is wrong with the message: the channel is in trouble
	OutcomeUnsure               // the provider may have accepted it: look before sending again
	OutcomeUnknown              // it may have been accepted and cannot be looked up: a person decides
)

// Error is a failed Send whose meaning is known.
type Error struct {
	Class Class
	Wait  time.Duration // how long the provider asks the channel to pause; 0 where it did not ask
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Permanent says that the message will never be accepted.
func Permanent(err error) error { return &Error{Class: Refused, Err: err} }

// Down says that the channel is in trouble, whatever the message: its server
// cannot be reached, or refuses its credentials.
func Down(err error) error { return &Error{Class: ChannelDown, Err: err} }

// RetryAfter says that the provider asks the whole channel to pause for wait.
func RetryAfter(wait time.Duration, err error) error {
	return &Error{Class: Temporary, Wait: wait, Err: err}
}

// Unsure says that the provider may or may not have accepted the message.
func Unsure(err error) error { return &Error{Class: OutcomeUnsure, Err: err} }

// Unknown says that an earlier attempt may have been accepted and that the
// provider cannot tell.
func Unknown(err error) error { return &Error{Class: OutcomeUnknown, Err: err} }

// downUnlessCancelled says that the channel is in trouble, unless the service
// stopped the attempt.
func downUnlessCancelled(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return Down(err)
}

// ClassOf returns what err means; a plain error is [Temporary].
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Temporary
}
