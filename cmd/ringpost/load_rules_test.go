package main_test

import (
	"fmt"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// measureRules measures what 10,000 rules cost a callback: a mix of shapes such
// as companies have, and the one of them that costs most where there is no
// other.
func measureRules(t *testing.T, r *report) {
	t.Helper()
	const n = 10_000
	r.atMost("10,000 rules, a mix: per callback", "%.1f µs", 50, evaluation(t, ruleMix(n)))
	r.atMost("10,000 rules, each with a leading *: per callback", "%.1f µs", 50, evaluation(t, repeatRule(n, mailboxRule)))
}

// evaluation returns how long a callback takes, in microseconds, over callbacks
// of which each matches one rule or two.
func evaluation(t *testing.T, list []rules.Rule) float64 {
	t.Helper()
	set, problems := rules.Compile(list, rules.Book{Channels: map[string]string{"email": render.Email}})
	if len(problems) > 0 {
		t.Fatalf("rules: %v", problems[0])
	}
	const rounds, perRound = 5, 2000
	calls := make([]*callback.Callback, perRound)
	for i := range calls {
		n := i * len(list) / perRound
		calls[i] = &callback.Callback{
			AccountSid: "b3877c40", RecordingSid: fmt.Sprint(i), RecordingStatus: "completed", RecordingDuration: 94,
			RecordingSource: "RecordVerb", RecordingChannels: "2", CallSid: fmt.Sprint("call-", n),
			Fields: map[string]string{"Team": fmt.Sprintf("team%d-north", n)},
			Query:  map[string]string{"agent": fmt.Sprint("agent", n), "mailbox": fmt.Sprintf("bob@branch%d.example.com", n)},
		}
	}
	var took []time.Duration
	for range rounds {
		start := time.Now()
		matches := 0
		for _, cb := range calls {
			_, matched := set.Evaluate(cb)
			matches += len(matched)
		}
		took = append(took, time.Since(start)/perRound)
		if matches < perRound*9/10 {
			t.Fatalf("%d matches of %d callbacks", matches, perRound)
		}
	}
	return float64(median(took)) / float64(time.Microsecond)
}

// ruleMix returns n rules: per agent, per team, for long calls of an agent, and
// one in twenty for a mailbox.
func ruleMix(n int) []rules.Rule {
	shapes := []func(i int) rules.Rule{agentRule, teamRule, longCallRule, agentRule}
	return repeatRule(n, func(i int) rules.Rule {
		if i%20 == 0 {
			return mailboxRule(i)
		}
		return shapes[i%len(shapes)](i)
	})
}

func repeatRule(n int, shape func(i int) rules.Rule) []rules.Rule {
	list := make([]rules.Rule, n)
	for i := range list {
		list[i] = shape(i)
		list[i].Name = fmt.Sprint("rule ", i)
		list[i].Send = []rules.Send{{Via: "email", To: rules.Patterns{"alice@example.com"}, Template: "recording"}}
	}
	return list
}

func agentRule(i int) rules.Rule {
	return rules.Rule{Conditions: rules.Conditions{
		Status: rules.Patterns{"completed"},
		Query:  map[string]rules.Patterns{"agent": {fmt.Sprint("agent", i)}},
	}}
}

func teamRule(i int) rules.Rule {
	return rules.Rule{
		Conditions: rules.Conditions{
			Status: rules.Patterns{"completed"},
			Source: rules.Patterns{"DialVerb", "RecordVerb"},
			Field:  map[string]rules.Patterns{"Team": {fmt.Sprintf("team%d-*", i)}},
		},
		Unless: &rules.Conditions{Query: map[string]rules.Patterns{"agent": {"test*", "/^load-?test/"}}},
	}
}

func longCallRule(i int) rules.Rule {
	return rules.Rule{Conditions: rules.Conditions{
		MinDuration: "1m",
		Account:     rules.Patterns{"b3877c40*"},
		Query:       map[string]rules.Patterns{"agent": {fmt.Sprint("agent", i), fmt.Sprint("deputy", i)}},
	}}
}

func mailboxRule(i int) rules.Rule {
	return rules.Rule{Conditions: rules.Conditions{
		Status: rules.Patterns{"completed"},
		Source: rules.Patterns{"RecordVerb"},
		Query:  map[string]rules.Patterns{"mailbox": {fmt.Sprintf("*@branch%d.example.com", i)}},
	}}
}
