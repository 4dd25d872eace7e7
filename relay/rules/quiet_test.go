package rules_test

import (
	"slices"
	"strings"
	"testing"

	"ringpost/relay/quiet"
	"ringpost/relay/rules"
)

const (
	night   = "21:00-08:00 Europe/Berlin"
	weekday = "08:00-21:00 Europe/Berlin"
	siesta  = "13:00-15:00 Europe/Madrid"
)

// text returns a send of an SMS with quiet hours.
func text(quiet string, to ...string) rules.Send {
	return rules.Send{Via: "sms", To: to, Template: "recording", Quiet: quiet}
}

func TestADeliveryHasTheQuietHoursOfItsSendAndOfItsRecipient(t *testing.T) {
	b := book()
	b.Contacts["alice"] = rules.Contact{Email: "Alice@example.com", Phone: "+15550100001", Quiet: " 13:00-15:00  Europe/Madrid"}
	set, problems := rules.Compile([]rules.Rule{{Name: "r", All: true, Send: []rules.Send{
		text(night, "alice", "bob"),
		text("", "oncall"),
		{Via: "email", To: rules.Patterns{"alice@EXAMPLE.com", "{{.Query.agent}}", "carol"}, Template: "other"},
	}}}, b)
	if len(problems) > 0 {
		t.Fatalf("Compile: got problems %q, want none", problems)
	}
	deliveries, _ := set.Evaluate(call())
	got := make(map[string]quiet.Hours)
	for _, d := range deliveries {
		got[d.To] = d.Quiet
	}
	// What alice gets without quiet hours by the second send need not wait for
	// those of the first.
	for to, want := range map[string]quiet.Hours{"+15550100001": siesta, "+15550100002": night, "+15550100009": "",
		"alice@EXAMPLE.com": siesta, "carol@example.com": ""} {
		if hours, ok := got[to]; !ok || hours != want {
			t.Errorf("what goes to %s has the quiet hours %q, want %q", to, hours, want)
		}
	}
}

func TestOfTwoSendsOfAMessageTheOneWithoutQuietHoursDecides(t *testing.T) {
	for _, test := range []struct {
		name  string
		sends []rules.Send
		want  quiet.Hours
	}{
		{"with first", []rules.Send{text(night, "bob"), text("", "bob")}, ""},
		{"without first", []rules.Send{text("", "bob"), text(night, "bob")}, ""},
		{"both", []rules.Send{text(night, "bob"), text(siesta, "bob")}, night},
	} {
		set := compile(t, rules.Rule{Name: "r", All: true, Send: test.sends})
		if got, _ := set.Evaluate(call()); len(got) != 1 || got[0].Quiet != test.want {
			t.Errorf("%s: Evaluate() = %+v, want one delivery with the quiet hours %q", test.name, got, test.want)
		}
	}
}

func TestQuietHoursThatAreNoneOrLeaveNoTimeAreProblems(t *testing.T) {
	b := book()
	b.Contacts["alice"] = rules.Contact{Phone: "+15550100001", Quiet: weekday}
	b.Contacts["dave"] = rules.Contact{Phone: "+15550100004", Quiet: "at night"}
	b.Contacts["erin"] = rules.Contact{Phone: "+15550100005", Quiet: night}
	b.Contacts["fred"] = rules.Contact{Phone: "+15550100005", Quiet: weekday}
	_, problems := rules.Compile([]rules.Rule{{Name: "r", All: true, Send: []rules.Send{
		text("21:00-08:00", "bob"), text(night, "bob", "alice"),
	}}}, b)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path+" "+p.Text)
	}
	want := []string{
		`contact.dave.quiet contact "dave": quiet: want hours and whose they are, such as "21:00-08:00 Europe/Berlin"`,
		`contact.fred.quiet contact "fred": quiet: quiet hours leave no time to tell anybody anything ` +
			`(21:00-08:00 Europe/Berlin; 08:00-21:00 Europe/Berlin): its own and those of another contact with that address`,
		`rule[0].send[0].quiet rule "r": send[0].quiet: want the time zone too, such as "21:00-08:00 Europe/Berlin"`,
		`rule[0].send[1].to[1] rule "r": send[1].to[1]: quiet hours leave no time to tell anybody anything ` +
			`(21:00-08:00 Europe/Berlin; 08:00-21:00 Europe/Berlin): its own and those of the send`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("Compile: got problems\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhoIsNeverToBeDisturbedIsAProblemOfTheDelivery(t *testing.T) {
	b := book()
	b.Contacts["alice"] = rules.Contact{Phone: "+15550100001", Quiet: weekday}
	set, problems := rules.Compile([]rules.Rule{{Name: "r", All: true, Send: []rules.Send{text(night, "{{.Query.agent}}")}}}, b)
	if len(problems) > 0 {
		t.Fatalf("Compile: got problems %q, want none", problems)
	}
	if got, _ := set.Evaluate(call()); len(got) != 1 || !strings.Contains(got[0].Problem, "quiet hours leave no time") {
		t.Errorf("Evaluate() = %+v, want one that says why nobody can be told", got)
	}
}
