package rules_test

import (
	"slices"
	"testing"

	"ringpost/relay/rules"
)

func TestExplainSaysWhyARuleMatchesOrNot(t *testing.T) {
	off := false
	type patterns = map[string]rules.Patterns
	for name, test := range map[string]struct {
		change func(*rules.Rule)
		reason string
	}{
		"match":             {func(*rules.Rule) {}, "every condition holds"},
		"all":               {func(r *rules.Rule) { r.All, r.Conditions = true, rules.Conditions{} }, "it matches every callback (all = true)"},
		"off":               {func(r *rules.Rule) { r.Enabled, r.Status = &off, rules.Patterns{"absent"} }, "the rule is turned off (enabled = false)"},
		"value":             {func(r *rules.Rule) { r.Status = rules.Patterns{"absent", "failed"} }, `status is "completed", wanted absent or failed`},
		"first of two":      {func(r *rules.Rule) { r.Source, r.Call = rules.Patterns{"Trunking"}, rules.Patterns{"x"} }, `source is "DialVerb", wanted Trunking`},
		"missing":           {func(r *rules.Rule) { r.Query = patterns{"team": {"*"}} }, "query.team is missing or empty, wanted *"},
		"not empty":         {func(r *rules.Rule) { r.Query = patterns{"agent": {""}} }, `query.agent is "alice", wanted ""`},
		"negated":           {func(r *rules.Rule) { r.Query = patterns{"agent": {"!alice"}} }, `query.agent is "alice", wanted !alice`},
		"negated list":      {func(r *rules.Rule) { r.Query = patterns{"agent": {"!alice", "!b*"}} }, `query.agent is "alice", wanted !alice and !b*`},
		"one, and not":      {func(r *rules.Rule) { r.Query = patterns{"agent": {"!alice", "a*"}} }, `query.agent is "alice", wanted a* and !alice`},
		"some, and not":     {func(r *rules.Rule) { r.Query = patterns{"agent": {"a*", "b*", "!alice", "!"}} }, `query.agent is "alice", wanted a* or b*, and !alice and !""`},
		"expression":        {func(r *rules.Rule) { r.Field = patterns{"From": {`/^\+49/`}} }, `field.From is "+15550100077", wanted /^\+49/`},
		"another spelling":  {func(r *rules.Rule) { r.Source = rules.Patterns{"StartConferenceRecordingAPI"} }, `source is "DialVerb", wanted StartConferenceRecordingAPI`},
		"too short":         {func(r *rules.Rule) { r.MinDuration = "1m30s" }, "the duration is 42s, wanted at least 1m30s"},
		"too long":          {func(r *rules.Rule) { r.MaxDuration = "41s" }, "the duration is 42s, wanted at most 41s"},
		"exception":         {func(r *rules.Rule) { r.Unless = &rules.Conditions{Source: rules.Patterns{"Dial*"}} }, "its exception (unless) holds"},
		"no exception":      {func(r *rules.Rule) { r.Unless = &rules.Conditions{Source: rules.Patterns{"Trunking"}} }, "every condition holds"},
		"no and exception":  {func(r *rules.Rule) { r.Call, r.Unless = rules.Patterns{"x"}, &rules.Conditions{MinDuration: "1s"} }, `call is "CA43bb71ee", wanted x`},
		"shadow":            {func(r *rules.Rule) { r.Shadow = true }, "every condition holds; shadow rule: what it asks for is noted and not sent"},
		"twice":             {func(r *rules.Rule) { r.Send = by("alice", "managers") }, `every condition holds; email to alice@example.com is asked for by rule "r" already`},
		"the same problem":  {func(r *rules.Rule) { r.Send = by("{{index .Query `x`}}", "{{index .Query `y`}}") }, `every condition holds; email has this problem by rule "r" already: the recipient is empty: the rule's template yields nothing for this callback`},
		"hostile callbacks": {func(r *rules.Rule) { r.Query = patterns{"evil": {"x"}} }, `query.evil is "\x1b[2J\n", wanted x`},
	} {
		r := good()
		test.change(&r)
		cb := call()
		cb.Query["evil"] = "\x1b[2J\n"
		set := compile(t, r)
		got := set.Explain(cb)
		if len(got.Rules) != 1 || got.Rules[0].Name != "r" || got.Rules[0].Reason != test.reason {
			t.Errorf("%s: Explain: got  %+v\nwant the reason %s", name, got.Rules, test.reason)
		}
		if _, matched := set.Evaluate(cb); got.Rules[0].Matched != (len(matched) == 1) {
			t.Errorf("%s: Explain: got matched %v, but Evaluate matched %q", name, got.Rules[0].Matched, matched)
		}
	}
}

