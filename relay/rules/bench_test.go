package rules_test

import (
	"fmt"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/rules"
)

// agents returns a rule for each of n agents. pattern has the agent's number.
func agents(n int, pattern string, status ...string) []rules.Rule {
	list := make([]rules.Rule, n)
	for i := range list {
		list[i] = rules.Rule{
			Name: fmt.Sprint("agent ", i),
			Conditions: rules.Conditions{
				Status: status,
				Query:  map[string]rules.Patterns{"agent": {fmt.Sprintf(pattern, i)}},
			},
			Send: by("alice"),
		}
	}
	return list
}

// office returns twenty rules such as a company may have.
func office() []rules.Rule {
	list := []rules.Rule{
		{Name: "managers", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}, MinDuration: "10s"}, Send: by("managers")},
		{Name: "agents", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}, Source: rules.Patterns{"DialVerb", "Conference"},
			Query: map[string]rules.Patterns{"agent": {"*"}}}, Send: by("{{.Query.agent}}")},
		{Name: "absent", Conditions: rules.Conditions{Status: rules.Patterns{"absent", "failed"}}, Send: by("managers")},
		{Name: "voicemail", Conditions: rules.Conditions{Source: rules.Patterns{"RecordVerb"}}, Send: by("carol")},
	}
	for i := len(list); i < 20; i++ {
		list = append(list, rules.Rule{Name: fmt.Sprint("team ", i), Send: by("carol"), Conditions: rules.Conditions{
			Status: rules.Patterns{"completed"}, Query: map[string]rules.Patterns{"Team": {fmt.Sprintf("team%d", i), "!/test/"}},
		}})
	}
	return list
}

func BenchmarkEvaluate(b *testing.B) {
	byAgent := func(agent string) *callback.Callback {
		cb := call()
		cb.Query = map[string]string{"agent": agent}
		return cb
	}
	for _, bench := range []struct {
		name  string
		rules []rules.Rule
		call  *callback.Callback
		want  int
	}{
		{"20rules", office(), call(), 2},
		{"20rules/none", office(), &callback.Callback{RecordingStatus: "in-progress"}, 0},
		{"10000rules", agents(10000, "agent%d"), byAgent("agent4711"), 1},
		{"10000rules/none", agents(10000, "agent%d"), byAgent("nobody"), 0},
		{"10000wildcards", agents(10000, "agent%d*", "completed"), byAgent("agent4711"), 4},
		{"10000wildcards/none", agents(10000, "agent%d*", "completed"), byAgent("nobody"), 0},
		{"10000suffixes", agents(10000, "*agent%d", "completed"), byAgent("agent4711"), 1},
		{"10000suffixes/unfiled", agents(10000, "*agent%d"), byAgent("agent4711"), 1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			set := compile(b, bench.rules...)
			b.ReportAllocs()
			for b.Loop() {
				if _, matched := set.Evaluate(bench.call); len(matched) != bench.want {
					b.Fatalf("Evaluate matched %q, want %d rules", matched, bench.want)
				}
			}
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	set := compile(b, office()...)
	cb := call()
	b.ReportAllocs()
	for b.Loop() {
		set.Explain(cb)
	}
}

func BenchmarkCompile(b *testing.B) {
	list := agents(10000, "agent%d*", "completed")
	b.ReportAllocs()
	for b.Loop() {
		compile(b, list...)
	}
}

// The race detector's pool forgets what it holds, which costs a few allocations
// whatever the number of rules.
func TestRulesThatDoNotMatchAllocateNothing(t *testing.T) {
	list := append(agents(1000, "agent%d*", "completed"), agents(1000, "*agent%d")...)
	for i := range list {
		list[i].Name = fmt.Sprint(i)
	}
	set := compile(t, list...)
	cb := &callback.Callback{RecordingStatus: "completed", Query: map[string]string{"agent": "agen"}}
	allocs := testing.AllocsPerRun(1000, func() {
		if deliveries, _ := set.Evaluate(cb); deliveries != nil {
			t.Errorf("Evaluate: got %+v, want nothing", deliveries)
		}
	})
	if allocs > 4 {
		t.Errorf("Evaluate past 2000 rules: got %v allocations, want none", allocs)
	}
}
