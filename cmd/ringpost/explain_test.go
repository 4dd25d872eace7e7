package main_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// explanation is what explain -o json prints.
type explanation struct {
	Rules []struct {
		Name       string
		Line       int
		Matched    bool
		Reason     string
		Conditions []struct {
			Key, Wanted, Actual string
			OK                  bool
		}
	}
	Deliveries []struct {
		Rule, Channel, Kind, To, Subject, Text, HTML, Problem string
		Segments                                              int
		Shadow                                                bool
	}
}

// explain asks the built program why nobody was told.
func explain(t *testing.T, args ...string) (e explanation) {
	t.Helper()
	out, errs, code := ringpost(t, nil, append([]string{"explain", "-o", "json", "-c", filepath.Join("testdata", "nobody-was-told.toml")}, args...)...)
	if code != 0 {
		t.Fatalf("explain %q = %d\n%s", args, code, errs)
	}
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatalf("explain %q: %v\n%s", args, err, out)
	}
	return e
}

func TestExplainSaysInOneLineWhyNobodyWasTold(t *testing.T) {
	for _, test := range []struct {
		situation, rule, query string
		fields                 []string
		reason                 string
	}{
		{"duration", "long calls", "", []string{"RecordingDuration=3"},
			"the recording lasted 3s; this rule wants at least 5s"},
		{"source", "dialled calls", "", []string{"RecordingSource=Trunking"},
			"the call came by Trunking; this rule wants DialVerb or Conference"},
		{"query", "agents", "", nil,
			"?agent= is missing from the callback's address"},
		{"unless", "all but tests", "agent=test7", []string{"RecordingDuration=3"},
			"its exception holds: the recording lasted 3s and the callback's address says ?agent=test7"},
		{"stop", "after it", "agent=dora", nil,
			`not reached: rule "the last word" stops the evaluation`},
		{"shadow", "a trial", "", nil,
			"trial only (shadow): it would send an email to carol@example.com and sends nothing"},
		{"disabled", "summer", "", nil,
			"turned off (enabled = false)"},
		{"unknown contact", "agents", "agent=dora", nil,
			`every condition holds; nobody gets an SMS: "dora" is no contact, no group and no phone number such as +15550100001`},
		{"empty recipient", "mailboxes", "mailbox=x", []string{"Mailbox=alice"},
			"every condition holds; nobody gets an email: the recipient is empty: the rule's template yields nothing for this callback; " +
				`an email to alice@example.com goes out once, for rule "long calls"`},
		{"duplicate", "after it", "", nil,
			`every condition holds; an email to alice@example.com goes out once, for rule "long calls"`},
	} {
		e := explain(t, append(test.fields, "--query", test.query)...)
		got := ""
		for _, r := range e.Rules {
			if r.Name == test.rule {
				got = r.Reason
			}
		}
		if got != test.reason {
			t.Errorf("%s: rule %q says %s\nwant %s", test.situation, test.rule, got, test.reason)
		}
	}
}

func TestExplainPrintsRulesConditionsAndMessagesForPeople(t *testing.T) {
	dir := t.TempDir()
	config, err := os.ReadFile(filepath.Join("testdata", "nobody-was-told.toml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ringpost.toml"), string(config))
	write(t, filepath.Join(dir, "templates", "recording.email.txt"), "Subject: Call of {{duration .RecordingDuration}}\n\nHear it:\n{{.RecordingUrl}}\n")
	write(t, filepath.Join(dir, "templates", "recording.email.html"), "<a href=\"{{.RecordingUrl}}\">Hear it</a>\n")
	write(t, filepath.Join(dir, "body"), "RecordingDuration=9&RecordingSource=\x1b%5B2J&RecordingUrl=https%3A%2F%2Fexample.com%2Fr\n")
	out, errs, code := ringpost(t, nil, "explain", "-c", filepath.Join(dir, "ringpost.toml"), "--body", filepath.Join(dir, "body"),
		"RecordingDuration=3", "--query", "?agent=alice&mailbox=x")
	if code != 0 || errs != "" {
		t.Errorf("explain = %d %q, want 0 and no error", code, errs)
	}
	golden(t, "explain.txt", out)
	if line := explain(t).Rules[1].Line; line != 23 {
		t.Errorf("explain -o json: the second rule stands on line %d, want 23", line)
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func TestExplainTakesABodyAsFormOrJSONFromAFileOrStandardInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	for _, body := range []string{
		"RecordingStatus=absent&RecordingDuration=0&RecordingSource=Trunking\n",
		`{"RecordingStatus": "absent", "RecordingDuration": 0, "RecordingSource": "Trunking"}`,
	} {
		write(t, file, body)
		e := explain(t, "--body", file)
		if got := e.Rules[1].Reason; got != "the call came by Trunking; this rule wants DialVerb or Conference" {
			t.Errorf("body %s: rule %q says %s", body, e.Rules[1].Name, got)
		}
	}
	out, errs, code := ringpostReading(t, "RecordingDuration=3", "explain", "-c", filepath.Join("testdata", "nobody-was-told.toml"), "--body", "-")
	if code != 0 || !strings.Contains(out, "the recording lasted 3s") {
		t.Errorf("explain --body - = %d\n%s%s", code, out, errs)
	}
}

func TestExplainRefusesWhatIsNoCallback(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	write(t, file, "a=%zz")
	config := filepath.Join("testdata", "nobody-was-told.toml")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"RecordingStatus"}, 2, `"RecordingStatus": want FIELD=VALUE`},
		{[]string{"--query", "a=%zz"}, 2, "--query: bad percent-encoding"},
		{[]string{"RecordingStatus=done"}, 1, "RecordingStatus: want one of in-progress"},
		{[]string{"--body", file}, 1, "want the body of a callback, a form or JSON: bad percent-encoding"},
		{[]string{"--body", "nowhere"}, 1, "nowhere"},
	} {
		_, errs, code := ringpost(t, nil, append([]string{"explain", "-c", config}, test.args...)...)
		if code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("explain %q = %d %s, want %d and %s", test.args, code, errs, test.code, test.want)
		}
	}
}

func TestExplainSaysWhenVariablesThatTheRulesNeedAreNotSet(t *testing.T) {
	config, err := os.ReadFile(filepath.Join("testdata", "nobody-was-told.toml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ringpost.toml")
	write(t, file, strings.Replace(string(config), `"alice@example.com"`, `"${ALICE_OF_NOWHERE}"`, 1))
	_, errs, code := ringpost(t, nil, "explain", "-c", file)
	if code != 1 || !strings.Contains(errs, "variables that they, contacts or groups need are not set") {
		t.Errorf("explain = %d %s, want 1 and that a variable is not set", code, errs)
	}
	if out, errs, code := ringpost(t, []string{"ALICE_OF_NOWHERE=a@example.com"}, "explain", "-c", file); code != 0 || !strings.Contains(out, "a@example.com") {
		t.Errorf("explain with the variable = %d %s, want a message to it", code, errs)
	}
}
