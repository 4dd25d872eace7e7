package rules_test

import (
	"slices"
	"strings"
	"testing"

	"ringpost/relay/rules"
)

// good returns a rule without a problem.
func good() rules.Rule {
	return rules.Rule{Name: "r", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Send: by("alice")}
}

func TestEveryProblemOfARuleIsNamed(t *testing.T) {
	type patterns = map[string]rules.Patterns
	for name, test := range map[string]struct {
		change     func(*rules.Rule)
		path, text string
	}{
		"no name":        {func(r *rules.Rule) { r.Name = "" }, "rule[0].name", "rule 1: name: missing: every rule has a name, which deliveries carry"},
		"no condition":   {func(r *rules.Rule) { r.Status = nil }, "rule[0]", `rule "r": has no condition: want one, or all = true for a rule that matches every callback`},
		"no query":       {func(r *rules.Rule) { r.Status, r.Query = nil, patterns{} }, "rule[0]", `rule "r": has no condition: want one, or all = true for a rule that matches every callback`},
		"all and status": {func(r *rules.Rule) { r.All = true }, "rule[0].all", `rule "r": all: the rule has conditions too: remove one or the other`},
		"empty unless":   {func(r *rules.Rule) { r.Unless = &rules.Conditions{} }, "rule[0].unless", `rule "r": unless: has no condition`},

		"no pattern":          {func(r *rules.Rule) { r.Call = rules.Patterns{} }, "rule[0].call", `rule "r": call: want at least one pattern`},
		"no pattern of query": {func(r *rules.Rule) { r.Query = patterns{"agent": nil} }, "rule[0].query.agent", `rule "r": query.agent: want at least one pattern`},
		"expression": {func(r *rules.Rule) { r.Field = patterns{"From": {"!/a(/"}} },
			"rule[0].field.From", `rule "r": field.From: /a(/: not a regular expression: missing closing )`},
		"expression that ends early": {func(r *rules.Rule) { r.Call = rules.Patterns{"a", "/a)|(b/"} },
			"rule[0].call[1]", `rule "r": call[1]: /a)|(b/: not a regular expression: unexpected )`},
		"lonely star": {func(r *rules.Rule) { r.Call = rules.Patterns{"/*/"} },
			"rule[0].call", `rule "r": call: /*/: not a regular expression: missing argument to repetition operator`},

		"status": {func(r *rules.Rule) { r.Status = rules.Patterns{"complete"} },
			"rule[0].status", `rule "r": status: "complete" is no status: did you mean "completed"? (have in-progress, completed, absent, failed, missing, undelivered)`},
		"one status of several": {func(r *rules.Rule) { r.Status = rules.Patterns{"completed", "!Finished"} },
			"rule[0].status[1]", `rule "r": status[1]: "Finished" is no status (have in-progress, completed, absent, failed, missing, undelivered)`},
		"status with a star": {func(r *rules.Rule) { r.Status = rules.Patterns{"complete-*"} },
			"rule[0].status", `rule "r": status: "complete-*" is no status: did you mean "completed"? (have in-progress, completed, absent, failed, missing, undelivered)`},
		"status of unless": {func(r *rules.Rule) { r.Unless = &rules.Conditions{Status: rules.Patterns{""}} },
			"rule[0].unless.status", `rule "r": unless.status: "" is no status (have in-progress, completed, absent, failed, missing, undelivered)`},
		"source": {func(r *rules.Rule) { r.Source = rules.Patterns{"DailVerb"} },
			"rule[0].source", `rule "r": source: no sender says "DailVerb": did you mean "DialVerb"? (have DialVerb, Conference, OutBoundApi, Trunking, RecordVerb, StartCallRecordingApi, StartConferenceRecording, StartConferenceRecordingAPI; "DailVerb*" where it is new)`},

		"duration":          {func(r *rules.Rule) { r.MinDuration = "5" }, "rule[0].min_duration", `rule "r": min_duration: "5" is no duration: want one such as 5s or 1m30s`},
		"negative duration": {func(r *rules.Rule) { r.MaxDuration = "-5s" }, "rule[0].max_duration", `rule "r": max_duration: "-5s" is no duration: want one such as 5s or 1m30s`},
		"duration of unless": {func(r *rules.Rule) { r.Unless = &rules.Conditions{MaxDuration: "long"} },
			"rule[0].unless.max_duration", `rule "r": unless.max_duration: "long" is no duration: want one such as 5s or 1m30s`},
		"durations that cross": {func(r *rules.Rule) { r.MinDuration, r.MaxDuration = "1m", "59s" },
			"rule[0].max_duration", `rule "r": max_duration: 59s is less than min_duration, 1m0s: nothing matches`},

		"no send":     {func(r *rules.Rule) { r.Send = nil }, "rule[0].send", `rule "r": send: missing: want send = [{ via = "…", to = ["…"], template = "…" }]`},
		"no via":      {func(r *rules.Rule) { r.Send[0].Via = "" }, "rule[0].send[0].via", `rule "r": send[0].via: missing: want a channel (have console, email, sms)`},
		"via":         {func(r *rules.Rule) { r.Send[0].Via = "smss" }, "rule[0].send[0].via", `rule "r": send[0].via: no channel "smss" (have console, email, sms)`},
		"no template": {func(r *rules.Rule) { r.Send[0].Template = "" }, "rule[0].send[0].template", `rule "r": send[0].template: missing: want a template's name such as "recording"`},
		"no to":       {func(r *rules.Rule) { r.Send[0].To = nil }, "rule[0].send[0].to", `rule "r": send[0].to: missing: want a group, a contact, an address, or a template that yields one`},
		"to": {func(r *rules.Rule) { r.Send[0].To = rules.Patterns{"alice", "manager"} },
			"rule[0].send[0].to[1]", `rule "r": send[0].to[1]: "manager" is no contact, no group and no email address: did you mean "managers"?`},
		"to nobody like it": {func(r *rules.Rule) { r.Send[0].To = rules.Patterns{"xy"} },
			"rule[0].send[0].to[0]", `rule "r": send[0].to[0]: "xy" is no contact, no group and no email address`},
		"to nothing": {func(r *rules.Rule) { r.Send[0].To = rules.Patterns{""} },
			"rule[0].send[0].to[0]", `rule "r": send[0].to[0]: "" is no contact, no group and no email address`},
		"to a contact without one": {func(r *rules.Rule) { r.Send[0].To = rules.Patterns{"Bob"} },
			"rule[0].send[0].to[0]", `rule "r": send[0].to[0]: contact "Bob" has no email address`},
		"to a group of whom one has none": {func(r *rules.Rule) { r.Send[0].To = rules.Patterns{"mixed"} },
			"rule[0].send[0].to[0]", `rule "r": send[0].to[0]: group "mixed": contact "bob" has no email address`},
		"to a number": {func(r *rules.Rule) {
			r.Send[0] = rules.Send{Via: "sms", To: rules.Patterns{"5550100001"}, Template: "x"}
		},
			"rule[0].send[0].to[0]", `rule "r": send[0].to[0]: "********01" is no contact, no group and no phone number such as +15550100001`},
		"to no template": {func(r *rules.Rule) { r.Send[0].To = rules.Patterns{"{{.Query.agent"} },
			"rule[0].send[0].to[0]", `rule "r": send[0].to[0]: not a template: unclosed action`},
	} {
		r := good()
		test.change(&r)
		set, got := rules.Compile([]rules.Rule{r}, book())
		if want := []rules.Problem{{Path: test.path, Text: test.text}}; !slices.Equal(got, want) {
			t.Errorf("%s: Compile: got  %q\nwant %q", name, got, want)
		}
		if set != nil {
			t.Errorf("%s: Compile: got a set in spite of problems, want none", name)
		}
	}
}

func TestEveryProblemOfTheBookIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		change     func(*rules.Book)
		path, text string
	}{
		"email": {func(b *rules.Book) { b.Contacts["dave"] = rules.Contact{Email: "Dave <dave@example.com>"} },
			"contact.dave.email", `contact "dave": email: "Dave <dave@example.com>" is no email address: want one such as alice@example.com`},
		"phone": {func(b *rules.Book) { b.Contacts["dave"] = rules.Contact{Phone: "0555 010 0077"} },
			"contact.dave.phone", `contact "dave": phone: "**** *** **77" is no phone number: want one such as +15550100001`},
		"neither": {func(b *rules.Book) { b.Contacts["dave"] = rules.Contact{} },
			"contact.dave", `contact "dave": want an email, a phone, or both`},
		"contact twice": {func(b *rules.Book) { b.Contacts["Alice"] = b.Contacts["alice"] },
			"contact.alice", `contact "alice": another contact has that name: capitals do not make it another one`},
		"group twice": {func(b *rules.Book) { b.Groups["Oncall"] = []string{"alice"} },
			"group.oncall", `group "oncall": another group has that name: capitals do not make it another one`},
		"group and contact": {func(b *rules.Book) { b.Groups["Carol"] = []string{"alice"} },
			"group.Carol", `group "Carol": a contact has that name too: rename one of them`},
		"no members": {func(b *rules.Book) { b.Groups["none"] = nil },
			"group.none", `group "none": has no members`},
		"member": {func(b *rules.Book) { b.Groups["team"] = []string{"alice", "carl"} },
			"group.team[1]", `group "team": "carl" is no contact, email address or phone number: did you mean "carol"?`},
		"member that is a number": {func(b *rules.Book) { b.Groups["team"] = []string{"15550100077"} },
			"group.team[0]", `group "team": "*********77" is no contact, email address or phone number`},
		"group in a group": {func(b *rules.Book) { b.Groups["team"] = []string{"Managers"} },
			"group.team[0]", `group "team": "Managers" is a group: a group's members are contacts and addresses`},
		"group in itself": {func(b *rules.Book) { b.Groups["team"] = []string{"team"} },
			"group.team[0]", `group "team": "team" is a group: a group's members are contacts and addresses`},
	} {
		b := book()
		test.change(&b)
		// What is wrong with a group is not said again where it is named.
		r := good()
		if b.Groups["team"] != nil {
			r.Send = by("team")
		}
		_, got := rules.Compile([]rules.Rule{r}, b)
		if want := []rules.Problem{{Path: test.path, Text: test.text}}; !slices.Equal(got, want) {
			t.Errorf("%s: Compile: got  %q\nwant %q", name, got, want)
		}
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	b := book()
	b.Contacts["dave"] = rules.Contact{Email: "dave", Phone: "1"}
	b.Groups["team"] = []string{"nobody", "dave"}
	_, problems := rules.Compile([]rules.Rule{
		{},
		{Name: "r", All: true, Send: by("alice")},
		{Name: "r", Conditions: rules.Conditions{Status: rules.Patterns{"done", "/(/"}, MinDuration: "x", MaxDuration: "y"},
			Unless: &rules.Conditions{Source: rules.Patterns{"phone"}},
			Send:   []rules.Send{{To: rules.Patterns{"{{"}}, {Via: "email", To: rules.Patterns{"who", "bob"}, Template: "x"}}},
	}, b)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path)
	}
	want := []string{"contact.dave.email", "contact.dave.phone", "group.team[0]",
		"rule[0].name", "rule[0]", "rule[0].send",
		"rule[2].name", "rule[2].status[0]", "rule[2].status[1]", "rule[2].min_duration", "rule[2].max_duration", "rule[2].unless.source",
		"rule[2].send[0].via", "rule[2].send[0].template", "rule[2].send[0].to[0]", "rule[2].send[1].to[0]", "rule[2].send[1].to[1]"}
	if !slices.Equal(got, want) {
		t.Errorf("Compile: got problems of %q\nwant %q", got, want)
	}
}

