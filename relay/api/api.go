// Package api is the API of the admin listener as both sides know it: its JSON,
// and a client for it (client.go). Package admin serves it.
package api

import (
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/route"
	"ringpost/relay/rules"
)

// MaxLimit is how many rows a list may be asked for at once.
const MaxLimit = 1000

// RequestError is a request that cannot be followed as it is. It says what would
// be right, and is answered with 400.
type RequestError struct{ Text string }

func (e *RequestError) Error() string { return e.Text }

// ProviderError is what a mail server or SMS provider said to a request that
// depends on it, and what to do about it. It is answered with 502.
type ProviderError struct{ Text string }

func (e *ProviderError) Error() string { return e.Text }

// Callback is a stored callback.
type Callback struct {
	ID         int64             `json:"id"`
	Recording  string            `json:"recording"`
	Account    string            `json:"account"`
	Call       string            `json:"call"`
	Status     string            `json:"status"`
	Source     string            `json:"source"`
	Duration   int               `json:"duration"` // seconds
	Late       bool              `json:"late"`     // found by asking SignalWire: no callback had come
	Channels   string            `json:"channels"`
	URL        string            `json:"url"`
	Fields     map[string]string `json:"fields"`
	Query      map[string]string `json:"query"`
	ReceivedAt time.Time         `json:"received_at"`
	RoutedAt   *time.Time        `json:"routed_at"` // null until its deliveries are written

	CallDetails *Call `json:"call_details"` // null where the provider was not asked about the call
}

// Call is what the provider has said of a call, or why it has not.
type Call struct {
	Known     bool       `json:"known"`
	From      string     `json:"from"`
	To        string     `json:"to"`
	Direction string     `json:"direction"`
	StartTime *time.Time `json:"start_time"`
	Problem   string     `json:"problem,omitempty"` // why it is not known
}

// Lookup is what a callback waits for whose rules want to know who called.
type Lookup struct {
	Attempts  int       `json:"attempts"`
	LastError string    `json:"last_error"`
	NextAt    time.Time `json:"next_attempt_at"`
	Deadline  time.Time `json:"deadline"` // then it goes on without
}

// Parsed returns the callback as rules and templates see it.
func (c *Callback) Parsed() *callback.Callback {
	cb := &callback.Callback{
		AccountSid: c.Account, RecordingSid: c.Recording, RecordingStatus: c.Status, CallSid: c.Call, RecordingUrl: c.URL,
		RecordingDuration: c.Duration, RecordingSource: c.Source, RecordingChannels: c.Channels,
		Fields: c.Fields, Query: c.Query, ReceivedAt: c.ReceivedAt, Late: c.Late,
	}
	if d := c.CallDetails; d != nil {
		cb.Call = &callback.Call{Known: d.Known, From: d.From, To: d.To, Direction: d.Direction, Problem: d.Problem}
		if d.StartTime != nil {
			cb.Call.StartTime = *d.StartTime
		}
	}
	return cb
}

// Replay is what the rules in force make of callbacks that are stored.
type Replay struct {
	Callbacks []Replayed `json:"callbacks"` // newest first
}

// Replayed is a callback with the messages that it would set off now.
type Replayed struct {
	Callback Callback        `json:"callback"`
	Messages []route.Outcome `json:"messages"`
}

// Callbacks is a page of callbacks, newest first.
type Callbacks struct {
	Callbacks []Callback `json:"callbacks"`
	Next      string     `json:"next,omitempty"` // what after is for the next page; empty at the end
}

// Trace is a stored callback, how the rules decided about it then, and what came
// of it.
type Trace struct {
	Callback
	Rules      []rules.RuleTrace `json:"rules"`          // as they were then; null where that is not known
	Note       string            `json:"note,omitempty"` // why it is not known
	Deliveries []Delivery        `json:"deliveries"`
	Lookup     *Lookup           `json:"lookup,omitempty"`  // null where it does not wait to know who called
	Digests    []Digest          `json:"digests,omitempty"` // that it waits in
}

