package rules_test

import (
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
)

// shelf is a book with two archives.
func shelf() rules.Book {
	b := book()
	b.Channels["archive"], b.Channels["vault"] = "archive", "archive"
	b.Paths = map[string]string{"vault": "{{.Query.agent}}/{{.RecordingSid}}.wav"}
	return b
}

func keeping(via string) rules.Rule {
	return rules.Rule{Name: "keep", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}}, Send: []rules.Send{{Via: via}}}
}

func TestASendOfAnArchiveIsOneDeliveryToAPath(t *testing.T) {
	for via, test := range map[string]struct{ query, to, problem string }{
		"archive":          {"alice", "0001/01/01/19e436af-5688.mp3", ""},
		"vault":            {"alice", "alice/19e436af-5688.wav", ""},
		"vault, outwards":  {"../../etc", "", "begins with a dot"},
		"vault, hidden":    {".ssh", "", "begins with a dot"},
		"vault, empty":     {"", "19e436af-5688.wav", ""},
		"vault, none":      {"", "", "the path is not known: ?agent= is missing"},
		"vault, strange":   {"a\x00b/\\c: d/ü", "a-b/-c--d/ü/19e436af-5688.wav", ""},
		"vault, long":      {strings.Repeat("a", 300), "", "more than 200 bytes"},
		"vault, very long": {strings.Repeat("abc/", 200), "", "more than 500 bytes"},
	} {
		channel, _, _ := strings.Cut(via, ",")
		set, problems := rules.Compile([]rules.Rule{keeping(channel)}, shelf())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		cb := call()
		if cb.Query["agent"] = test.query; via == "vault, none" {
			delete(cb.Query, "agent")
		}
		got, _ := set.Evaluate(cb)
		if len(got) != 1 || got[0].To != test.to || got[0].Kind != render.Archive || (got[0].Problem == "") != (test.problem == "") ||
			!strings.Contains(got[0].Problem, test.problem) {
			t.Errorf("%s: Evaluate = %+v, want one to %q, problem %q", via, got, test.to, test.problem)
		}
	}
}

func TestAnArchiveKeepsOnlyWhatHasEnded(t *testing.T) {
	off := false
	for status, ok := range map[string]bool{
		"completed": true, "COMPLETED": true, "comp*": true, "/^completed$/": true,
		"": false, "*": false, "!absent": false, "absent": false, "/e/": false,
	} {
		r := keeping("archive")
		r.Status = rules.Patterns{status}
		if status == "" {
			r.Status, r.Late = nil, &off
		}
		_, problems := rules.Compile([]rules.Rule{r}, shelf())
		if (len(problems) == 0) != ok || len(problems) > 0 && (problems[0].Path != "rule[0].send[0].via" || !strings.Contains(problems[0].Text, `status = "completed"`)) {
			t.Errorf("status %q: Compile = %q, want fine: %v", status, problems, ok)
		}
	}
}

func TestAPathMayNameWhoWasCalled(t *testing.T) {
	b := shelf()
	b.Paths["archive"] = "{{contact .Call.To | default `nobody`}}/{{.RecordingSid}}.mp3"
	set, problems := rules.Compile([]rules.Rule{keeping("archive")}, b)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	cb := call()
	if !set.NeedsCall(cb, nil) {
		t.Error("NeedsCall = false, want that the call is asked for")
	}
	for _, want := range []string{"nobody/19e436af-5688.mp3", "alice/19e436af-5688.mp3"} {
		if got, _ := set.Evaluate(cb); len(got) != 1 || got[0].To != want {
			t.Errorf("Evaluate = %+v, want it at %s", got, want)
		}
		cb.Call = &callback.Call{Known: true, To: "+15550100001"}
	}
}

func TestAnArchiveTakesNoRecipientsAndNoTemplate(t *testing.T) {
	r := keeping("archive")
	r.Send[0] = rules.Send{Via: "archive", To: rules.Patterns{"alice"}, Template: "recording", Attach: "mp3"}
	_, problems := rules.Compile([]rules.Rule{r}, shelf())
	if len(problems) != 3 || problems[0].Path != "rule[0].send[0].to" || problems[1].Path != "rule[0].send[0].template" ||
		problems[2].Path != "rule[0].send[0]" {
		t.Errorf("Compile = %q, want a problem of to, one of template and one of attach", problems)
	}
	r.Send[0] = rules.Send{Via: "archive", Quiet: "21:00-08:00 Europe/Berlin"}
	if _, problems := rules.Compile([]rules.Rule{r}, shelf()); len(problems) != 0 {
		t.Errorf("Compile with quiet hours = %q, want no problem", problems)
	}
}

func TestAnArchiveIsSaidInWords(t *testing.T) {
	b := shelf()
	r := keeping("vault")
	if got, want := r.Words(&b), "When a recording is completed: send a copy to the archive (channel vault)."; got != want {
		t.Errorf("Words = %s, want %s", got, want)
	}
	r.Shadow = true
	set, problems := rules.Compile([]rules.Rule{r}, b)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got, want := set.Explain(call()).Rules[0].Reason, "trial only (shadow): it would send a copy to alice/19e436af-5688.wav and sends nothing"; got != want {
		t.Errorf("Reason = %s, want %s", got, want)
	}
	for name, ok := range map[string]bool{"test/ringpost.txt": true, "../x": false, "alice": false, "a//b": false, "x.json": false, "managers": false} {
		if to, err := set.Address(name, render.Archive); (err == nil) != ok || ok && to != name {
			t.Errorf("Address(%q) = %q, %v; want fine: %v", name, to, err, ok)
		}
	}
}
