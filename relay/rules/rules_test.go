package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/rules"
)

// book is who and what the rules of the tests may name.
func book() rules.Book {
	return rules.Book{
		Contacts: map[string]rules.Contact{
			"alice": {Email: "alice@example.com", Phone: "+15550100001"},
			"bob":   {Phone: "+15550100002"},
			"carol": {Email: "carol@example.com"},
		},
		Groups: map[string][]string{
			"managers": {"alice", "carol"},
			"oncall":   {"alice", "+15550100009"},
			"mixed":    {"alice", "bob", "carol"},
		},
		Channels: map[string]string{"email": "email", "sms": "sms", "console": "log"},
	}
}

// compile compiles rules that have no problem.
func compile(t testing.TB, list ...rules.Rule) *rules.Set {
	t.Helper()
	set, problems := rules.Compile(list, book())
	if len(problems) > 0 {
		t.Fatalf("Compile: got problems %q, want none", problems)
	}
	return set
}

// call returns the callback of a recording of 42 seconds that is completed.
func call() *callback.Callback {
	return &callback.Callback{
		AccountSid:        "b3877c40-da60",
		RecordingSid:      "19e436af-5688",
		RecordingStatus:   "completed",
		CallSid:           "CA43bb71ee",
		RecordingUrl:      "https://example.signalwire.com/recording",
		RecordingDuration: 42,
		RecordingSource:   "DialVerb",
		RecordingChannels: "2",
		Fields:            map[string]string{"From": "+15550100077", "ApiVersion": "2010-04-01"},
		Query:             map[string]string{"agent": "alice", "Team": "Sales"},
	}
}

// by returns a send by email.
func by(to ...string) []rules.Send {
	return []rules.Send{{Via: "email", To: to, Template: "recording"}}
}

// written puts deliveries into short words: what rule, channel and recipient.
func written(deliveries []rules.Delivery) []string {
	words := []string{}
	for _, d := range deliveries {
		s := fmt.Sprintf("%s: %s:%s", d.Rule, d.Channel, d.To)
		if d.Shadow {
			s += " (shadow)"
		}
		if d.Problem != "" {
			s += "! " + d.Problem
		}
		words = append(words, s)
	}
	return words
}

func TestEveryConditionLooksAtItsOwnValue(t *testing.T) {
	query := func(name string, p ...string) map[string]rules.Patterns { return map[string]rules.Patterns{name: p} }
	for name, test := range map[string]struct{ yes, no rules.Conditions }{
		"status":         {rules.Conditions{Status: rules.Patterns{"completed"}}, rules.Conditions{Status: rules.Patterns{"failed", "absent"}}},
		"source":         {rules.Conditions{Source: rules.Patterns{"dialverb", "Trunking"}}, rules.Conditions{Source: rules.Patterns{"Trunking"}}},
		"account":        {rules.Conditions{Account: rules.Patterns{"b3877c40-*"}}, rules.Conditions{Account: rules.Patterns{"CA*"}}},
		"call":           {rules.Conditions{Call: rules.Patterns{"ca43BB71EE"}}, rules.Conditions{Call: rules.Patterns{"b3877c40-da60"}}},
		"audio_channels": {rules.Conditions{AudioChannels: rules.Patterns{"2"}}, rules.Conditions{AudioChannels: rules.Patterns{"1"}}},
		"min_duration":   {rules.Conditions{MinDuration: "42s"}, rules.Conditions{MinDuration: "42.001s"}},
		"max_duration":   {rules.Conditions{MaxDuration: "42s"}, rules.Conditions{MaxDuration: "41.999s"}},
		"query":          {rules.Conditions{Query: query("Team", "sales")}, rules.Conditions{Query: query("team", "sales")}},
		"field":          {rules.Conditions{Field: query("From", "+1555*")}, rules.Conditions{Field: query("from", "+1555*")}},
		"field of the callback's own": {rules.Conditions{Field: query("RecordingDuration", "42")},
			rules.Conditions{Field: query("RecordingDuration", "042")}},
		"all of them": {
			rules.Conditions{Status: rules.Patterns{"completed"}, Source: rules.Patterns{"*"}, MinDuration: "1s", Query: query("agent", "*")},
			rules.Conditions{Status: rules.Patterns{"completed"}, Source: rules.Patterns{"*"}, MinDuration: "1s", Query: query("other", "*")},
		},
	} {
		set := compile(t, rules.Rule{Name: "yes", Conditions: test.yes, Send: by("alice")},
			rules.Rule{Name: "no", Conditions: test.no, Send: by("carol")})
		if _, got := set.Evaluate(call()); !slices.Equal(got, []string{"yes"}) {
			t.Errorf("%s: Evaluate matched %q, want only the rule yes", name, got)
		}
	}
}