func TestExplainShowsEveryConditionWithWhatWasWantedAndThere(t *testing.T) {
	set := compile(t, rules.Rule{
		Name: "r",
		Conditions: rules.Conditions{
			Status: rules.Patterns{"completed"}, Source: rules.Patterns{"trunking", "DialVerb"}, Account: rules.Patterns{"*"},
			Call: rules.Patterns{"RE*"}, AudioChannels: rules.Patterns{"!1"}, MinDuration: "5s", MaxDuration: "30s",
			Query: map[string]rules.Patterns{"agent": {"alice"}, "Team": {"sales"}},
			Field: map[string]rules.Patterns{"To": {"*"}},
		},
		Unless: &rules.Conditions{Status: rules.Patterns{"completed"}, Query: map[string]rules.Patterns{"test": {"1"}}},
		Send:   by("alice"),
	})
	want := []rules.ConditionTrace{
		{Key: "status", Wanted: "completed", Actual: "completed", OK: true},
		{Key: "audio_channels", Wanted: "!1", Actual: "2", OK: true},
		{Key: "source", Wanted: "trunking or DialVerb", Actual: "DialVerb", OK: true},
		{Key: "account", Wanted: "*", Actual: "b3877c40-da60", OK: true},
		{Key: "call", Wanted: "RE*", Actual: "CA43bb71ee", OK: false},
		{Key: "min_duration", Wanted: "at least 5s", Actual: "42s", OK: true},
		{Key: "max_duration", Wanted: "at most 30s", Actual: "42s", OK: false},
		{Key: "query.Team", Wanted: "sales", Actual: "Sales", OK: true},
		{Key: "query.agent", Wanted: "alice", Actual: "alice", OK: true},
		{Key: "field.To", Wanted: "*", Actual: "", OK: false},
		{Key: "unless.status", Wanted: "completed", Actual: "completed", OK: true},
		{Key: "unless.query.test", Wanted: "1", Actual: "", OK: false},
	}
	if got := set.Explain(call()).Rules[0].Conditions; !slices.Equal(got, want) {
		t.Errorf("Explain: got conditions\n%+v\nwant\n%+v", got, want)
	}
}

func TestExplainGoesThroughAllTheRules(t *testing.T) {
	stop, late, never, off := rule("stop", "alice"), rule("late", "carol"), rule("never", "carol"), rule("off", "carol")
	no := false
	stop.Stop, off.Enabled = true, &no
	never.All, never.Status = false, rules.Patterns{"failed"}
	first := rule("first", "managers")

	got := compile(t, never, first, stop, late, named("never 2", never), off).Explain(call())
	want := []rules.RuleTrace{
		{Name: "never", Reason: `status is "completed", wanted failed`},
		{Name: "first", Index: 1, Matched: true, Reason: "it matches every callback (all = true)"},
		{Name: "stop", Index: 2, Matched: true, Reason: `it matches every callback (all = true); email to alice@example.com is asked for by rule "first" already`},
		{Name: "late", Index: 3, Reason: `not reached: rule "stop" stops the evaluation`},
		{Name: "never 2", Index: 4, Reason: `not reached: rule "stop" stops the evaluation; besides, status is "completed", wanted failed`},
		{Name: "off", Index: 5, Reason: `not reached: rule "stop" stops the evaluation; besides, the rule is turned off (enabled = false)`},
	}
	if len(got.Rules) != len(want) {
		t.Fatalf("Explain: got %d rules, want %d", len(got.Rules), len(want))
	}
	for i, w := range want {
		g := got.Rules[i]
		if g.Name != w.Name || g.Index != w.Index || g.Matched != w.Matched || g.Reason != w.Reason {
			t.Errorf("Explain: got  %+v\nwant %+v", g, w)
		}
		if g.Conditions == nil {
			t.Errorf("Explain: rule %q has no list of conditions, want one, if an empty one", g.Name)
		}
	}
	if got, want := written(got.Deliveries), []string{"first: email:alice@example.com", "first: email:carol@example.com"}; !slices.Equal(got, want) {
		t.Errorf("Explain: got deliveries %q, want %q", got, want)
	}
}
