package config

import (
	"errors"
	"fmt"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// checkCalls finds rules that want to know who called where nobody can be asked.
func (l *loader) checkCalls(c *Config) {
	if c.SignalWire.Callable() || l.callableIsUnread() {
		return
	}
	for name, ch := range c.Channels {
		if text, err := render.ParsePath(ch.Path); ch.Kind == render.Archive && err == nil && text.HasCall() {
			l.refuseCall(place{}.key("channel").named(name).key("path"))
		}
	}
	for i := range c.RuleList {
		r := &c.RuleList[i]
		if r.Enabled != nil && !*r.Enabled {
			continue
		}
		at := place{element("rule", i), fmt.Sprintf("rule %q: ", r.Name)}
		l.refuseConditions(at, &r.Conditions)
		if r.Unless != nil {
			l.refuseConditions(at.key("unless"), r.Unless)
		}
		for j := range r.Send {
			l.refuseSend(place{at.path + "." + element("send", j), at.label + element("send", j)}, &r.Send[j], c)
		}
	}
}

func (l *loader) refuseConditions(at place, conditions *rules.Conditions) {
	for _, own := range []struct {
		key  string
		list rules.Patterns
	}{{"from", conditions.From}, {"to", conditions.To}, {"direction", conditions.Direction}} {
		if own.list != nil {
			l.refuseCall(at.key(own.key))
		}
	}
}

func (l *loader) refuseSend(at place, send *rules.Send, c *Config) {
	in := func(key string) place { return place{at.path + key, at.label + key + ": "} }
	for k, to := range send.To {
		if text, err := render.ParseText(to); err == nil && text.HasCall() {
			l.refuseCall(in(element(".to", k)))
		}
	}
	if c.Templates.HasCall(c.Channels[send.Via].Kind, send.Template) {
		l.refuseCall(in(".template"))
	}
	if f := send.Fallback; f != nil {
		l.refuseSend(place{at.path + ".fallback", at.label + ".fallback"}, f.Send(send), c)
	}
}

func (l *loader) refuseCall(at place) {
	l.fault(at, "SignalWire is asked who called: want [signalwire] space, project and token too")
}

// checkTestedCall checks what a test says of the call.
func (l *loader) checkTestedCall(at place, fields Fields) {
	if fields == nil {
		return
	}
	if len(fields) == 0 {
		l.fault(at, `want what is known of the call, such as { From = "+15550100002" }; without it, nothing is`)
		return
	}
	_, err := callback.NewCall(fields)
	if e, ok := errors.AsType[*callback.FieldError](err); ok {
		l.fault(at.key(e.Field), "%s", e.Reason)
	}
}
