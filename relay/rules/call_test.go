package rules_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// asking are templates of which caller asks for the call.
func asking(t testing.TB) *render.Templates {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"caller.email.txt": "Subject: x\n\n{{.Call.From}}\n", "caller.sms.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	templates, errs := render.Load(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return templates
}

// told is call with what the provider says of it.
func told(from, to, direction string) *callback.Callback {
	cb := call()
	cb.Call = &callback.Call{Known: true, From: from, To: to, Direction: direction}
	return cb
}

func TestConditionsOnTheCall(t *testing.T) {
	set := compile(t,
		rules.Rule{Name: "from", Conditions: rules.Conditions{From: rules.Patterns{"+1555*", "!+15550100009"}}, Send: by("alice")},
		rules.Rule{Name: "to", Conditions: rules.Conditions{To: rules.Patterns{"+15550100001"}}, Send: by("alice")},
		rules.Rule{Name: "direction", Conditions: rules.Conditions{Direction: rules.Patterns{"Outbound*"}}, Send: by("alice")},
		rules.Rule{Name: "unless", All: true, Unless: &rules.Conditions{From: rules.Patterns{"sip:*"}}, Send: by("alice")},
		rules.Rule{Name: "anybody", Conditions: rules.Conditions{From: rules.Patterns{"*"}}, Send: by("alice")},
		rules.Rule{Name: "nobody", Conditions: rules.Conditions{From: rules.Patterns{"!*"}}, Send: by("alice")},
	)
	for _, test := range []struct {
		cb   *callback.Callback
		want []string
	}{
		{told("+15550100002", "+15550100001", "inbound"), []string{"from", "to", "unless", "anybody"}},
		{told("+15550100009", "+15550100002", "outbound-dial"), []string{"direction", "unless", "anybody"}},
		{told("SIP:alice@example.com", "", "outbound-api"), []string{"direction", "anybody"}},
		{call(), []string{"unless", "nobody"}},
		{&callback.Callback{Call: &callback.Call{Problem: "x"}}, []string{"unless", "nobody"}},
	} {
		if _, got := set.Evaluate(test.cb); !slices.Equal(got, test.want) {
			t.Errorf("a call %+v matches %q, want %q", test.cb.Call, got, test.want)
		}
	}
}

func TestTheTraceSaysWhatIsKnownOfTheCall(t *testing.T) {
	set := compile(t, rules.Rule{Name: "r", Conditions: rules.Conditions{From: rules.Patterns{"+15550100009"}}, Send: by("alice")},
		rules.Rule{Name: "d", Conditions: rules.Conditions{Direction: rules.Patterns{"outbound-api", "outbound-dial"}}, Send: by("alice")},
		rules.Rule{Name: "t", Conditions: rules.Conditions{To: rules.Patterns{"*"}}, Send: by("alice")})
	conference := call()
	conference.CallSid = ""
	late := call()
	late.Call = &callback.Call{Problem: "no answer in time"}
	for _, test := range []struct {
		cb   *callback.Callback
		want [3]string
	}{
		{told("+15550100002", "", "inbound"), [3]string{"the caller is +15550100002; this rule wants +15550100009",
			"the call's direction is inbound; this rule wants outbound-api or outbound-dial", "the provider does not say who was called"}},
		{late, [3]string{"who called is not known (no answer in time); this rule wants +15550100009",
			"who called is not known (no answer in time); this rule wants outbound-api or outbound-dial", "who called is not known (no answer in time)"}},
		{conference, [3]string{"who called is not known: the callback names no call; this rule wants +15550100009",
			"who called is not known: the callback names no call; this rule wants outbound-api or outbound-dial",
			"who called is not known: the callback names no call"}},
	} {
		for i, r := range set.Explain(test.cb).Rules {
			if r.Reason != test.want[i] {
				t.Errorf("Explain: got  %s\nwant %s", r.Reason, test.want[i])
			}
		}
	}
	want := rules.ConditionTrace{Key: "from", Wanted: "+15550100009", Actual: "+15550100002"}
	if got := set.Explain(told("+15550100002", "", "")).Rules[0].Conditions; !slices.Equal(got, []rules.ConditionTrace{want}) {
		t.Errorf("Explain: got conditions %+v, want %+v", got, want)
	}
}

func TestWhoeverWasCalledIsTold(t *testing.T) {
	set := compile(t, rules.Rule{Name: "r", All: true, Send: []rules.Send{{Via: "email", To: rules.Patterns{"{{contact .Call.To}}"}, Template: "recording"}}})
	noCall := call()
	noCall.CallSid = ""
	for _, test := range []struct {
		cb          *callback.Callback
		to, problem string
	}{
		{told("", "+15550100001", ""), "alice@example.com", ""},
		{told("", "+15550100002", ""), "", `contact "bob" has no email address`},
		{told("", "+15550100009", ""), "", "the recipient is empty: the rule's template yields nothing for this callback"},
		{call(), "", "the recipient is not known: who called is not known"},
		{noCall, "", "the recipient is not known: who called is not known: the callback names no call"},
	} {
		got, _ := set.Evaluate(test.cb)
		if len(got) != 1 || got[0].To != test.to || got[0].Problem != test.problem {
			t.Errorf("a call %+v leads to %+v, want %q, %q", test.cb.Call, got, test.to, test.problem)
		}
	}
}

