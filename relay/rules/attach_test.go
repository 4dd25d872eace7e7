package rules_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ringpost/relay/render"
	"ringpost/relay/rules"
)

func TestASizeIsReadAsMailProvidersMeanIt(t *testing.T) {
	for text, want := range map[string]int64{"1kB": 1000, "500kB": 500_000, "10MB": 10_000_000, "25MB": 25_000_000, "500 KB": 500_000, "10mb": 10_000_000} {
		if got, err := rules.ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "0MB", "0kB", "10", "10GB", "10MiB", "-1MB", "+1MB", "1.5MB", "1e3kB",
		"10MBMB", "99999999999999999999MB", "1048576MB"} {
		if got, err := rules.ParseSize(text); err == nil || !strings.Contains(err.Error(), "10MB") {
			t.Errorf("ParseSize(%q) = %d, %v, want an error that says what would be right", text, got, err)
		}
	}
	for bytes, want := range map[int64]string{1: "1 kB", 1000: "1 kB", 830_100: "831 kB", 1_000_000: "1 MB", 4_230_000: "4.2 MB", 10_000_000: "10 MB"} {
		if got := rules.Size(bytes); got != want {
			t.Errorf("Size(%d) = %q, want %q", bytes, got, want)
		}
	}
}

func TestWhatIsWrongWithAnAttachmentIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		change     func(*rules.Send)
		path, text string
	}{
		"format": {func(s *rules.Send) { s.Attach = "ogg" }, "attach", "attach: want mp3 or wav"},
		"size": {func(s *rules.Send) { s.Attach, s.AttachMax = "mp3", "ten" },
			"attach_max", "attach_max: want a size like 500kB or 10MB"},
		"too much": {func(s *rules.Send) { s.Attach, s.AttachMax = "mp3", "26MB" },
			"attach_max", "attach_max: want at most 25MB: mail servers take no larger messages"},
		"a bound of nothing": {func(s *rules.Send) { s.AttachMax = "5MB" },
			"attach_max", `attach_max: nothing is attached: want attach = "mp3" too`},
		"with an SMS": {func(s *rules.Send) { s.Via, s.Attach = "sms", "mp3" },
			"attach", `attach: a recording can go with an email only, and channel "sms" is of kind sms`},
		"with the log": {func(s *rules.Send) { s.Via, s.Attach = "console", "mp3" },
			"attach", `attach: a recording can go with an email only, and channel "console" is of kind log`},
	} {
		r := good()
		test.change(&r.Send[0])
		_, got := rules.Compile([]rules.Rule{r}, book())
		at := "rule[0].send[0]." + test.path
		if !slices.ContainsFunc(got, func(p rules.Problem) bool { return p.Path == at && p.Text == `rule "r": send[0].`+test.text }) {
			t.Errorf("%s: Compile: got %q\nwant %q at %s", name, got, test.text, at)
		}
	}
}

// attaches are rules by which an email is asked for twice.
func attaches(first, second string) []rules.Rule {
	one, two := good(), good()
	one.Name, two.Name = "one", "two"
	one.Send = []rules.Send{{Via: "email", To: rules.Patterns{"alice"}, Template: "recording", Attach: first}}
	two.Send = []rules.Send{{Via: "email", To: rules.Patterns{"bob@example.com", "ALICE@example.com"}, Template: "recording", Attach: second, AttachMax: "2MB"}}
	if second == "" {
		two.Send[0].AttachMax = ""
	}
	return []rules.Rule{one, two}
}

func TestARecordingGoesWithAMessageWhicheverRuleAsksForIt(t *testing.T) {
	for _, test := range []struct{ first, second, alice, bob string }{
		{"", "", "", ""}, {"mp3", "", "mp3", ""}, {"", "wav", "wav", "wav"}, {"mp3", "wav", "mp3", "wav"},
	} {
		set := compile(t, attaches(test.first, test.second)...)
		got, _ := set.Evaluate(render.Sample().Callback)
		explained := set.Explain(render.Sample().Callback).Deliveries
		for _, deliveries := range [][]rules.Delivery{got, explained} {
			if len(deliveries) != 2 || deliveries[0].To != "alice@example.com" {
				t.Fatalf("Evaluate = %+v, want one for alice and one for bob", deliveries)
			}
			for i, want := range []string{test.alice, test.bob} {
				switch a := deliveries[i].Attach; {
				case a == nil && want != "", a != nil && a.Format != want:
					t.Errorf("%+v: with %s goes %+v, want %q", test, deliveries[i].To, a, want)
				case want == "mp3" && a.MaxBytes != rules.DefaultAttachMax, want == "wav" && a.MaxBytes != 2_000_000:
					t.Errorf("%+v: at most %d bytes", test, a.MaxBytes)
				}
			}
		}
	}
}

func TestADefinitionOutlivesTheConfigurationWithItsAttachments(t *testing.T) {
	set := compile(t, attaches("", "wav")...)
	kept, err := json.Marshal(set.Definition())
	if err != nil {
		t.Fatal(err)
	}
	var d rules.Definition
	if err := json.Unmarshal(kept, &d); err != nil {
		t.Fatal(err)
	}
	got, _ := compile(t, d.Rules...).Evaluate(render.Sample().Callback)
	if len(got) != 2 || got[0].Attach == nil || *got[0].Attach != (rules.Attach{Format: "wav", MaxBytes: 2_000_000}) {
		t.Errorf("Evaluate = %+v, want the recording with it as before", got)
	}
	if strings.Count(string(kept), "attach") != 2 {
		t.Errorf("a definition without attachments is not what it was: %s", kept)
	}
}
