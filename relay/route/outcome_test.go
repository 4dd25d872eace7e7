package route_test

import (
	"slices"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
)

func TestAComparisonListsWhatIsDoneOtherwiseForEachRecipient(t *testing.T) {
	mail := func(to, digest string) route.Outcome {
		return route.Outcome{Rule: "r", Channel: "email", To: to, Digest: digest}
	}
	by := func(rule string, o route.Outcome) route.Outcome { o.Rule = rule; return o }
	trial := mail("carol@example.com", "1")
	trial.Shadow = true
	nobody := route.Outcome{Rule: "r", Channel: "sms", Problem: "the recipient is empty"}
	type outcomes = []route.Outcome

	for name, test := range map[string]struct {
		before, after outcomes
		want          []route.Change
	}{
		"the same":             {outcomes{mail("a@x", "1"), mail("b@x", "2")}, outcomes{mail("b@x", "2"), mail("a@x", "1")}, []route.Change{}},
		"another rule":         {outcomes{mail("a@x", "1")}, outcomes{by("s", mail("a@x", "1"))}, []route.Change{}},
		"capitals":             {outcomes{mail("a@x", "1")}, outcomes{mail("A@X", "1")}, []route.Change{}},
		"nothing, and nothing": {nil, nil, []route.Change{}},
		"another recipient":    {outcomes{mail("a@x", "1")}, outcomes{mail("b@x", "1")}, []route.Change{{Change: "added", Channel: "email", To: "b@x", Rule: "r", Messages: 2, Recording: "one"}, {Change: "lost", Channel: "email", To: "a@x", Rule: "r", Messages: 2, Recording: "one"}}},
		"another channel":      {outcomes{mail("a@x", "1")}, outcomes{{Rule: "r", Channel: "mail", To: "a@x", Digest: "1"}}, []route.Change{{Change: "added", Channel: "mail", To: "a@x", Rule: "r", Messages: 2, Recording: "one"}, {Change: "lost", Channel: "email", To: "a@x", Rule: "r", Messages: 2, Recording: "one"}}},
		"other words":          {outcomes{mail("a@x", "1")}, outcomes{by("s", mail("a@x", "2"))}, []route.Change{{Change: "changed", Channel: "email", To: "a@x", Rule: "s", Messages: 2, Recording: "one"}}},
		"one of two":           {outcomes{mail("a@x", "1"), mail("a@x", "2")}, outcomes{mail("a@x", "2")}, []route.Change{{Change: "lost", Channel: "email", To: "a@x", Rule: "r", Messages: 2, Recording: "one"}}},
		"one of two, other words": {outcomes{mail("a@x", "1"), mail("a@x", "2")}, outcomes{mail("a@x", "2"), mail("a@x", "3")},
			[]route.Change{{Change: "changed", Channel: "email", To: "a@x", Rule: "r", Messages: 2, Recording: "one"}}},
		"a trial that is over": {outcomes{trial}, outcomes{mail("carol@example.com", "1")}, []route.Change{{Change: "added", Channel: "email", To: "carol@example.com", Rule: "r", Messages: 2, Recording: "one"}, {Change: "lost", Channel: "email", To: "carol@example.com", Rule: "r", Shadow: true, Messages: 2, Recording: "one"}}},
		"nobody any more":      {nil, outcomes{nobody}, []route.Change{{Change: "added", Channel: "sms", Problem: "the recipient is empty", Rule: "r", Messages: 2, Recording: "one"}}},
	} {
		var c route.Comparison
		c.Add("one", test.before, test.after)
		c.Add("two", test.before, test.after)
		if got := c.Changes(); !slices.Equal(got, test.want) {
			t.Errorf("%s: Changes: got  %+v\nwant %+v", name, got, test.want)
		}
	}
}

func TestOutcomesTellWhetherTheWordsAreTheSame(t *testing.T) {
	p := newPlan(t, false, "alice@example.com", "works")
	cb := func(recording string) *callback.Callback {
		return &callback.Callback{RecordingSid: recording, RecordingStatus: "completed"}
	}
	one, again, other := p.Outcomes(cb("rec-1")), p.Outcomes(cb("rec-1")), p.Outcomes(cb("rec-2"))
	if !slices.Equal(one, again) || one[0].Digest == other[0].Digest || one[0].Digest == "" || one[0].To != "alice@example.com" || one[0].Subject != "rec-1" {
		t.Errorf("Outcomes = %+v, %+v and %+v; want the digest to follow the words", one, again, other)
	}
	failing := newPlan(t, false, "alice@example.com", "fails").Outcomes(&callback.Callback{RecordingStatus: "completed", Fields: map[string]string{"Other": "x"}})
	if len(failing) != 1 || failing[0].Problem == "" {
		t.Errorf("Outcomes of a template that fails = %+v, want its problem", failing)
	}
	if got := newPlan(t, true, "alice@example.com", "works").Outcomes(cb("rec-1")); len(got) != 1 || !got[0].Shadow {
		t.Errorf("Outcomes of a shadow rule = %+v, want a shadow", got)
	}
}

func TestACopyInAnArchiveIsComparedWhateverItsPath(t *testing.T) {
	keeping := func(path string) *route.Plan {
		set, problems := rules.Compile([]rules.Rule{{Name: "keep", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}},
			Send: []rules.Send{{Via: "archive"}}}},
			rules.Book{Channels: map[string]string{"archive": render.Archive}, Paths: map[string]string{"archive": path}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return &route.Plan{Rules: set}
	}
	before, same, other := keeping("{{.RecordingSid}}.mp3"), keeping("{{.RecordingSid}}.mp3"), keeping("calls/{{.RecordingSid}}.mp3")
	compare := func(before, after *route.Plan) []route.Change {
		var c route.Comparison
		for _, recording := range []string{"rec-1", "rec-2"} {
			cb := &callback.Callback{RecordingSid: recording, RecordingStatus: "completed"}
			var was []route.Outcome
			if before != nil {
				was = before.Outcomes(cb)
			}
			c.Add(recording, was, after.Outcomes(cb))
		}
		return c.Changes()
	}
	if got := compare(before, same); len(got) != 0 {
		t.Errorf("the same path: Changes = %+v, want none", got)
	}
	one := route.Change{Change: route.Changed, Channel: "archive", To: "copies", Rule: "keep", Messages: 2, Recording: "rec-1"}
	if got := compare(before, other); !slices.Equal(got, []route.Change{one}) {
		t.Errorf("another path: Changes = %+v, want %+v", got, one)
	}
	one.Change = route.Added
	if got := compare(nil, other); !slices.Equal(got, []route.Change{one}) {
		t.Errorf("a new archive: Changes = %+v, want %+v", got, one)
	}
}
