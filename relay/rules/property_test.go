package rules_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/rules"
)

// chooser returns a number from 0 to n-1. All that is random here is chosen by
// one.
type chooser func(n int) int

func pick[T any](choose chooser, from ...T) T { return from[choose(len(from))] }

// patterns are over a few words, so that many match, and of every kind.
func (c chooser) patterns() rules.Patterns {
	var list rules.Patterns
	for range 1 + c(3) {
		p := pick(c, "", "a", "ab", "abc", "abcd", "b", "*", "a*", "ab*", "abc*", "*c", "a*c", "*b*", "/^ab/", "/c|d/", "AB", "A*")
		list = append(list, pick(c, "", "", "", "!")+p)
	}
	return list
}

func (c chooser) named() map[string]rules.Patterns {
	all := make(map[string]rules.Patterns)
	for range c(3) {
		all[pick(c, "x", "y", "CallSid")] = c.patterns()
	}
	return all
}

func (c chooser) conditions() (d rules.Conditions) {
	if c(2) == 0 {
		d.Status = rules.Patterns{pick(c, "completed", "absent", "!absent", "*", "a*")}
	}
	if c(3) == 0 {
		d.Source = rules.Patterns{pick(c, "StartConferenceRecordingAPI", "StartConferenceRecording", "*api", "!*api", "", "DialVerb"),
			pick(c, "Trunking", "!DialVerb", "Out*")}
	}
	if c(3) == 0 {
		d.Call = c.patterns()
	}
	if c(4) == 0 {
		d.AudioChannels = rules.Patterns{pick(c, "1", "2", "!2")}
	}
	if c(4) == 0 {
		d.MinDuration = pick(c, "0s", "1s", "2s")
	}
	if c(4) == 0 {
		d.MaxDuration = pick(c, "2s", "3s")
	}
	d.Query, d.Field = c.named(), c.named()
	return d
}

func (c chooser) rule(i int) rules.Rule {
	r := rules.Rule{Name: fmt.Sprint("rule ", i), Conditions: c.conditions(), Stop: c(8) == 0, Shadow: c(5) == 0}
	r.All = reflect.DeepEqual(r.Conditions, rules.Conditions{Query: map[string]rules.Patterns{}, Field: map[string]rules.Patterns{}})
	if c(8) == 0 {
		off := false
		r.Enabled = &off
	}
	if c(3) == 0 {
		unless := c.conditions()
		unless.MinDuration = "1s" // so that there is a condition
		r.Unless = &unless
	}
	for range 1 + c(2) {
		r.Send = append(r.Send, rules.Send{
			Via:      pick(c, "email", "console"),
			To:       rules.Patterns{pick(c, "alice", "managers", "ALICE@example.com", "{{.Query.x}}", "{{index .Query `y`}}@example.com")},
			Template: pick(c, "recording", "absent"),
		})
	}
	return r
}

func (c chooser) callback() *callback.Callback {
	value := func() string { return pick(c, "", "a", "ab", "ABC", "abcd", "b", "bc", "alice", "managers") }
	cb := &callback.Callback{
		RecordingStatus:   pick(c, "completed", "absent"),
		RecordingSource:   pick(c, "", "DialVerb", "Trunking", "OutboundAPI", "StartConferenceRecording", "StartConferenceRecordingAPI"),
		CallSid:           value(),
		RecordingChannels: pick(c, "", "1", "2"),
		RecordingDuration: c(5),
		Fields:            map[string]string{"y": value()},
		Query:             map[string]string{"y": value()},
	}
	if c(2) == 0 {
		cb.Query["x"], cb.Fields["x"] = value(), value()
	}
	return cb
}

