package rules

import (
	"fmt"
	"strings"

	"ringpost/relay/callback"
)

// Trace says how the rules decided about one callback.
type Trace struct {
	Rules      []RuleTrace
	Deliveries []Delivery
}

// RuleTrace says how one rule decided, and why in words.
type RuleTrace struct {
	Name       string           `json:"name"`
	Line       int              `json:"line"` // of the configuration file; 0 where that is not known
	Index      int              `json:"-"`    // among the rules
	Matched    bool             `json:"matched"`
	Reason     string           `json:"reason"`
	Conditions []ConditionTrace `json:"conditions"`

	duplicates []string
}

// ConditionTrace says whether one condition held.
type ConditionTrace struct {
	Key    string `json:"key"`
	Wanted string `json:"wanted"`
	Actual string `json:"actual"`
	OK     bool   `json:"ok"`
}

// Explain takes cb through all the rules as [Set.Evaluate] does, and notes why.
func (s *Set) Explain(cb *callback.Callback) Trace {
	v := s.take(cb)
	defer s.values.Put(v)
	w := walk{set: s, values: v}
	t := Trace{Rules: make([]RuleTrace, len(s.rules))}
	stoppedBy := ""
	for i := range s.rules {
		r, trace := &s.rules[i], &t.Rules[i]
		trace.Name, trace.Line, trace.Index = r.name, r.line, i
		if stoppedBy != "" {
			trace.judge(r, v)
			trace.skip(stoppedBy)
			continue
		}
		before := len(w.deliveries)
		if w.visit(r, trace) {
			stoppedBy = r.name
		}
		trace.conclude(r, w.deliveries[before:])
	}
	t.Deliveries = w.deliveries
	return t
}

// judge evaluates every condition of the rule, and reports whether it matches.
func (t *RuleTrace) judge(r *rule, v *values) bool {
	t.Matched, t.Conditions = r.enabled, []ConditionTrace{}
	if !r.enabled {
		t.Reason = "turned off (enabled = false)"
	}
	if !r.hears(v.callback) {
		t.fail(`a message could not be delivered; this rule does not say status = "undelivered"`)
	}
	for i := range r.conditions {
		c := r.conditions[i].explain(v)
		t.Conditions = append(t.Conditions, c)
		if !c.OK {
			t.fail(r.conditions[i].whyNot(v))
		}
	}
	exempt := len(r.exceptions) > 0
	var facts []string
	for i := range r.exceptions {
		c := r.exceptions[i].explain(v)
		c.Key = "unless." + c.Key
		exempt = exempt && c.OK
		t.Conditions = append(t.Conditions, c)
		facts = append(facts, r.exceptions[i].fact(v))
	}
	if exempt {
		t.fail("its exception holds: " + inWords(facts, "and"))
	}
	return t.Matched
}

// fail notes the first reason why the rule does not match.
func (t *RuleTrace) fail(reason string) {
	if t.Reason == "" {
		t.Reason = reason
	}
	t.Matched = false
}

// skip gives a rule that was not reached its reason, and keeps another why it
// would not match.
func (t *RuleTrace) skip(stoppedBy string) {
	reason := fmt.Sprintf("not reached: rule %q stops the evaluation", stoppedBy)
	if t.Reason != "" {
		reason += "; nor would it match: " + t.Reason
	}
	t.Matched, t.Reason = false, reason
}

// duplicate notes a delivery that another rule, or this one, asked for first. t
// may be nil.
func (t *RuleTrace) duplicate(d Delivery, owner string) {
	switch {
	case t == nil:
	case d.Problem != "":
		t.duplicates = append(t.duplicates, fmt.Sprintf("as for rule %q, %s", owner, d.problem()))
	case d.Shadow:
		t.duplicates = append(t.duplicates, fmt.Sprintf("%s is tried by rule %q already", d.message(), owner))
	case owner == d.Rule:
		t.duplicates = append(t.duplicates, d.message()+" is asked for twice and goes out once")
	default:
		t.duplicates = append(t.duplicates, fmt.Sprintf("%s goes out once, for rule %q", d.message(), owner))
	}
}

// conclude gives a rule that matched its reason. own are the deliveries that it
// was the first to ask for.
func (t *RuleTrace) conclude(r *rule, own []Delivery) {
	if !t.Matched {
		return
	}
	reason := "every condition holds"
	if len(r.conditions) == 0 {
		reason = "it matches every callback (all = true)"
	}
	var messages, problems []string
	for i := range own {
		if own[i].Problem != "" {
			problems = append(problems, own[i].problem())
		} else {
			messages = append(messages, own[i].message())
		}
	}
	if r.shadow {
		reason = "trial only (shadow): it would send " + inWords(atMostThree(messages), "and") + " and sends nothing"
		if len(messages) == 0 {
			reason = "trial only (shadow): it sends nothing"
		}
	}
	for _, more := range [][]string{problems, t.duplicates} {
		if len(more) > 0 {
			reason += "; " + strings.Join(atMostThree(more), "; ")
		}
	}
	t.Reason = reason
}

// message says what the delivery is and to whom.
func (d *Delivery) message() string { return kindWords(d.Kind) + " to " + d.To }

// problem says why nobody is told.
func (d *Delivery) problem() string { return "nobody gets " + kindWords(d.Kind) + ": " + d.Problem }

// atMostThree keeps a reason short where it is about a large group.
func atMostThree(items []string) []string {
	if len(items) <= 3 {
		return items
	}
	return append(items[:3:3], fmt.Sprintf("%d more", len(items)-3))
}
