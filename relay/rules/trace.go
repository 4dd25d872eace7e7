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
	Index      int              `json:"-"` // among the rules
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
		trace.Name, trace.Index = r.name, i
		if stoppedBy != "" {
			trace.judge(r, v)
			trace.skip(stoppedBy)
			continue
		}
		if w.visit(r, trace) {
			stoppedBy = r.name
		}
		trace.conclude(r)
	}
	t.Deliveries = w.deliveries
	return t
}

// judge evaluates every condition of the rule, and reports whether it matches.
func (t *RuleTrace) judge(r *rule, v *values) bool {
	t.Matched, t.Conditions = r.enabled, []ConditionTrace{}
	if !r.enabled {
		t.Reason = "the rule is turned off (enabled = false)"
	}
	for i := range r.conditions {
		c := r.conditions[i].explain(v)
		t.Conditions = append(t.Conditions, c)
		if !c.OK {
			t.fail(fmt.Sprintf("%s, wanted %s", r.conditions[i].state(c.Actual), c.Wanted))
		}
	}
	exempt := len(r.exceptions) > 0
	for i := range r.exceptions {
		c := r.exceptions[i].explain(v)
		c.Key = "unless." + c.Key
		exempt = exempt && c.OK
		t.Conditions = append(t.Conditions, c)
	}
	if exempt {
		t.fail("its exception (unless) holds")
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
		reason += "; besides, " + t.Reason
	}
	t.Matched, t.Reason = false, reason
}

// duplicate notes a delivery that another rule, or this one, asked for first. t
// may be nil.
func (t *RuleTrace) duplicate(d Delivery, owner string) {
	switch {
	case t == nil:
	case d.Problem != "":
		t.duplicates = append(t.duplicates, fmt.Sprintf("%s has this problem by rule %q already: %s", d.Channel, owner, d.Problem))
	default:
		t.duplicates = append(t.duplicates, fmt.Sprintf("%s to %s is asked for by rule %q already", d.Channel, d.To, owner))
	}
}

// conclude gives a rule that matched its reason.
func (t *RuleTrace) conclude(r *rule) {
	if !t.Matched {
		return
	}
	reasons := []string{"every condition holds"}
	if len(r.conditions) == 0 {
		reasons[0] = "it matches every callback (all = true)"
	}
	if r.shadow {
		reasons = append(reasons, "shadow rule: what it asks for is noted and not sent")
	}
	t.Reason = strings.Join(append(reasons, t.duplicates...), "; ")
}