// check compares what the index finds (Evaluate) with what a walk through all
// the rules finds (Explain).
func (c chooser) check(t *testing.T) (matches int) {
	t.Helper()
	var list []rules.Rule
	for i := range c(12) {
		list = append(list, c.rule(i))
	}
	set := compile(t, list...)
	for range 3 {
		cb := c.callback()
		deliveries, matched := set.Evaluate(cb)
		trace := set.Explain(cb)
		var explained []string
		for _, r := range trace.Rules {
			if r.Reason == "" {
				t.Errorf("Explain(%+v): rule %q has no reason", cb, r.Name)
			}
			if r.Matched {
				explained = append(explained, r.Name)
			}
		}
		if !slices.Equal(deliveries, trace.Deliveries) || !slices.Equal(matched, explained) {
			t.Fatalf("rules %+v\ncallback %+v\nEvaluate: got %+v by %q\nExplain:  got %+v by %q",
				list, cb, deliveries, matched, trace.Deliveries, explained)
		}
		checkOnce(t, deliveries)
		matches += len(matched)
	}
	return matches
}

// checkOnce reports deliveries that are the same, and such as say nothing.
func checkOnce(t *testing.T, deliveries []rules.Delivery) {
	t.Helper()
	seen := make(map[rules.Delivery]bool)
	for _, d := range deliveries {
		if (d.To == "") == (d.Problem == "") {
			t.Errorf("Evaluate: got %+v, want an address or a problem", d)
		}
		d.Rule, d.To = "", d.Kind+d.To
		if seen[d] {
			t.Errorf("Evaluate: got %+v twice", d)
		}
		seen[d] = true
	}
}

func TestEvaluateFindsWhatExplainFinds(t *testing.T) {
	const cases = 4000
	choose := chooser(rand.New(rand.NewPCG(1, 2)).IntN)
	matches := 0
	for range cases {
		matches += choose.check(t)
	}
	if matches < cases {
		t.Errorf("%d cases had %d matches, want more: they prove little", cases, matches)
	}
}

func TestWhatIsCompiledFromADefinitionInJSONDecidesTheSame(t *testing.T) {
	choose := chooser(rand.New(rand.NewPCG(5, 6)).IntN)
	for range 1000 {
		var list []rules.Rule
		for i := range choose(12) {
			r := choose.rule(i)
			r.Line = 10 * i
			list = append(list, r)
		}
		set := compile(t, list...)
		stored, err := json.Marshal(set.Definition())
		if err != nil {
			t.Fatal(err)
		}
		var d rules.Definition
		if err := json.Unmarshal(stored, &d); err != nil {
			t.Fatalf("Unmarshal(%s): %v", stored, err)
		}
		again, problems := rules.Compile(d.Rules, d.Book)
		if len(problems) > 0 {
			t.Fatalf("Compile(%s): got problems %q, want none", stored, problems)
		}
		cb := choose.callback()
		if got, want := again.Explain(cb), set.Explain(cb); !reflect.DeepEqual(got, want) {
			t.Fatalf("definition %s\ncallback %+v\nExplain: got %+v\nwant %+v", stored, cb, got, want)
		}
	}
}

func FuzzEvaluateFindsWhatExplainFinds(f *testing.F) {
	for i := range 8 {
		seed := make([]byte, 200)
		for j := range seed {
			seed[j] = byte(i*31 + j*j*17)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		chooser(func(n int) int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b) % n
		}).check(t)
	})
}

// An index files a rule under one of its conditions. Whichever other rules
// there are, and so whichever condition it is, a rule matches the same.
func TestOtherRulesDoNotChangeWhetherARuleMatches(t *testing.T) {
	choose := chooser(rand.New(rand.NewPCG(3, 4)).IntN)
	for range 1000 {
		var list []rules.Rule
		for i := range 8 {
			r := choose.rule(i)
			r.Stop = false
			list = append(list, r)
		}
		together := compile(t, list...)
		cb := choose.callback()
		var want []string
		for _, r := range list {
			_, matched := compile(t, r).Evaluate(cb)
			want = append(want, matched...)
		}
		if _, got := together.Evaluate(cb); !slices.Equal(got, want) {
			t.Fatalf("rules %+v\ncallback %+v\nEvaluate matched %q, want %q as alone", list, cb, got, want)
		}
	}
}
