// Package callback knows the recording status callback: how the parameters of a
// request are read (params.go), which signatures prove that SignalWire or
// Twilio sent them (signature.go), and what they must hold to be a [Callback]
// (parse.go), or a [Receipt] of a text message (receipt.go). What a callback does
// not tell, the provider says of its [Call] when it is asked (call.go).
//
// Where a signature does not verify, the doctor (doctor.go) reads the request as
// people copy it (raw.go) and tries what is usually wrong (guess.go,
// guess_body.go).
package callback

import (
	"slices"
	"strconv"
	"time"
)

// Path is where senders post callbacks.
const Path = "/callbacks/recording"

// Statuses are the recording statuses that senders know.
var Statuses = []string{InProgress, Completed, Absent, Failed}

// The recording statuses.
const (
	InProgress = "in-progress"
	Completed  = "completed"
	Absent     = "absent" // it was too short or silent
	Failed     = "failed"

	// Those of callbacks that no sender posts: Ringpost makes them itself.
	Missing     = "missing"     // a recording began, and nobody told that it ended
	Undelivered = "undelivered" // somebody was to be told, and could not be
)

// AllStatuses are those that rules and templates may meet.
var AllStatuses = append(slices.Clip(Statuses), Missing, Undelivered)

// Final reports whether a recording of that status has come to its end.
func Final(status string) bool {
	return status == Completed || status == Absent || status == Failed
}

// Callback is one recording status callback. Its fields carry the sender's own
// names, because rules and templates are written with them.
//
// A Callback is not changed once it is parsed, so it may be shared.
type Callback struct {
	// AccountSid, RecordingSid and RecordingStatus identify the callback: the
	// sender repeats it until it gets an answer.
	AccountSid      string
	RecordingSid    string
	RecordingStatus string // one of AllStatuses

	CallSid           string // empty for a conference
	RecordingUrl      string // absolute; may be empty unless the status is completed
	RecordingDuration int    // seconds; 0 where none was sent
	RecordingSource   string // as it was sent, e.g. DialVerb
	RecordingChannels string // as it was sent, e.g. "2"

	Fields map[string]string // every other parameter
	Query  map[string]string // the callback URL's query

	ReceivedAt time.Time

	// Late says that the sender did not post it: it was found by asking, and has
	// no more of a query than an earlier callback of the recording.
	Late bool

	// Call is what the provider says of the call; nil where it was not asked.
	Call *Call
}

// Field returns the callback parameter of that name, and whether there is one
// that is not empty.
func (c *Callback) Field(name string) (value string, ok bool) {
	switch name {
	case "AccountSid":
		value = c.AccountSid
	case "CallSid":
		value = c.CallSid
	case "RecordingSid":
		value = c.RecordingSid
	case "RecordingUrl":
		value = c.RecordingUrl
	case "RecordingStatus":
		value = c.RecordingStatus
	case "RecordingDuration":
		value = strconv.Itoa(c.RecordingDuration)
	case "RecordingSource":
		value = c.RecordingSource
	case "RecordingChannels":
		value = c.RecordingChannels
	default:
		value = c.Fields[name]
	}
	return value, value != ""
}
