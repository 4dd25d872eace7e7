// Package rules decides who is told about a callback.
//
// The rules of a configuration (definition.go) are compiled once, with all that
// can be wrong with them reported (compile.go): their conditions (condition.go)
// are lists of patterns (pattern.go), some about what the provider says of the call
// when it is asked (call.go), and an index (index.go) keeps those rules
// away that cannot match. For a callback, the matching rules are walked in
// their order, and their recipients (recipient.go), who are looked up in the
// book of contacts and groups (book.go), become deliveries. Each carries the quiet
// hours of its send and of its recipient (quiet.go), and a recording may go with it
// (attach.go); an archive has paths in place of recipients (archive.go). Explain
// (trace.go) takes the same walk and notes the reasons, in words (words.go) that
// ask for no knowledge of the file. What takes the place of a delivery that failed
// is found by the same rules (fallback.go).
//
// It promises that nobody is forgotten in silence: each recipient of a rule that
// matches is in a delivery, if only in one that says why nobody can be told.
package rules

import (
	"strings"
	"sync"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/quiet"
	"ringpost/relay/render"
)

// Set is a list of compiled rules. It does not change, and may be used at once.
type Set struct {
	definition Definition

	rules  []rule
	slots  []slot
	index  index
	book   book
	values sync.Pool // of *values

	looksAtCall bool   // a condition or a recipient does
	unanswered  *index // as index, without the conditions that look at the call; nil where there are none
	fallbacks   bool   // a send has one
}

// Delivery is one message that a callback asks for.
type Delivery struct {
	Rule     string
	Channel  string
	Kind     string        // the channel's
	To       string        // an email address, a phone number, or a path in an archive
	Template string        // of the words; of an archive, that of its paths
	Quiet    quiet.Hours   // in which it is not sent
	Digest   time.Duration // for which it is collected with others; 0: it is sent by itself
	Shadow   bool          // it is only noted, not sent
	Problem  string        // why nobody can be told; empty where somebody can
	Attach   *Attach       // what goes with it; nil for nothing
}

// rule is a compiled rule. Its conditions and exceptions begin with those whose
// values tell least.
type rule struct {
	name       string
	line       int
	enabled    bool
	stop       bool
	shadow     bool
	byStatus   bool // it says which statuses it is about
	conditions []condition
	exceptions []condition // unless; it holds where all of them do
	sends      []send
}

// send is a compiled [[rule]] send entry.
type send struct {
	channel, kind, template string
	recipients              []recipient
	quiet                   quiet.Hours
	digest                  time.Duration // 0: nothing is collected
	attach                  *Attach       // nil for nothing
	fallback                *send         // what takes the place of its messages; nil for nothing
}

// Definition returns what the set was compiled from. It is not to be changed.
func (s *Set) Definition() Definition { return s.definition }

// Evaluate returns the deliveries that cb asks for, in the order of the rules,
// and the names of the rules that matched. The same channel, template and
// recipient is one delivery, whichever rules asked for it.
func (s *Set) Evaluate(cb *callback.Callback) (deliveries []Delivery, matched []string) {
	v := s.take(cb)
	defer s.values.Put(v)
	w := walk{set: s, values: v}
	for _, i := range s.index.candidates(v) {
		if w.visit(&s.rules[i], nil) {
			break
		}
	}
	return w.deliveries, w.matched
}

// walk is one callback's way through the rules.
type walk struct {
	set        *Set
	values     *values
	deliveries []Delivery
	matched    []string
	owners     map[identity]string // the rule that asked first; nil before the second delivery
}

// identity is what makes two deliveries the same.
type identity struct {
	channel, template, to, problem string

	// What is only noted takes nothing away from what is sent.
	shadow bool
}

// visit evaluates one rule and reports whether the walk ends with it. trace may
// be nil.
func (w *walk) visit(r *rule, trace *RuleTrace) (stop bool) {
	if !r.matches(w.values, trace) {
		return false
	}
	w.matched = append(w.matched, r.name)
	data := render.Data{Callback: w.values.callback, Rule: r.name}
	for i := range r.sends {
		s := &r.sends[i]
		for j := range s.recipients {
			for _, found := range s.recipients[j].resolve(&w.set.book, s.kind, data) {
				d := Delivery{Rule: r.name, Channel: s.channel, Kind: s.kind, To: found.to,
					Template: s.template, Shadow: r.shadow, Problem: found.problem, Attach: s.attach}
				d.Digest = s.digest
				w.set.book.hush(&d, s.quiet)
				w.add(d, trace)
			}
		}
	}
	// A shadow rule changes nothing, so it stops nothing.
	return r.stop && !r.shadow
}

// add keeps a delivery unless the same one was asked for before.
func (w *walk) add(d Delivery, trace *RuleTrace) {
	if len(w.deliveries) > 0 {
		if w.owners == nil {
			first := &w.deliveries[0]
			w.owners = map[identity]string{first.identity(): first.Rule}
		}
		id := d.identity()
		if owner, ok := w.owners[id]; ok {
			w.hurry(&d)
			if d.Attach != nil {
				w.also(&d)
			}
			trace.duplicate(d, owner)
			return
		}
		w.owners[id] = d.Rule
	}
	w.deliveries = append(w.deliveries, d)
}

// identity returns what d shares with those that are the same. No mail server
// in use tells addresses apart by their case.
func (d *Delivery) identity() identity {
	return identity{d.Channel, d.Template, strings.ToLower(d.To), d.Problem, d.Shadow}
}

// matches reports whether the rule is on and its conditions hold.
func (r *rule) matches(v *values, trace *RuleTrace) bool {
	if trace != nil {
		return trace.judge(r, v)
	}
	return r.enabled && r.hears(v.callback) && allHold(r.conditions, v) && (len(r.exceptions) == 0 || !allHold(r.exceptions, v))
}

// hears reports whether the rule may match cb at all. What tells that a message
// could not be delivered is for rules that ask for its status: others would send
// the same again, to all whom they told before.
func (r *rule) hears(cb *callback.Callback) bool {
	return r.byStatus || cb.RecordingStatus != callback.Undelivered
}

func allHold(conditions []condition, v *values) bool {
	for i := range conditions {
		if !conditions[i].holds(v) {
			return false
		}
	}
	return true
}