func TestUnlessExceptsOnlyWhereAllOfItHolds(t *testing.T) {
	exception := &rules.Conditions{Source: rules.Patterns{"Trunking"}, MaxDuration: "10s"}
	set := compile(t, rules.Rule{Name: "r", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Unless: exception, Send: by("alice")})
	for _, test := range []struct {
		source  string
		seconds int
		want    bool
	}{
		{"DialVerb", 42, true},
		{"Trunking", 42, true},
		{"DialVerb", 10, true},
		{"Trunking", 10, false},
	} {
		cb := call()
		cb.RecordingSource, cb.RecordingDuration = test.source, test.seconds
		if _, matched := set.Evaluate(cb); (len(matched) == 1) != test.want {
			t.Errorf("Evaluate(%s, %d s): matched %q, want a match: %v", test.source, test.seconds, matched, test.want)
		}
	}
}

func TestAllMatchesEveryCallbackButItsExceptions(t *testing.T) {
	set := compile(t, rules.Rule{Name: "r", All: true, Unless: &rules.Conditions{Status: rules.Patterns{"absent"}}, Send: by("alice")})
	for _, status := range callback.Statuses {
		_, matched := set.Evaluate(&callback.Callback{RecordingStatus: status})
		if got, want := len(matched) == 1, status != "absent"; got != want {
			t.Errorf("Evaluate(%s): matched: %v, want %v", status, got, want)
		}
	}
}

// rule returns a rule that matches every call and tells people by email.
func rule(name string, to ...string) rules.Rule {
	return rules.Rule{Name: name, All: true, Send: by(to...)}
}

// named returns r under another name.
func named(name string, r rules.Rule) rules.Rule {
	r.Name = name
	return r
}

func TestRulesAreWalkedInTheirOrder(t *testing.T) {
	off, on := false, true
	disabled, enabled := rule("disabled", "alice"), rule("enabled", "alice")
	disabled.Enabled, enabled.Enabled = &off, &on
	stop, shadow, shadowStop := rule("stop", "alice"), rule("shadow", "alice"), rule("shadow stop", "alice")
	stop.Stop, shadow.Shadow, shadowStop.Shadow, shadowStop.Stop = true, true, true, true
	disabledStop := disabled
	disabledStop.Stop = true
	noStop := stop
	noStop.All, noStop.Conditions = false, rules.Conditions{Status: rules.Patterns{"failed"}}
	// One that the index finds by its status, and one by its agent.
	byStatus, byAgent := rule("status", "alice"), rule("agent", "carol")
	byStatus.All, byStatus.Status = false, rules.Patterns{"completed"}
	byAgent.All, byAgent.Query = false, map[string]rules.Patterns{"agent": {"al*", "alice"}}

	for name, test := range map[string]struct {
		rules         []rules.Rule
		want, matched []string
	}{
		"in order": {[]rules.Rule{rule("b", "carol"), byAgent, rule("a", "alice"), byStatus},
			[]string{"b: email:carol@example.com", "a: email:alice@example.com"}, []string{"b", "agent", "a", "status"}},
		"by index": {[]rules.Rule{byStatus, byAgent, named("status 2", byStatus), rule("z", "alice")},
			[]string{"status: email:alice@example.com", "agent: email:carol@example.com"}, []string{"status", "agent", "status 2", "z"}},
		"disabled": {[]rules.Rule{disabled, enabled}, []string{"enabled: email:alice@example.com"}, []string{"enabled"}},
		"stop":     {[]rules.Rule{stop, rule("late", "carol")}, []string{"stop: email:alice@example.com"}, []string{"stop"}},
		"stop of a rule that does not match": {[]rules.Rule{noStop, disabledStop, rule("late", "carol")},
			[]string{"late: email:carol@example.com"}, []string{"late"}},
		"a shadow stops nothing": {[]rules.Rule{shadowStop, rule("late", "carol")},
			[]string{"shadow stop: email:alice@example.com (shadow)", "late: email:carol@example.com"}, []string{"shadow stop", "late"}},
		"one message, whichever rules ask": {[]rules.Rule{rule("first", "alice", "Alice", "ALICE@example.com"), rule("second", "managers")},
			[]string{"first: email:alice@example.com", "second: email:carol@example.com"}, []string{"first", "second"}},
		"a shadow takes no message away": {[]rules.Rule{shadow, rule("real", "alice"), named("shadow 2", shadow)},
			[]string{"shadow: email:alice@example.com (shadow)", "real: email:alice@example.com"}, []string{"shadow", "real", "shadow 2"}},
		"nobody": {nil, []string{}, nil},
	} {
		deliveries, matched := compile(t, test.rules...).Evaluate(call())
		if got := written(deliveries); !slices.Equal(got, test.want) {
			t.Errorf("%s: Evaluate: got %q\nwant %q", name, got, test.want)
		}
		if !slices.Equal(matched, test.matched) {
			t.Errorf("%s: Evaluate matched %q, want %q", name, matched, test.matched)
		}
	}
}

