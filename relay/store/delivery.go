package store

import (
	"time"

	"ringpost/relay/quiet"
)

// State is where a delivery stands.
type State string

const (
	Queued    State = "queued"    // waits for its first attempt, or the one a person asked for
	Sending   State = "sending"   // leased by a worker
	Retrying  State = "retrying"  // waits for another attempt
	Delivered State = "delivered" // accepted by the provider
	Dead      State = "dead"      // given up; LastError says why
	Cancelled State = "cancelled" // by a person
	Unknown   State = "unknown"   // may have been accepted; a person decides
	Shadow    State = "shadow"    // what a shadow rule would have sent
)

// States are all of them.
var States = []State{Queued, Sending, Retrying, Delivered, Dead, Cancelled, Unknown, Shadow}

// Finished reports whether nothing more happens to the delivery by itself.
func (s State) Finished() bool {
	switch s {
	case Queued, Sending, Retrying:
		return false
	}
	return true
}

// Reaches reports whether the recipient has the message, may have it, or is about
// to get it.
func (s State) Reaches() bool {
	switch s {
	case Queued, Sending, Retrying, Delivered, Unknown:
		return true
	}
	return false
}

// Retryable reports whether a person may have a delivery in that state sent
// again, or at once.
func (s State) Retryable() bool {
	switch s {
	case Queued, Retrying, Dead, Cancelled, Unknown:
		return true
	}
	return false
}

// Delivery is one message to one recipient.
type Delivery struct {
	ID         int64
	CallbackID int64
	Recording  string // the callback's RecordingSid
	ReceivedAt time.Time

	Rule    string
	Channel string
	Kind    string
	To      string
	Subject string
	Text    string // empty in lists
	HTML    string // empty in lists

	// RecordingURL is the callback's, where the provider has the audio; empty in
	// lists, or where it said none.
	RecordingURL string

	Link  *Link   // of a new one that holds a link; see [Store.Link]
	Links []*Link // of a new digest: those of its other callbacks

	Collect *Collect   // of a new one that is collected rather than sent; nil for most
	Attach  Attachment // empty in lists

	// Quiet are the hours in which it is not sent; empty once it is finished.
	Quiet quiet.Hours

	State         State
	Attempts      int  // finished ones
	Unsure        bool // an attempt was made whose outcome is not known
	CreatedAt     time.Time
	NextAttemptAt time.Time // zero once finished
	GiveUpAt      time.Time // no attempt after this one; see [Store.Expire]
	FinishedAt    time.Time // zero until finished
	LastError     string
	ProviderID    string

	Receipt   string    // how far the provider says the message is, as in [callback.Receipt]; empty where it has not
	ReceiptAt time.Time // when it said so

	Aftermath Aftermath // what has followed from it that it is, or was, dead
}