func TestOfContactsWithTheSameNumberTheFirstIsNamed(t *testing.T) {
	b := rules.Book{Contacts: map[string]rules.Contact{"zoe": {Phone: "+15550100001"}, "Bob": {Phone: "+15550100001"}, "carol": {Email: "c@example.com"}}}
	if got := b.Numbers(); len(got) != 1 || got["+15550100001"] != "Bob" {
		t.Errorf("Numbers = %v, want Bob's alone", got)
	}
}

func TestOnlyWhoIsReachedAndLooksAtTheCallNeedsIt(t *testing.T) {
	type patterns = rules.Patterns
	completed := rules.Conditions{Status: patterns{"completed"}}
	failed := rules.Conditions{Status: patterns{"failed"}, From: patterns{"+1*"}}
	fromAlice := rules.Conditions{Status: patterns{"completed"}, From: patterns{"+15550100001"}}
	off := false
	caller := []rules.Send{{Via: "email", To: patterns{"alice"}, Template: "caller"}}
	for name, test := range map[string]struct {
		rules []rules.Rule
		want  bool
	}{
		"none":                           {nil, false},
		"no rule asks":                   {[]rules.Rule{{Name: "a", Conditions: completed, Send: by("alice")}}, false},
		"a condition":                    {[]rules.Rule{{Name: "a", Conditions: fromAlice, Send: by("alice")}}, true},
		"only a condition":               {[]rules.Rule{{Name: "a", Conditions: rules.Conditions{To: patterns{"!*"}}, Send: by("alice")}}, true},
		"a condition, others do not":     {[]rules.Rule{{Name: "a", Conditions: failed, Send: by("alice")}}, false},
		"turned off":                     {[]rules.Rule{{Name: "a", Conditions: fromAlice, Send: by("alice"), Enabled: &off}}, false},
		"a trial":                        {[]rules.Rule{{Name: "a", Conditions: fromAlice, Send: by("alice"), Shadow: true}}, true},
		"an exception":                   {[]rules.Rule{{Name: "a", Conditions: completed, Unless: &rules.Conditions{From: patterns{"x"}}, Send: by("alice")}}, true},
		"an exception that cannot hold":  {[]rules.Rule{{Name: "a", Conditions: completed, Unless: &failed, Send: by("alice")}}, false},
		"an exception that holds anyway": {[]rules.Rule{{Name: "a", Conditions: fromAlice, Unless: &completed, Send: by("alice")}}, false},
		"a recipient":                    {[]rules.Rule{{Name: "a", Conditions: completed, Send: by("carol", "{{contact .Call.To}}")}}, true},
		"a recipient that is not asked": {[]rules.Rule{{Name: "a", Conditions: rules.Conditions{Status: patterns{"failed"}},
			Send: by("{{contact .Call.To}}")}}, false},
		"a template":                  {[]rules.Rule{{Name: "a", Conditions: completed, Send: caller}}, true},
		"a template, of another kind": {[]rules.Rule{{Name: "a", Conditions: completed, Send: []rules.Send{{Via: "sms", To: patterns{"alice"}, Template: "caller"}}}}, false},
		"behind one that stops": {[]rules.Rule{{Name: "a", Conditions: completed, Stop: true, Send: by("alice")},
			{Name: "b", Conditions: fromAlice, Send: by("alice")}}, false},
		"behind a trial that would stop": {[]rules.Rule{{Name: "a", Conditions: completed, Stop: true, Shadow: true, Send: by("alice")},
			{Name: "b", Conditions: fromAlice, Send: by("alice")}}, true},
		"behind one that may stop": {[]rules.Rule{{Name: "a", Conditions: fromAlice, Stop: true, Send: by("alice")},
			{Name: "b", Conditions: completed, Send: by("alice")}}, true},
		"behind one that does not match": {[]rules.Rule{{Name: "a", Conditions: rules.Conditions{Status: patterns{"failed"}}, Stop: true, Send: by("alice")},
			{Name: "b", Conditions: fromAlice, Send: by("alice")}}, true},
	} {
		if got := compile(t, test.rules...).NeedsCall(call(), asking(t)); got != test.want {
			t.Errorf("%s: NeedsCall = %v, want %v", name, got, test.want)
		}
	}
	if compile(t, rules.Rule{Name: "a", Conditions: completed, Send: caller}).NeedsCall(call(), nil) {
		t.Error("NeedsCall without templates = true, want false")
	}
}