func TestAnotherChannelOrTemplateIsAnotherMessage(t *testing.T) {
	set := compile(t, rules.Rule{Name: "r", All: true, Send: []rules.Send{
		{Via: "email", To: rules.Patterns{"alice"}, Template: "recording"},
		{Via: "email", To: rules.Patterns{"alice"}, Template: "absent"},
		{Via: "sms", To: rules.Patterns{"alice"}, Template: "recording"},
		{Via: "sms", To: rules.Patterns{"+15550100001"}, Template: "recording"},
	}})
	want := []rules.Delivery{
		{Rule: "r", Channel: "email", Kind: "email", To: "alice@example.com", Template: "recording"},
		{Rule: "r", Channel: "email", Kind: "email", To: "alice@example.com", Template: "absent"},
		{Rule: "r", Channel: "sms", Kind: "sms", To: "+15550100001", Template: "recording"},
	}
	if got, _ := set.Evaluate(call()); !slices.Equal(got, want) {
		t.Errorf("Evaluate: got  %+v\nwant %+v", got, want)
	}
}

func TestASetMayBeUsedAtOnce(t *testing.T) {
	var list []rules.Rule
	for i := range 10 {
		r := rule(fmt.Sprint(i), "{{.Query.agent}}@example.com")
		r.All, r.Query = false, map[string]rules.Patterns{"agent": {fmt.Sprintf("agent%d*", i), "!*x"}}
		list = append(list, r)
	}
	set := compile(t, list...)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			cb := call()
			cb.Query = map[string]string{"agent": fmt.Sprintf("Agent%d", i)}
			want := []string{fmt.Sprintf("%d: email:Agent%[1]d@example.com", i)}
			for range 200 {
				deliveries, _ := set.Evaluate(cb)
				explained := set.Explain(cb).Deliveries
				if !slices.Equal(written(deliveries), want) || !slices.Equal(written(explained), want) {
					t.Errorf("Evaluate: got %+v, Explain: %+v, want %q", deliveries, explained, want)
				}
			}
		})
	}
	all.Wait()
}

func TestALargeGroupIsToldOnce(t *testing.T) {
	b := book()
	for i := range 500 {
		b.Groups["all"] = append(b.Groups["all"], fmt.Sprintf("person%d@example.com", i))
	}
	set, problems := rules.Compile([]rules.Rule{rule("a", "all"), rule("b", "person7@example.com", "all")}, b)
	if problems != nil {
		t.Fatalf("Compile: got problems %q", problems)
	}
	deliveries, _ := set.Evaluate(call())
	seen := make(map[string]bool)
	for _, d := range deliveries {
		if seen[d.To] || d.Rule != "a" || !strings.HasPrefix(d.To, "person") {
			t.Errorf("Evaluate: got %+v, want each person once, by rule a", d)
		}
		seen[d.To] = true
	}
	if len(seen) != 500 {
		t.Errorf("Evaluate: got %d people, want 500", len(seen))
	}
}
