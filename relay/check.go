package relay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// Test runs the configuration's own tests and returns those that fail.
func Test(cfg *config.Config) []config.Problem {
	var problems []config.Problem
	plan := &route.Plan{Rules: cfg.Rules, Templates: cfg.Templates}
	for _, t := range cfg.Tests {
		for _, text := range runTest(plan, t, cfg.SignalWire.Space) {
			problems = append(problems, config.Problem{File: cfg.File, Line: t.Line, Text: fmt.Sprintf("test %q: %s", t.Name, text)})
		}
	}
	return problems
}

// runTest returns how what happens differs from what the test expects.
func runTest(plan *route.Plan, t config.Test, space string) (differences []string) {
	sample := render.Sample().Callback
	fields := map[string]string{ // what a test leaves out
		"AccountSid":        sample.AccountSid,
		"CallSid":           sample.CallSid,
		"RecordingSid":      sample.RecordingSid,
		"RecordingUrl":      sample.RecordingUrl,
		"RecordingStatus":   sample.RecordingStatus,
		"RecordingDuration": fmt.Sprint(sample.RecordingDuration),
	}
	maps.Copy(fields, t.Callback)
	cb, err := callback.New(fields, t.Query, cmp.Or(space, "example.signalwire.com"), sample.ReceivedAt)
	if err != nil {
		return []string{"callback: " + err.Error()}
	}
	deliveries, _ := plan.Deliveries(cb)
	sent := make(map[string]bool)
	for _, d := range deliveries {
		switch d.State {
		case store.Queued:
			sent[d.Channel+":"+strings.ToLower(d.To)] = true
		case store.Dead:
			differences = append(differences, fmt.Sprintf("rule %q: a message by %s would be dead: %s", d.Rule, d.Channel, d.LastError))
		}
	}
	trace := plan.Rules.Explain(cb)
	for _, want := range t.Expect {
		want = strings.ToLower(want)
		if !sent[want] {
			differences = append(differences, fmt.Sprintf("nothing goes to %s: %s", want, whyNot(trace)))
		}
		delete(sent, want)
	}
	for _, extra := range slices.Sorted(maps.Keys(sent)) {
		differences = append(differences, fmt.Sprintf("%s gets a message and is not expected to", extra))
	}
	return differences
}

// whyNot says of the rules that did not match why they did not.
func whyNot(trace rules.Trace) string {
	var reasons []string
	for _, r := range trace.Rules {
		if !r.Matched {
			reasons = append(reasons, fmt.Sprintf("rule %q: %s", r.Name, r.Reason))
		}
	}
	if len(reasons) == 0 {
		return "every rule matches, and none sends it"
	}
	return strings.Join(reasons, "; ")
}

// Warnings returns what is allowed and may surprise: an SMS that takes more
// than one segment is paid for more than once.
func Warnings(cfg *config.Config) []config.Problem {
	var problems []config.Problem
	for i, r := range cfg.RuleList {
		for j, send := range r.Send {
			if cfg.Channels[send.Via].Kind != render.SMS {
				continue
			}
			data := render.Sample()
			data.Rule = r.Name
			m, err := cfg.Templates.Render(render.SMS, send.Template, data)
			if err != nil {
				continue // reported with the templates
			}
			if n, encoding := render.Segments(m.Text); n > 1 {
				problems = append(problems, config.Problem{
					File: cfg.File, Line: cfg.Line(fmt.Sprintf("rule[%d].send[%d].template", i, j)), Warning: true,
					Text: fmt.Sprintf("rule %q: template %q: an SMS such as this takes %d segments (%s): one is the cheapest",
						r.Name, send.Template, n, encoding),
				})
			}
		}
	}
	return problems
}