// Whatever the rules: where the call is not needed, no call makes a difference.
func TestWhatNeedsNoCallIsTheSameWhoeverCalled(t *testing.T) {
	choose := chooser(rand.New(rand.NewPCG(7, 8)).IntN)
	needed, not, different := 0, 0, 0
	for range 4000 {
		var list []rules.Rule
		for i := range choose(6) {
			r := choose.rule(i)
			choose.lookAtTheCall(&r)
			list = append(list, r)
		}
		set := compile(t, list...)
		cb := choose.callback()
		needs := set.NeedsCall(cb, nil)
		deliveries, matched := set.Evaluate(cb)
		other := *cb
		other.Call = &callback.Call{Known: true, From: pick(choose, "a", "ab", "b", "alice"), To: pick(choose, "", "a", "abc"), Direction: "inbound"}
		deliveriesThen, matchedThen := set.Evaluate(&other)
		same := slices.Equal(deliveries, deliveriesThen) && slices.Equal(matched, matchedThen)
		switch {
		case needs && !same:
			different++
			fallthrough
		case needs:
			needed++
		case !same:
			t.Fatalf("rules %+v\ncallback %+v\nNeedsCall = false, but with %+v Evaluate = %+v by %q, and %+v by %q without",
				list, cb, other.Call, deliveriesThen, matchedThen, deliveries, matched)
		default:
			not++
		}
	}
	if needed < 400 || not < 400 || different < needed/4 {
		t.Errorf("the call was needed %d times, in %d of which it made a difference, and not needed %d times: that proves little", needed, different, not)
	}
}

// lookAtTheCall makes some rules look at it.
func (c chooser) lookAtTheCall(r *rules.Rule) {
	if c(3) == 0 {
		r.From, r.All = c.patterns(), false
	}
	if c(5) == 0 {
		r.Direction, r.All = rules.Patterns{pick(c, "inbound", "!inbound", "*")}, false
	}
	if r.Unless != nil && c(2) == 0 {
		r.Unless.To = c.patterns()
	}
	if c(4) == 0 {
		r.Send[0].To = rules.Patterns{pick(c, "{{.Call.From}}", "{{contact .Call.To}}", "{{.Call.To}}@example.com")}
	}
}

func TestRulesThatLookAtTheCallAreSaidInASentence(t *testing.T) {
	b := book()
	r := rules.Rule{Conditions: rules.Conditions{From: rules.Patterns{"+1555*"}, To: rules.Patterns{"!+15550100009"}, Direction: rules.Patterns{"inbound"}},
		Send: by("{{contact .Call.To}}", "{{ contact .Call.From }}")}
	want := "When the caller is +1555*, the called number is anything but +15550100009 and the call's direction is inbound: " +
		"send an email (channel email, template recording) to the contact who was called and the contact who called."
	if got := r.Words(&b); got != want {
		t.Errorf("Words: got  %s\nwant %s", got, want)
	}
}

func TestADirectionThatNoCallHasIsAProblem(t *testing.T) {
	for direction, want := range map[string]string{
		"outbound": `rule "r": direction: no call is "outbound": did you mean "outbound*"? (have inbound, outbound-api, outbound-dial, trunking-originating, trunking-terminating)`,
		"inbuond":  `rule "r": direction: no call is "inbuond": did you mean "inbound"? (have`,
	} {
		_, problems := rules.Compile([]rules.Rule{{Name: "r", Conditions: rules.Conditions{Direction: rules.Patterns{direction}}, Send: by("alice")}}, book())
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Text, want) || problems[0].Path != "rule[0].direction" {
			t.Errorf("direction %q: got problems %q, want %s", direction, problems, want)
		}
	}
	compile(t, rules.Rule{Name: "r", Conditions: rules.Conditions{Direction: rules.Patterns{"outbound*", "!/dial$/", ""}}, Send: by("alice")})
}

func TestWhatNeverAsksForTheCallAllocatesNothing(t *testing.T) {
	set, templates := compile(t, office()...), asking(t)
	cb := call()
	if n := testing.AllocsPerRun(1000, func() { set.NeedsCall(cb, nil) }); n > 0 {
		t.Errorf("NeedsCall of rules that do not ask allocates %v times, want 0", n)
	}
	// The race detector's pool forgets what it holds.
	if n := testing.AllocsPerRun(1000, func() { set.NeedsCall(cb, templates) }); n > 4 {
		t.Errorf("NeedsCall where some template asks allocates %v times, want hardly any", n)
	}
}

func BenchmarkNeedsCall(b *testing.B) {
	templates := asking(b)
	byNumber := make([]rules.Rule, 10_000)
	for i := range byNumber {
		byNumber[i] = agents(1, "agent")[0]
		byNumber[i].Name = strings.Repeat("x", 1+i)
		byNumber[i].To = rules.Patterns{"+1555" + strings.Repeat("1", i%7)}
	}
	for name, list := range map[string][]rules.Rule{"20rules": office(), "10000rules": agents(10_000, "agent%d"), "10000numbers": byNumber[:2000]} {
		b.Run(name, func(b *testing.B) {
			set, cb := compile(b, list...), call()
			b.ReportAllocs()
			for b.Loop() {
				set.NeedsCall(cb, templates)
			}
		})
	}
}
