package relay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
)

// Test runs the configuration's own tests and returns those that fail.
func Test(cfg *config.Config) []config.Problem {
	var problems []config.Problem
	plan := newPlan(cfg)
	for _, t := range cfg.Tests {
		for _, text := range runTest(plan, t, cfg.SignalWire.Space) {
			problems = append(problems, config.Problem{File: cfg.File, Line: t.Line, Text: fmt.Sprintf("test %q: %s", t.Name, text)})
		}
	}
	return problems
}

// Trial is a callback that somebody makes up to see what the rules would do.
type Trial struct {
	Fields, Query map[string]string // what fields leave out is filled in
	Call          map[string]string // what the provider says of the call; nil: nothing
	Late          bool              // it was found by asking
}

// callback returns the callback, as if it had been received at that time.
func (t *Trial) callback(space string, at time.Time) (*callback.Callback, error) {
	cb, err := route.Sample(t.Fields, t.Query, space, at)
	if err != nil {
		return nil, fmt.Errorf("callback: %w", err)
	}
	if cb.Late = t.Late; t.Call == nil {
		return cb, nil
	}
	if cb.Call, err = callback.NewCall(t.Call); err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	return cb, nil
}

// Explain says what cfg makes of a callback. What its fields leave out is filled in
// as it is for tests.
func Explain(cfg *config.Config, t Trial, at time.Time) (route.Explanation, error) {
	cb, err := t.callback(cfg.SignalWire.Space, at)
	if err != nil {
		return route.Explanation{}, err
	}
	return newPlan(cfg).Explain(cb), rulesKnown(cfg)
}

// rulesKnown returns nil, or that Check has left the rules out for want of a
// variable.
func rulesKnown(cfg *config.Config) error {
	if len(cfg.Rules.Definition().Rules) < len(cfg.RuleList) {
		return errors.New("the rules are not known: variables that they, contacts or groups need are not set")
	}
	return nil
}

func newPlan(cfg *config.Config) *route.Plan {
	plan := &route.Plan{Rules: cfg.Rules, Templates: cfg.Templates,
		Links: route.Links{PublicURL: cfg.Server.PublicURL, TTL: cfg.Links.TTL}}
	if cfg.SignalWire.Callable() {
		plan.LookUp = cfg.SignalWire.LookupTimeout
	}
	return plan
}

// runTest returns how what happens differs from what the test expects.
func runTest(plan *route.Plan, t config.Test, space string) (differences []string) {
	trial := Trial{Fields: t.Callback, Query: t.Query, Call: t.Call, Late: t.Late}
	cb, err := trial.callback(space, render.Sample().ReceivedAt)
	if err != nil {
		return []string{err.Error()}
	}
	explanation := plan.Explain(cb)
	sent := make(map[string]bool)
	for _, m := range explanation.Deliveries {
		if m.FallbackProblem != "" {
			differences = append(differences, fmt.Sprintf("rule %q: the fallback of a message by %s would be dead: %s", m.Rule, m.Channel, m.FallbackProblem))
		}
		switch {
		case m.Shadow:
		case m.Problem != "":
			differences = append(differences, fmt.Sprintf("rule %q: a message by %s would be dead: %s", m.Rule, m.Channel, m.Problem))
		default:
			sent[m.Channel+":"+strings.ToLower(m.To)] = true
		}
	}
	for _, want := range t.Expect {
		want = strings.ToLower(want)
		if !sent[want] {
			differences = append(differences, fmt.Sprintf("nothing goes to %s: %s", want, whyNot(explanation)))
		}
		delete(sent, want)
	}
	for _, extra := range slices.Sorted(maps.Keys(sent)) {
		differences = append(differences, fmt.Sprintf("%s gets a message and is not expected to", extra))
	}
	return differences
}

// whyNot says of the rules that send nothing why they do not.
func whyNot(e route.Explanation) string {
	trials := make(map[string]bool)
	for _, m := range e.Deliveries {
		trials[m.Rule] = trials[m.Rule] || m.Shadow
	}
	var reasons []string
	for _, r := range e.Rules {
		if !r.Matched || trials[r.Name] {
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
			path := fmt.Sprintf("rule[%d].send[%d]", i, j)
			problems = append(problems, longSMS(cfg, path, r.Name, &send)...)
			if f := send.Fallback; f != nil {
				problems = append(problems, longSMS(cfg, path+".fallback", r.Name, f.Send(&send))...)
			}
		}
	}
	return problems
}

// longSMS warns of a template whose SMS take more than one segment, where it is
// used for SMS.
func longSMS(cfg *config.Config, path, rule string, send *rules.Send) []config.Problem {
	if cfg.Channels[send.Via].Kind != render.SMS {
		return nil
	}
	data := render.Sample()
	data.Rule = rule
	data.Link = func() string { return render.SampleLink(cfg.Server.PublicURL) }
	m, err := cfg.Templates.Render(render.SMS, send.Template, data)
	if err != nil {
		return nil // reported with the templates
	}
	n, encoding := render.Segments(m.Text)
	if n <= 1 {
		return nil
	}
	return []config.Problem{{
		File: cfg.File, Line: cfg.Line(path + ".template"), Warning: true,
		Text: fmt.Sprintf("rule %q: template %q: an SMS such as this takes %d segments (%s): one is the cheapest", rule, send.Template, n, encoding),
	}}
}
