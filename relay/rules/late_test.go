package rules_test

import (
	"slices"
	"testing"

	"ringpost/relay/rules"
)

func TestLateTellsWhatWasFoundByAsking(t *testing.T) {
	yes, no := true, false
	send := []rules.Send{{Via: "email", To: rules.Patterns{"carol"}, Template: "t"}}
	set := compile(t,
		rules.Rule{Name: "late ones", Conditions: rules.Conditions{Late: &yes}, Send: send},
		rules.Rule{Name: "others", Conditions: rules.Conditions{Late: &no}, Send: send},
		rules.Rule{Name: "all", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Send: send},
		rules.Rule{Name: "all but late ones", All: true, Unless: &rules.Conditions{Late: &yes}, Send: send},
	)
	late := call()
	late.Late = true
	if _, got := set.Evaluate(late); !slices.Equal(got, []string{"late ones", "all"}) {
		t.Errorf("a late callback matches %q, want late ones and all", got)
	}
	if _, got := set.Evaluate(call()); !slices.Equal(got, []string{"others", "all", "all but late ones"}) {
		t.Errorf("a callback in time matches %q, want all but the first", got)
	}
	trace := set.Explain(late).Rules[1]
	want := rules.ConditionTrace{Key: "late", Wanted: "false", Actual: "true", OK: false}
	if trace.Reason != "it was received late" || !slices.Equal(trace.Conditions, []rules.ConditionTrace{want}) {
		t.Errorf("the trace says %q, %+v; want that it was received late, %+v", trace.Reason, trace.Conditions, want)
	}
	b := book()
	rule := rules.Rule{Conditions: rules.Conditions{Status: rules.Patterns{"missing"}, Late: &yes}, Unless: &rules.Conditions{Late: &no}, Send: send}
	if got, want := rule.Words(&b), "When a recording is missing and was received late, unless it was received in time: "+
		"send an email (channel email, template t) to carol."; got != want {
		t.Errorf("Words: got  %s\nwant %s", got, want)
	}
}
