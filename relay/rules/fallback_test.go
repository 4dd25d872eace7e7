package rules_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ringpost/relay/rules"
)

// texts returns a send by SMS whose fallback is an email to others.
func texts(to string, others ...string) rules.Send {
	s := rules.Send{Via: "sms", To: rules.Patterns{to}, Template: "link"}
	if others != nil {
		s.Fallback = &rules.Fallback{Via: "email", To: others}
	}
	return s
}

// asked returns the one delivery to that address, or nobody, that a set makes of
// the call.
func asked(t *testing.T, set *rules.Set, to string) *rules.Delivery {
	t.Helper()
	deliveries, _ := set.Evaluate(call())
	i := slices.IndexFunc(deliveries, func(d rules.Delivery) bool { return d.To == to })
	if i < 0 {
		t.Fatalf("Evaluate: nothing to %q in %v", to, written(deliveries))
	}
	return &deliveries[i]
}

func TestAFallbackIsThatOfTheSendsThatAskedForTheMessage(t *testing.T) {
	stop := rules.Rule{Name: "stops", All: true, Stop: true, Send: []rules.Send{texts("+15550100009")}}
	for name, test := range map[string]struct {
		list []rules.Rule
		to   string
		want string
	}{
		"its own": {[]rules.Rule{{Name: "one", All: true, Send: []rules.Send{texts("bob", "managers"), texts("alice", "x@example.com")}}},
			"+15550100002", "one: email:alice@example.com, one: email:carol@example.com"},
		"none": {[]rules.Rule{{Name: "one", All: true, Send: []rules.Send{texts("bob"), texts("alice", "x@example.com")}}}, "+15550100002", ""},
		"by a template": {[]rules.Rule{{Name: "one", All: true, Send: []rules.Send{texts("bob", "{{.Query.agent}}")}}},
			"+15550100002", "one: email:alice@example.com"},
		"of all who asked, once each": {[]rules.Rule{
			{Name: "one", All: true, Send: []rules.Send{texts("bob")}},
			{Name: "two", All: true, Send: []rules.Send{texts("bob", "carol"), texts("bob", "managers")}},
			{Name: "does not match", Conditions: rules.Conditions{Status: rules.Patterns{"absent"}}, Send: []rules.Send{texts("bob", "x@example.com")}},
			{Name: "a trial", All: true, Shadow: true, Send: []rules.Send{texts("bob", "y@example.com")}},
		}, "+15550100002", "two: email:carol@example.com, two: email:alice@example.com"},
		"not of rules that were not reached": {[]rules.Rule{
			{Name: "one", All: true, Send: []rules.Send{texts("bob")}}, stop,
			{Name: "three", All: true, Send: []rules.Send{texts("bob", "carol")}},
		}, "+15550100002", ""},
		"of another template": {[]rules.Rule{{Name: "one", All: true, Send: []rules.Send{
			{Via: "sms", To: rules.Patterns{"bob"}, Template: "recording", Fallback: &rules.Fallback{Via: "email", To: rules.Patterns{"carol"}}},
			texts("alice")}}}, "+15550100001", ""},
		"of whom nobody is": {[]rules.Rule{{Name: "one", All: true, Send: []rules.Send{texts("{{.Query.nobody}}", "carol")}}},
			"", "one: email:carol@example.com"},
		"to nobody": {[]rules.Rule{{Name: "one", All: true, Send: []rules.Send{texts("bob", `{{index .Query "nobody"}}`)}}},
			"+15550100002", "one: email:! the recipient is empty: the rule's template yields nothing for this callback"},
	} {
		set := compile(t, test.list...)
		got := strings.Join(written(set.Fallbacks(call(), asked(t, set, test.to))), ", ")
		if got != test.want {
			t.Errorf("%s: Fallbacks = %s\nwant %s", name, got, test.want)
		}
	}
}

func TestWhatATrialWouldSendHasNoFallback(t *testing.T) {
	set := compile(t, rules.Rule{Name: "one", All: true, Shadow: true, Send: []rules.Send{texts("bob", "carol")}})
	if got := set.Fallbacks(call(), asked(t, set, "+15550100002")); got != nil {
		t.Errorf("Fallbacks = %v, want none", written(got))
	}
}

func TestAFallbackHasTheSendsTemplateOrItsOwn(t *testing.T) {
	send := texts("bob", "carol")
	for _, own := range []string{"", "recording"} {
		send.Fallback.Template = own
		want := own
		if own == "" {
			want = "link"
		}
		set := compile(t, rules.Rule{Name: "one", All: true, Send: []rules.Send{send}})
		if got := set.Fallbacks(call(), asked(t, set, "+15550100002")); len(got) != 1 || got[0].Template != want || got[0].Kind != "email" {
			t.Errorf("Fallbacks with template %q = %+v, want one email with template %s", own, got, want)
		}
	}
}

func TestFallbacksOutliveTheConfiguration(t *testing.T) {
	set := compile(t, rules.Rule{Name: "one", All: true, Send: []rules.Send{texts("bob", "carol")}})
	kept, err := json.Marshal(set.Definition())
	if err != nil {
		t.Fatal(err)
	}
	var d rules.Definition
	if err := json.Unmarshal(kept, &d); err != nil {
		t.Fatal(err)
	}
	again, problems := rules.Compile(d.Rules, d.Book)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := again.Fallbacks(call(), asked(t, again, "+15550100002")); len(got) != 1 || got[0].To != "carol@example.com" {
		t.Errorf("Fallbacks of what was kept = %v, want the email to carol", written(got))
	}
	if plain := compile(t, rules.Rule{Name: "one", All: true, Send: by("carol")}); plain.HasFallbacks() || !again.HasFallbacks() {
		t.Error("HasFallbacks: want it where there is one, and only there")
	}
}

