package page_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"ringpost/relay/rules"
	"ringpost/relay/store"
)

func TestRulesAreInWordsWithHowOftenTheyMatched(t *testing.T) {
	f := newFixture(t)
	list := slices.Clone(f.plan.Rules.Definition().Rules)
	off := false
	list = append(list,
		rules.Rule{Name: "tried out", Line: 50, All: true, Shadow: true, Send: list[0].Send},
		rules.Rule{Name: "last", Line: 60, All: true, Stop: true, Enabled: &off, Send: list[0].Send})
	f.follow(newPlan(t, list...))
	now := f.store.Now()
	err := f.store.AddTallies(t.Context(), []store.Tally{
		{At: now, What: "rule", Name: list[0].Name, N: 12, LastAt: now},
		{At: now.Add(-10 * 24 * time.Hour), What: "rule", Name: list[0].Name, N: 2000, LastAt: now.Add(-10 * 24 * time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.must(f.get("/rules"), 200, "managers get every finished recording", "send an email", "Line 40 of the configuration",
		">12<", ">2,012<", "just now", "not in 30 days", ">trial only<", ">turned off<", ">stops here<")
}

func TestACallbackIsTriedAgainstTheRules(t *testing.T) {
	f := newFixture(t)
	a := f.post("/rules/try", url.Values{"status": {"completed"}, "source": {"Conference"}, "duration": {"3"},
		"query": {"?agent=alice"}, "fields": {"From=+15550109999\r\n\r\nRecordingSid = rec-tried \r\n"}})
	f.must(a, 200, "2 messages would go out", "alice@example.com", "carol@example.com", "rec-tried",
		"The recording lasted 3s; this rule wants at least 5s.", `value="Conference"`, "From=+15550109999")
	a = f.post("/rules/try", url.Values{"status": {"absent"}})
	f.must(a, 200, "Nobody would be told")
	if found, err := f.store.Search(t.Context(), store.Search{Limit: 1}); err != nil || len(found) > 0 {
		t.Errorf("trying has stored %v, %v", found, err)
	}
}

func TestATrialThatCannotBeSaysWhatWouldBeRight(t *testing.T) {
	f := newFixture(t)
	for form, want := range map[string]string{
		"status=done":                        "RecordingStatus: want one of",
		"status=completed&duration=long":     "RecordingDuration: want a number of seconds",
		"status=completed&query=%25":         "such as agent=alice",
		"status=completed&fields=From":       "such as From=+15550100002",
		"status=completed&fields=AccountSid": "want a line for each",
	} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		f.must(f.post("/rules/try", values), 400, want)
	}
}

func TestAStoredCallbackIsTriedAgainstTheRulesOfToday(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1"))
	changed := f.plan.Rules.Definition().Rules[1:]
	f.follow(newPlan(t, changed...))
	f.must(f.get("/rules/try/1"), 200, "1 message would go out", "RecordingSid=rec-1", `value="agent=alice"`)
	f.must(f.get("/rules/try/9"), 404)
}
