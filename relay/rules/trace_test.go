package rules_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
		"match":            {func(*rules.Rule) {}, "every condition holds"},
		"all":              {func(r *rules.Rule) { r.All, r.Conditions = true, rules.Conditions{} }, "it matches every callback (all = true)"},
		"off":              {func(r *rules.Rule) { r.Enabled, r.Status = &off, rules.Patterns{"absent"} }, "turned off (enabled = false)"},
		"status":           {func(r *rules.Rule) { r.Status = rules.Patterns{"absent", "failed"} }, "the recording's status is completed; this rule wants absent or failed"},
		"first of two":     {func(r *rules.Rule) { r.Source, r.Call = rules.Patterns{"Trunking"}, rules.Patterns{"x"} }, "the call came by DialVerb; this rule wants Trunking"},
		"account":          {func(r *rules.Rule) { r.Account = rules.Patterns{"x*"} }, "the account is b3877c40-da60; this rule wants x*"},
		"audio channels":   {func(r *rules.Rule) { r.AudioChannels = rules.Patterns{"1"} }, "the number of audio channels is 2; this rule wants 1"},
		"missing":          {func(r *rules.Rule) { r.Query = patterns{"team": {"*"}} }, "?team= is missing from the callback's address"},
		"missing value":    {func(r *rules.Rule) { r.Query = patterns{"team": {"sales"}} }, "?team= is missing from the callback's address; this rule wants sales"},
		"empty":            {func(r *rules.Rule) { r.Query = patterns{"empty": {"!"}} }, "?empty= is empty in the callback's address"},
		"not empty":        {func(r *rules.Rule) { r.Query = patterns{"agent": {""}} }, "the callback's address says ?agent=alice; this rule wants nothing"},
		"nothing":          {func(r *rules.Rule) { r.Query = patterns{"agent": {"!*"}} }, "the callback's address says ?agent=alice; this rule wants nothing"},
		"negated":          {func(r *rules.Rule) { r.Query = patterns{"agent": {"!alice"}} }, "the callback's address says ?agent=alice; this rule wants anything but alice"},
		"negated list":     {func(r *rules.Rule) { r.Query = patterns{"agent": {"!alice", "!b*"}} }, "the callback's address says ?agent=alice; this rule wants anything but alice or b*"},
		"one, and not":     {func(r *rules.Rule) { r.Query = patterns{"agent": {"!alice", "a*"}} }, "the callback's address says ?agent=alice; this rule wants a*, but not alice"},
		"some, and not":    {func(r *rules.Rule) { r.Query = patterns{"agent": {"a*", "b*", "!alice", "!"}} }, "the callback's address says ?agent=alice; this rule wants a* or b*, but not alice or nothing"},
		"expression":       {func(r *rules.Rule) { r.Field = patterns{"From": {`/^\+49/`}} }, `the callback's From is +15550100077; this rule wants /^\+49/`},
		"no such field":    {func(r *rules.Rule) { r.Field = patterns{"To": {"+1*"}} }, "the callback has no To; this rule wants +1*"},
		"another spelling": {func(r *rules.Rule) { r.Source = rules.Patterns{"StartConferenceRecordingAPI"} }, "the call came by DialVerb; this rule wants StartConferenceRecordingAPI"},
		"too short":        {func(r *rules.Rule) { r.MinDuration = "1m30s" }, "the recording lasted 42s; this rule wants at least 1m30s"},
		"much too short":   {func(r *rules.Rule) { r.MinDuration = "7200s" }, "the recording lasted 42s; this rule wants at least 2h"},
		"too long":         {func(r *rules.Rule) { r.MaxDuration = "41s" }, "the recording lasted 42s; this rule wants at most 41s"},
		"exception":        {func(r *rules.Rule) { r.Unless = &rules.Conditions{Source: rules.Patterns{"Dial*"}} }, "its exception holds: the call came by DialVerb"},
		"larger exception": {func(r *rules.Rule) {
			r.Unless = &rules.Conditions{MaxDuration: "1m", Query: patterns{"team": {"!sales"}, "x": {""}}}
		}, "its exception holds: the recording lasted 42s, ?team= is missing from the callback's address and ?x= is missing from the callback's address"},
		"no exception":      {func(r *rules.Rule) { r.Unless = &rules.Conditions{Source: rules.Patterns{"Trunking"}} }, "every condition holds"},
		"no and exception":  {func(r *rules.Rule) { r.Call, r.Unless = rules.Patterns{"x"}, &rules.Conditions{MinDuration: "1s"} }, "the call is CA43bb71ee; this rule wants x"},
		"shadow":            {func(r *rules.Rule) { r.Shadow = true }, "trial only (shadow): it would send an email to alice@example.com and sends nothing"},
		"shadow of nobody":  {func(r *rules.Rule) { r.Shadow, r.Send = true, by("{{.Query.empty}}") }, "trial only (shadow): it sends nothing; nobody gets an email: the recipient is empty: the rule's template yields nothing for this callback"},
		"shadow, twice":     {func(r *rules.Rule) { r.Shadow, r.Send = true, by("alice", "alice") }, `trial only (shadow): it would send an email to alice@example.com and sends nothing; an email to alice@example.com is tried by rule "r" already`},
		"unknown contact":   {func(r *rules.Rule) { r.Send = by("{{.CallSid}}") }, `every condition holds; nobody gets an email: "CA43bb71ee" is no contact, no group and no email address`},
		"twice":             {func(r *rules.Rule) { r.Send = by("alice", "managers") }, "every condition holds; an email to alice@example.com is asked for twice and goes out once"},
		"the same problem":  {func(r *rules.Rule) { r.Send = by("{{index .Query `x`}}", "{{index .Query `y`}}") }, `every condition holds; nobody gets an email: the recipient is empty: the rule's template yields nothing for this callback; as for rule "r", nobody gets an email: the recipient is empty: the rule's template yields nothing for this callback`},
		"hostile callbacks": {func(r *rules.Rule) { r.Query = patterns{"evil": {"x"}} }, `the callback's address says ?evil="\x1b[2J\n"; this rule wants x`},
		"long values":       {func(r *rules.Rule) { r.Query = patterns{"long": {"x"}} }, "the callback's address says ?long=" + strings.Repeat("é", 40) + "…; this rule wants x"},
	} {
		r := good()
		test.change(&r)
		cb := call()
		cb.Query["evil"], cb.Query["long"], cb.Query["empty"] = "\x1b[2J\n", strings.Repeat("é", 4000), ""
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

func TestExplainSaysOnWhichLineARuleStands(t *testing.T) {
	first, second := good(), good()
	first.Line, second.Name, second.Line = 7, "second", 12
	got, err := json.Marshal(compile(t, first, second).Explain(call()).Rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"r","line":7,`, `"name":"second","line":12,`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("Explain: got %s, want %s in it", got, want)
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
		{Key: "audio_channels", Wanted: "anything but 1", Actual: "2", OK: true},
		{Key: "source", Wanted: "trunking or DialVerb", Actual: "DialVerb", OK: true},
		{Key: "account", Wanted: "anything", Actual: "b3877c40-da60", OK: true},
		{Key: "call", Wanted: "RE*", Actual: "CA43bb71ee", OK: false},
		{Key: "min_duration", Wanted: "at least 5s", Actual: "42s", OK: true},
		{Key: "max_duration", Wanted: "at most 30s", Actual: "42s", OK: false},
		{Key: "query.Team", Wanted: "sales", Actual: "Sales", OK: true},
		{Key: "query.agent", Wanted: "alice", Actual: "alice", OK: true},
		{Key: "field.To", Wanted: "anything", Actual: "", OK: false},
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
		{Name: "never", Reason: "the recording's status is completed; this rule wants failed"},
		{Name: "first", Index: 1, Matched: true, Reason: "it matches every callback (all = true)"},
		{Name: "stop", Index: 2, Matched: true, Reason: `it matches every callback (all = true); an email to alice@example.com goes out once, for rule "first"`},
		{Name: "late", Index: 3, Reason: `not reached: rule "stop" stops the evaluation`},
		{Name: "never 2", Index: 4, Reason: `not reached: rule "stop" stops the evaluation; nor would it match: the recording's status is completed; this rule wants failed`},
		{Name: "off", Index: 5, Reason: `not reached: rule "stop" stops the evaluation; nor would it match: turned off (enabled = false)`},
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

func TestAReasonAboutALargeGroupIsShort(t *testing.T) {
	b := book()
	for i := range 500 {
		b.Groups["all"] = append(b.Groups["all"], fmt.Sprintf("person%d@example.com", i))
	}
	first, trial := rule("first", "all"), rule("trial", "all")
	trial.Shadow = true
	set, problems := rules.Compile([]rules.Rule{first, rule("second", "all"), trial}, b)
	if problems != nil {
		t.Fatalf("Compile: got problems %q", problems)
	}
	got := set.Explain(call()).Rules
	for i, want := range []string{
		"it matches every callback (all = true)",
		`it matches every callback (all = true); an email to person0@example.com goes out once, for rule "first"; ` +
			`an email to person1@example.com goes out once, for rule "first"; an email to person2@example.com goes out once, for rule "first"; 497 more`,
		"trial only (shadow): it would send an email to person0@example.com, an email to person1@example.com, " +
			"an email to person2@example.com and 497 more and sends nothing",
	} {
		if got[i].Reason != want {
			t.Errorf("Explain: got  %s\nwant %s", got[i].Reason, want)
		}
	}
}