func TestWhatIsWrongWithAFallbackIsReportedThere(t *testing.T) {
	send := texts("bob", "bob")
	send.Fallback.Via = "emial"
	bad := texts("bob", "bob", "{{", "managers")
	none := rules.Send{Via: "sms", To: rules.Patterns{"bob"}, Template: "link", Fallback: &rules.Fallback{}}
	digest := texts("bob", "carol")
	digest.Digest = "1h"
	_, problems := rules.Compile([]rules.Rule{{Name: "one", All: true, Send: []rules.Send{send, bad, none, digest}}}, book())
	var got []string
	for _, p := range problems {
		got = append(got, p.Path)
	}
	want := []string{"rule[0].send[0].fallback.via", "rule[0].send[1].fallback.to[0]", "rule[0].send[1].fallback.to[1]",
		"rule[0].send[2].fallback.via", "rule[0].send[2].fallback.to", "rule[0].send[3].fallback"}
	if !slices.Equal(got, want) {
		t.Errorf("Compile: problems at %q, want %q", got, want)
	}
}

func TestWhatCouldNotBeDeliveredIsForRulesThatAskForIt(t *testing.T) {
	cb := call()
	cb.RecordingStatus = "undelivered"
	set := compile(t,
		rules.Rule{Name: "all", All: true, Stop: true, Send: by("alice")},
		rules.Rule{Name: "agents", Conditions: rules.Conditions{Query: map[string]rules.Patterns{"agent": {"*"}}}, Send: by("alice")},
		rules.Rule{Name: "asks", Conditions: rules.Conditions{Status: rules.Patterns{"missing", "undelivered"}}, Send: by("carol")},
		rules.Rule{Name: "asks for all but", Conditions: rules.Conditions{Status: rules.Patterns{"!completed"}}, Send: by("x@example.com")},
	)
	deliveries, matched := set.Evaluate(cb)
	if want := []string{"asks", "asks for all but"}; !slices.Equal(matched, want) {
		t.Errorf("Evaluate: matched %q with %v, want %q", matched, written(deliveries), want)
	}
	trace := set.Explain(cb)
	for i, want := range []string{
		`a message could not be delivered; this rule does not say status = "undelivered"`,
		`a message could not be delivered; this rule does not say status = "undelivered"`,
		"every condition holds", "every condition holds",
	} {
		if trace.Rules[i].Reason != want {
			t.Errorf("Explain: rule %q: %s, want %s", trace.Rules[i].Name, trace.Rules[i].Reason, want)
		}
	}
}

func TestAFallbackThatAsksForTheCallNeedsItFromTheStart(t *testing.T) {
	templates := asking(t)
	by := func(f *rules.Fallback) *rules.Set {
		send := rules.Send{Via: "sms", To: rules.Patterns{"bob"}, Template: "caller", Fallback: f}
		return compile(t, rules.Rule{Name: "one", Conditions: rules.Conditions{Source: rules.Patterns{"DialVerb"}}, Send: []rules.Send{send}})
	}
	for name, test := range map[string]struct {
		fallback *rules.Fallback
		want     bool
	}{
		"none":                {nil, false},
		"which does not":      {&rules.Fallback{Via: "email", To: rules.Patterns{"carol"}, Template: "recording"}, false},
		"in its template":     {&rules.Fallback{Via: "email", To: rules.Patterns{"carol"}}, true},
		"for whom it goes to": {&rules.Fallback{Via: "email", To: rules.Patterns{"{{contact .Call.To}}"}, Template: "recording"}, true},
	} {
		set := by(test.fallback)
		if got := set.NeedsCall(call(), templates); got != test.want {
			t.Errorf("a fallback %s: NeedsCall = %t, want %t", name, got, test.want)
		}
		cb := call()
		cb.RecordingStatus = "undelivered"
		if set.NeedsCall(cb, templates) {
			t.Errorf("a fallback %s: NeedsCall of what that rule does not hear of = true, want false", name)
		}
	}
}

func TestAnArchiveThatFailsHasAFallbackAndIsNone(t *testing.T) {
	b := book()
	b.Channels["archive"] = "archive"
	rule := func(f rules.Fallback, via string) []rules.Rule {
		send := rules.Send{Via: via, Fallback: &f}
		if via != "archive" {
			send.To, send.Template = rules.Patterns{"bob"}, "link"
		}
		return []rules.Rule{{Name: "keep", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Send: []rules.Send{send}}}
	}
	email := rules.Fallback{Via: "email", To: rules.Patterns{"carol"}, Template: "recording"}
	set, problems := rules.Compile(rule(email, "archive"), b)
	if len(problems) > 0 {
		t.Fatalf("Compile: got problems %q, want none", problems)
	}
	deliveries, _ := set.Evaluate(call())
	if got := set.Fallbacks(call(), &deliveries[0]); len(got) != 1 || got[0].To != "carol@example.com" {
		t.Errorf("Fallbacks of what could not be kept = %v, want the email to carol", written(got))
	}
	without := email
	without.Template = ""
	for path, list := range map[string][]rules.Rule{
		"rule[0].send[0].fallback.template": rule(without, "archive"), // it has none to share
		"rule[0].send[0].fallback.via":      rule(rules.Fallback{Via: "archive"}, "sms"),
	} {
		if _, problems := rules.Compile(list, b); len(problems) != 1 || problems[0].Path != path {
			t.Errorf("Compile: got problems %q, want one at %s", problems, path)
		}
	}
}
