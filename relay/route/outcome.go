package route

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/store"
)

// Outcome is a message that a callback sets off, as far as two plans are to be
// compared by it.
type Outcome struct {
	Rule    string `json:"rule"`
	Channel string `json:"channel"`
	To      string `json:"to"` // empty where there is nobody
	Subject string `json:"subject"`
	Digest  string `json:"digest"` // of what it says, which is the same where the words are, and what goes with them
	Problem string `json:"problem,omitempty"`
	Shadow  bool   `json:"shadow"`
}

// copies stands for the recipient of what is archived. Its path, which differs for
// each recording, is like a subject: other plans may have another one.
const copies = "copies"

// Outcomes returns what cb sets off.
func (p *Plan) Outcomes(cb *callback.Callback) []Outcome {
	asked, _ := p.Rules.Evaluate(cb)
	outcomes := make([]Outcome, len(asked))
	for i, a := range asked {
		d := p.delivery(cb, a, p.sampleLink) // tokens differ each time, and say nothing
		if d.Kind == render.Archive {
			d.Subject, d.To = d.To, copies
		}
		outcomes[i] = Outcome{Rule: d.Rule, Channel: d.Channel, To: d.To, Subject: d.Subject, Digest: digest(d),
			Problem: d.LastError, Shadow: d.State == store.Shadow}
	}
	return outcomes
}

func digest(d *store.Delivery) string {
	parts := []string{d.Subject, d.Text, d.HTML}
	if d.Attach.Format != "" {
		parts = append(parts, fmt.Sprint(d.Attach.Format, d.Attach.MaxBytes))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// Change is what one plan does for a recipient otherwise than another.
type Change struct {
	Change    string `json:"change"` // Added, Lost or Changed
	Channel   string `json:"channel"`
	To        string `json:"to"` // empty where there is nobody, as the problem says
	Problem   string `json:"problem,omitempty"`
	Shadow    bool   `json:"shadow"` // it is about a trial, which is not sent
	Rule      string `json:"rule"`   // the one that asks for it, or did
	Messages  int    `json:"messages"`
	Recording string `json:"recording"` // of one of them
}

// The kinds of change.
const (
	Added   = "added"
	Lost    = "lost"
	Changed = "changed" // other words
)

// Comparison collects how two plans differ over many callbacks. The zero value
// is one over none.
type Comparison struct {
	changes []*Change
	found   map[Change]*Change // by the change without its numbers
}

// Changes returns the changes, in the order in which they were first found.
func (c *Comparison) Changes() []Change {
	all := make([]Change, len(c.changes))
	for i, change := range c.changes {
		all[i] = *change
	}
	return all
}

// Add compares what one callback set off before with what it would set off.
// The rule that asks for a message makes no difference to who gets it.
func (c *Comparison) Add(recording string, before, after []Outcome) {
	left := make(map[Outcome][]Outcome) // of before, by recipient
	for _, o := range before {
		left[o.recipient()] = append(left[o.recipient()], o)
	}
	var fresh []Outcome
	for _, o := range after {
		if !take(left, o, func(b Outcome) bool { return b.Digest == o.Digest }) {
			fresh = append(fresh, o)
		}
	}
	for _, o := range fresh {
		if take(left, o, func(Outcome) bool { return true }) {
			c.note(Changed, recording, o)
		} else {
			c.note(Added, recording, o)
		}
	}
	for _, o := range before { // in their order
		if list := left[o.recipient()]; len(list) > 0 {
			delete(left, o.recipient())
			for _, lost := range list {
				c.note(Lost, recording, lost)
			}
		}
	}
}

// recipient is what tells one recipient's messages from another's.
func (o Outcome) recipient() Outcome {
	return Outcome{Channel: o.Channel, To: strings.ToLower(o.To), Problem: o.Problem, Shadow: o.Shadow}
}

// take removes the first outcome for o's recipient that is like it.
func take(left map[Outcome][]Outcome, o Outcome, like func(Outcome) bool) bool {
	key := o.recipient()
	for i, b := range left[key] {
		if like(b) {
			left[key] = append(left[key][:i:i], left[key][i+1:]...)
			return true
		}
	}
	return false
}

func (c *Comparison) note(what, recording string, o Outcome) {
	key := Change{Change: what, Channel: o.Channel, To: o.To, Problem: o.Problem, Shadow: o.Shadow, Rule: o.Rule}
	change := c.found[key]
	if change == nil {
		if c.found == nil {
			c.found = make(map[Change]*Change)
		}
		change = new(key)
		change.Recording = recording
		c.found[key] = change
		c.changes = append(c.changes, change)
	}
	change.Messages++
}
