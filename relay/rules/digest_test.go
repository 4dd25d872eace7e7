package rules_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/rules"
)

func TestADigestCollectsFromAMinuteToAWeek(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "1m": time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour} {
		if got, err := rules.ParseDigest(text); got != want || err != nil {
			t.Errorf("ParseDigest(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "59s", "8d", "168h1s", "-1h", "1", "d", "1h d", "99999999999999999999d", "hourly"} {
		if got, err := rules.ParseDigest(text); err == nil || !strings.Contains(err.Error(), "want from one minute to seven days, such as 30m, 1h or 1d") {
			t.Errorf("ParseDigest(%q) = %v, %v, want what would be right", text, got, err)
		}
	}
}

func TestADeliveryIsCollectedUnlessAnotherSendWantsItAtOnce(t *testing.T) {
	hourly := rules.Send{Via: "email", To: rules.Patterns{"carol"}, Template: "digest", Digest: "1h"}
	daily, once := hourly, hourly
	daily.Digest, once.Digest = "1d", ""
	for _, test := range []struct {
		name  string
		sends []rules.Send
		want  time.Duration
	}{
		{"one", []rules.Send{hourly}, time.Hour},
		{"the longer first", []rules.Send{daily, hourly}, time.Hour},
		{"the shorter first", []rules.Send{hourly, daily}, time.Hour},
		{"at once too", []rules.Send{daily, once}, 0},
		{"at once first", []rules.Send{once, daily}, 0},
	} {
		set := compile(t, rules.Rule{Name: "r", All: true, Send: test.sends})
		if got, _ := set.Evaluate(call()); len(got) != 1 || got[0].Digest != test.want {
			t.Errorf("%s: Evaluate() = %+v, want one delivery collected for %v", test.name, got, test.want)
		}
	}
}

func TestADigestThatCannotBeIsAProblem(t *testing.T) {
	_, problems := rules.Compile([]rules.Rule{{Name: "r", All: true, Send: []rules.Send{
		{Via: "email", To: rules.Patterns{"carol"}, Template: "digest", Digest: "1s"},
		{Via: "email", To: rules.Patterns{"carol"}, Template: "digest", Digest: "1h", Attach: "mp3"},
	}}}, book())
	want := []rules.Problem{
		{Path: "rule[0].send[0].digest", Text: `rule "r": send[0].digest: "1s": want from one minute to seven days, such as 30m, 1h or 1d`},
		{Path: "rule[0].send[1].digest", Text: `rule "r": send[1].digest: it tells of many recordings, and one can go with a message: want no attach beside it`},
	}
	if len(problems) != 2 || problems[0] != want[0] || problems[1] != want[1] {
		t.Errorf("Compile: got problems %q, want %q", problems, want)
	}
}

func TestWordsSayOfADigestAndOfQuietHours(t *testing.T) {
	b := book()
	rule := rules.Rule{All: true, Send: []rules.Send{{Via: "email", To: rules.Patterns{"carol"}, Template: "digest", Digest: "1h", Quiet: night}}}
	want := "send an email (channel email, template digest) to carol, in digests of 1h, but not in quiet hours (" + night + ")."
	if got := rule.Words(&b); !strings.HasSuffix(got, want) {
		t.Errorf("Words: got  %s\nwant %s", got, want)
	}
}
