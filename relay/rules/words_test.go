package rules_test

import (
	"testing"

	"ringpost/relay/rules"
)

func TestARuleIsSaidInASentence(t *testing.T) {
	off := false
	b := book()
	type patterns = map[string]rules.Patterns
	sms := rules.Send{Via: "sms", To: rules.Patterns{"{{.Query.agent}}"}, Template: "recording"}
	email := rules.Send{Via: "email", To: rules.Patterns{"managers", "bob", "qa@example.com"}, Template: "recording"}
	for _, test := range []struct {
		rule rules.Rule
		want string
	}{
		{rules.Rule{All: true, Send: []rules.Send{email}},
			"For every callback: send an email (channel email, template recording) to the group managers, bob and qa@example.com."},
		{rules.Rule{All: true, Send: []rules.Send{{Via: "email", To: rules.Patterns{"bob"}, Template: "t", Attach: "mp3", AttachMax: "5MB"}}},
			"For every callback: send an email with the recording as MP3 (channel email, template t) to bob."},
		{rules.Rule{Conditions: rules.Conditions{Status: rules.Patterns{"completed"}, Source: rules.Patterns{"DialVerb", "Conference"},
			MinDuration: "5s"}, Unless: &rules.Conditions{Field: patterns{"RecordingTrack": {"outbound"}}}, Send: []rules.Send{sms}},
			"When a recording is completed, came by DialVerb or Conference and lasts at least 5s, unless the callback's RecordingTrack is outbound: " +
				"send an SMS (channel sms, template recording) to whoever ?agent= names."},
		{rules.Rule{Conditions: rules.Conditions{MinDuration: "5s", MaxDuration: "1h", AudioChannels: rules.Patterns{"2"}},
			Unless: &rules.Conditions{Source: rules.Patterns{"Start*"}, MaxDuration: "10s"}, Send: []rules.Send{email, sms}, Stop: true},
			"When a recording lasts 5s to 1h and the number of audio channels is 2, unless it came by Start* and lasts at most 10s: " +
				"send an email (channel email, template recording) to the group managers, bob and qa@example.com and " +
				"an SMS (channel sms, template recording) to whoever ?agent= names. No later rule is looked at."},
		{rules.Rule{Conditions: rules.Conditions{Query: patterns{"agent": {"*"}, "team": {"!*"}, "b": {"!"}, "c": {""}, "d": {"x y", "!z"}}},
			Shadow: true, Stop: true, Send: []rules.Send{sms}},
			`Trial only (shadow), nothing is sent: when ?agent= is given, ?b= is given, ?c= is not given, ?d= is "x y", but not z and ?team= is not given: ` +
				"send an SMS (channel sms, template recording) to whoever ?agent= names."},
		{rules.Rule{Conditions: rules.Conditions{Account: rules.Patterns{"b3*"}, Call: rules.Patterns{"!CA1", "!CA2"}}, Enabled: &off,
			Send: []rules.Send{{Via: "console", To: rules.Patterns{"{{index .Fields `From`}}", "{{upper .CallSid}}"}, Template: "t"}}},
			"Turned off: when the account is b3* and the call is anything but CA1 or CA2: send an entry of the log (channel console, template t) to " +
				"whoever the callback's From names and whoever {{upper .CallSid}} names."},
		{rules.Rule{All: true, Send: []rules.Send{{Via: "sms", To: rules.Patterns{"bob"}, Template: "link",
			Fallback: &rules.Fallback{Via: "email", To: rules.Patterns{"managers"}}}}},
			"For every callback: send an SMS (channel sms, template link) to bob or, where that fails, " +
				"an email (channel email, template link) to the group managers."},
	} {
		if got := test.rule.Words(&b); got != test.want {
			t.Errorf("Words: got  %s\nwant %s", got, test.want)
		}
	}
}
