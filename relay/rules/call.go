package rules

import (
	"ringpost/relay/callback"
	"ringpost/relay/render"
)

// isOfCall reports whether the slot is something that the provider says of the
// call, when it is asked.
func (s slot) isOfCall() bool {
	return s.kind == keyFrom || s.kind == keyTo || s.kind == keyDirection
}

// ofCall returns the slot's value, which is empty where nothing is known.
func (s slot) ofCall(call *callback.Call) string {
	switch {
	case call == nil:
		return ""
	case s.kind == keyFrom:
		return call.From
	case s.kind == keyTo:
		return call.To
	}
	return call.Direction
}

func isKnown(call *callback.Call) bool { return call != nil && call.Known }

// unsaidOfCall says why a slot of the call is empty.
func unsaidOfCall(kind string, cb *callback.Callback) string {
	if isKnown(cb.Call) {
		return "the provider does not say " + map[string]string{
			keyFrom: "who called", keyTo: "who was called", keyDirection: "which direction the call had"}[kind]
	}
	return whyUnknown(cb)
}

// whyUnknown says why nothing is known of the call.
func whyUnknown(cb *callback.Callback) string {
	switch {
	case cb.Call != nil && cb.Call.Problem != "":
		return "who called is not known (" + cb.Call.Problem + ")"
	case cb.CallSid == "":
		return "who called is not known: the callback names no call"
	}
	return "who called is not known"
}

// findCalls notes what of the set looks at the call.
func (s *Set) findCalls() {
	asked := false
	without := make([]rule, len(s.rules))
	for i := range s.rules {
		r := &s.rules[i]
		without[i] = *r
		without[i].conditions = nil
		for _, c := range r.conditions {
			if !c.call {
				without[i].conditions = append(without[i].conditions, c)
			}
		}
		asked = asked || len(without[i].conditions) < len(r.conditions)
		s.looksAtCall = s.looksAtCall || r.looksAtCall()
	}
	if asked {
		x := newIndex(without)
		s.unanswered = &x
	}
}

// looksAtCall reports whether a condition or a recipient of the rule does.
func (r *rule) looksAtCall() bool {
	if lookAtCall(r.conditions) || lookAtCall(r.exceptions) {
		return true
	}
	for i := range r.sends {
		if r.sends[i].asksForCall() {
			return true
		}
	}
	return false
}

func lookAtCall(conditions []condition) bool {
	for i := range conditions {
		if conditions[i].call {
			return true
		}
	}
	return false
}

func (s *send) asksForCall() bool {
	for i := range s.recipients {
		if s.recipients[i].call {
			return true
		}
	}
	return s.fallback != nil && s.fallback.asksForCall() // which may be used when nobody can be asked any more
}

// saysCall reports whether what the send says, or its fallback, asks for the call.
func (s *send) saysCall(t *render.Templates) bool {
	return t.HasCall(s.kind, s.template) || s.fallback != nil && s.fallback.saysCall(t)
}

// NeedsCall reports whether it takes the call to decide about cb, or to say what
// is to be said about it in the words of t: a rule that is reached, and whose other
// conditions hold, looks at it. Where neither the rules nor t ever do, it costs
// nothing.
func (s *Set) NeedsCall(cb *callback.Callback, t *render.Templates) bool {
	if !s.looksAtCall && !t.HaveCall() {
		return false
	}
	v := s.take(cb)
	defer s.values.Put(v)
	x := &s.index
	if s.unanswered != nil {
		x = s.unanswered
	}
	for _, i := range x.candidates(v) {
		needs, stop := s.rules[i].needsCall(v, t)
		if needs || stop {
			return needs
		}
	}
	return false
}

// needsCall reports whether the rule needs the call, or else whether the walk ends
// with it.
func (r *rule) needsCall(v *values, t *render.Templates) (needs, stop bool) {
	if !r.hears(v.callback) || !mayHold(r.conditions, v) {
		return false, false
	}
	if len(r.exceptions) > 0 && mayHold(r.exceptions, v) {
		return lookAtCall(r.exceptions), false // else it is exempt, whoever called
	}
	if lookAtCall(r.conditions) {
		return true, false
	}
	for i := range r.sends {
		s := &r.sends[i]
		if s.asksForCall() || s.saysCall(t) {
			return true, false
		}
	}
	return false, r.stop && !r.shadow
}

// mayHold reports whether all conditions hold that do not look at the call.
func mayHold(conditions []condition, v *values) bool {
	for i := range conditions {
		if !conditions[i].call && !conditions[i].holds(v) {
			return false
		}
	}
	return true
}
