package route

import (
	"cmp"
	"maps"
	"strconv"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/quiet"
	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// Explanation says what a callback sets off, and why: how each rule decided, and
// the messages as they would go out.
type Explanation struct {
	Rules      []rules.RuleTrace `json:"rules"`
	Deliveries []Message         `json:"deliveries"`
	NeedsCall  bool              `json:"needs_call"` // it depends on the call, of which nothing is said here
}

// Message is a message as it would go out.
type Message struct {
	Rule     string `json:"rule"`
	Channel  string `json:"channel"`
	Kind     string `json:"kind"`
	To       string `json:"to"`
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	HTML     string `json:"html"`
	Segments int    `json:"segments"` // that carriers make of an SMS; 0 for other kinds
	Shadow   bool   `json:"shadow"`   // it would only be noted

	// Quiet are the hours in which it waits, and HeldUntil is when those end that the
	// callback was received in; zero where it was in none.
	Quiet     quiet.Hours `json:"quiet,omitempty"`
	HeldUntil time.Time   `json:"held_until,omitzero"`

	Digest string `json:"digest,omitempty"` // for how long it is collected with others, such as 1h; empty: it is not

	Problem string `json:"problem,omitempty"` // why it cannot go out; empty where it can

	Attach    string `json:"attach,omitempty"`     // the format of the recording that would go with it
	AttachMax int64  `json:"attach_max,omitempty"` // in bytes; of a larger one there would be a link only

	// What would take its place, if it could not be delivered, and why that could
	// not be sent either.
	Fallback        string `json:"fallback,omitempty"`
	FallbackProblem string `json:"fallback_problem,omitempty"`
}

// Explain says what [Plan.Deliveries] makes of cb, with a sample in place of each
// link.
func (p *Plan) Explain(cb *callback.Callback) Explanation {
	trace := p.Rules.Explain(cb)
	e := Explanation{Rules: trace.Rules, Deliveries: make([]Message, len(trace.Deliveries)), NeedsCall: p.NeedsCall(cb)}
	for i, asked := range trace.Deliveries {
		d := p.delivery(cb, asked, p.sampleLink)
		e.Deliveries[i] = Message{
			Rule: d.Rule, Channel: d.Channel, Kind: d.Kind, To: d.To, Subject: d.Subject, Text: d.Text, HTML: d.HTML,
			Shadow: asked.Shadow, Problem: d.LastError, Quiet: d.Quiet, HeldUntil: d.Held(cb.ReceivedAt),
			Digest: period(asked.Digest),
			Attach: d.Attach.Format, AttachMax: d.Attach.MaxBytes,
		}
		e.Deliveries[i].Fallback, e.Deliveries[i].FallbackProblem = p.fallback(cb, &asked)
		if d.Kind == render.SMS && d.Text != "" {
			e.Deliveries[i].Segments, _ = render.Segments(d.Text)
		}
	}
	return e
}

// Sample returns a callback to try rules with. What fields leave out of it is
// filled in, so that it is that of a finished call.
func Sample(fields, query map[string]string, space string, at time.Time) (*callback.Callback, error) {
	sample := render.Sample().Callback
	all := map[string]string{
		"AccountSid":        sample.AccountSid,
		"CallSid":           sample.CallSid,
		"RecordingSid":      sample.RecordingSid,
		"RecordingUrl":      sample.RecordingUrl,
		"RecordingStatus":   sample.RecordingStatus,
		"RecordingDuration": strconv.Itoa(sample.RecordingDuration),
	}
	maps.Copy(all, fields)
	return callback.New(all, query, cmp.Or(space, "example.signalwire.com"), at)
}