func TestARecipientWithAFieldThatDoesNotExistIsRefused(t *testing.T) {
	r := good()
	r.Send = by("{{.Quer.agent}}")
	_, got := rules.Compile([]rules.Rule{r}, book())
	if len(got) != 1 || got[0].Path != "rule[0].send[0].to[0]" || !strings.Contains(got[0].Text, "no field Quer") {
		t.Errorf("Compile of a rule to {{.Quer.agent}}: got %q, want the problem that there is no field Quer", got)
	}
}

func TestADisabledRuleMustBeRightToo(t *testing.T) {
	off := false
	r := good()
	r.Enabled, r.Send = &off, nil
	if _, problems := rules.Compile([]rules.Rule{r}, book()); len(problems) != 1 {
		t.Errorf("Compile of a disabled rule without send: got problems %q, want one", problems)
	}
}

func TestNothingAtAllCompiles(t *testing.T) {
	set, problems := rules.Compile(nil, rules.Book{})
	if set == nil || problems != nil {
		t.Fatalf("Compile(nil): got %v, %q, want a set and no problem", set, problems)
	}
	if deliveries, matched := set.Evaluate(call()); deliveries != nil || matched != nil {
		t.Errorf("Evaluate without rules: got %v, %v, want nothing", deliveries, matched)
	}
}
