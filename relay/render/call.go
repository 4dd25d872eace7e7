package render

import (
	"errors"

	"ringpost/relay/callback"
)

// HasCall reports whether the template of that name for messages of kind may ask
// for what the provider says of the call: {{.Call.From}}.
func (t *Templates) HasCall(kind, name string) bool {
	if !t.HaveCall() {
		return false
	}
	if _, ok := t.emails[name]; ok && kind != SMS {
		return t.callEmails[name]
	}
	return kind != Email && t.callTexts[name]
}

// HaveCall reports whether there is a template for which [Templates.HasCall] holds.
func (t *Templates) HaveCall() bool { return t != nil && len(t.callEmails)+len(t.callTexts) > 0 }

// findCalls notes which templates ask for the call.
func (t *Templates) findCalls() {
	t.callEmails, t.callTexts = make(map[string]bool), make(map[string]bool)
	for name, mail := range t.emails {
		if mail.asks("Call") {
			t.callEmails[name] = true
		}
	}
	for name, text := range t.texts {
		if textAsks(text, "Call") {
			t.callTexts[name] = true
		}
	}
}

// HasCall reports whether the text may ask for what the provider says of the call.
func (t *Text) HasCall() bool { return textAsks(t.template, "Call") }

// tryWithoutCall tries a template that asks for the call once more, as it is
// rendered where the provider has not said who called.
func tryWithoutCall(t executable) error {
	v := Sample().view()
	v.Call = &callback.Call{Problem: "no answer in time"}
	_, err := execute(t, v)
	if e, ok := errors.AsType[*Error](err); ok {
		e.Text += "; so it is where the provider has not said who called: want {{if .Call.Known}}…{{end}} around it"
	}
	return err
}