// Digest is a message that is still collecting recordings.
type Digest struct {
	Rule    string    `json:"rule"`
	Channel string    `json:"channel"`
	Kind    string    `json:"kind"`
	To      string    `json:"to"`
	Shadow  bool      `json:"shadow"`
	DueAt   time.Time `json:"due_at"`
	Why     string    `json:"why"` // where it stands, in a sentence
}

// Delivery is a delivery, without what it says.
type Delivery struct {
	ID            int64      `json:"id"`
	Recording     string     `json:"recording"`
	Callback      int64      `json:"callback"`
	Rule          string     `json:"rule"`
	Channel       string     `json:"channel"`
	Kind          string     `json:"kind"`
	To            string     `json:"to"`
	Subject       string     `json:"subject"`
	State         string     `json:"state"`
	Why           string     `json:"why"` // where it stands, in a sentence
	Attempts      int        `json:"attempts"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	LastError     string     `json:"last_error"`
	ProviderID    string     `json:"provider_id"`
	CreatedAt     time.Time  `json:"created_at"`
	FinishedAt    *time.Time `json:"finished_at"`
	Receipt       string     `json:"receipt"` // how far an SMS is, as the provider says; empty where it has not
	ReceiptAt     *time.Time `json:"receipt_at"`

	// Of a single delivery only.
	Recordings int         `json:"recordings,omitempty"` // that a digest tells of; 0 for a delivery that is none
	Link       *Link       `json:"link,omitempty"`       // null where what it says has none
	Attachment *Attachment `json:"attachment,omitempty"` // null where no recording goes with it
	History    []Attempt   `json:"history,omitempty"`
	Operations []Operation `json:"operations,omitempty"`
}

// Link is what is known of the link in what a delivery says. What it leads to is
// for the recipient.
type Link struct {
	Opens     int        `json:"opens"`
	OpenedAt  *time.Time `json:"opened_at"` // last; null where it was not opened
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// Attachment is the recording that goes with an email, and what came of it.
type Attachment struct {
	Format   string `json:"format"`             // mp3 or wav, where the recording comes in both
	MaxBytes int64  `json:"max_bytes"`          // a larger one is left out
	Bytes    int64  `json:"bytes"`              // of the recording that went with it; 0 where none did, or none has yet
	LeftOut  string `json:"left_out,omitempty"` // why it has a link in its place
}

// Deliveries is a page of deliveries, newest first.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       string     `json:"next,omitempty"` // what after is for the next page; empty at the end
}

// Attempt is one attempt at a delivery.
type Attempt struct {
	Number    int       `json:"number"`
	StartedAt time.Time `json:"started_at"`
	Seconds   float64   `json:"seconds"`
	Error     string    `json:"error"`
}

// Operation is what a person did to a delivery, or to its channel meanwhile.
type Operation struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	What string    `json:"what"`
}

// Retried is what a retry of many deliveries came to.
type Retried struct {
	Retried int `json:"retried"` // that are due at once
}

// CaughtUp is what came of asking the provider for recordings.
type CaughtUp struct {
	Found int `json:"found"` // recordings that ended in that time
	New   int `json:"new"`   // of them those of which no callback had come: they are received late
}

// Channels are the channels of the configuration, and those that deliveries still
// wait for.
type Channels struct {
	Channels []Channel `json:"channels"` // by name
}

// Channel is a channel as the node that answers knows it.
type Channel struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`           // empty where the configuration does not have it
	State string `json:"state"`          // up, down or paused
	Rate  string `json:"rate,omitempty"` // as configured; empty where there is none
	Why   string `json:"why"`            // the state in a sentence

	Since       time.Time  `json:"since"` // of the state
	LastError   string     `json:"last_error"`
	LastErrorAt *time.Time `json:"last_error_at"`
	Waiting     int        `json:"waiting"`   // deliveries, counted up to MaxWaiting
	OldestAt    *time.Time `json:"oldest_at"` // when the oldest of them was made
}

// MaxWaiting is how far the deliveries that wait for a channel are counted.
const MaxWaiting = 10_000

// Tested is what the provider calls a test message.
type Tested struct {
	ProviderID string `json:"provider_id"`
}
