package rules_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"ringpost/relay/rules"
)

func TestRulesAreDecodedAsAdminsWriteThem(t *testing.T) {
	const src = `
[[rule]]
name   = "agents"
status = "completed"
source = ["DialVerb", "!Trunking"]
account = "a"
call = ["c"]
audio_channels = "2"
min_duration = "5s"
max_duration = "1h"
query  = { agent = "*", team = ["sales", "!support"] }
field  = { From = "+1*" }
unless = { status = ["absent"], min_duration = "2h", query = { test = "1" } }
send   = [{ via = "sms", to = ["{{.Query.agent}}", "managers"], template = "recording", fallback = { via = "email", to = "carol" } },
          { via = "email", to = "alice", template = "recording", quiet = "21:00-08:00 Europe/Berlin" }]
stop = true
shadow = true
enabled = false

[[rule]]
name = "all"
all = true
status = []
`
	var got struct {
		Rule []rules.Rule `toml:"rule"`
	}
	meta, err := toml.Decode(src, &got)
	if err != nil || len(meta.Undecoded()) > 0 {
		t.Fatalf("Decode: got error %v and unknown keys %v, want none", err, meta.Undecoded())
	}
	off := false
	want := []rules.Rule{
		{
			Name: "agents",
			Conditions: rules.Conditions{
				Status: rules.Patterns{"completed"}, Source: rules.Patterns{"DialVerb", "!Trunking"},
				Account: rules.Patterns{"a"}, Call: rules.Patterns{"c"}, AudioChannels: rules.Patterns{"2"},
				MinDuration: "5s", MaxDuration: "1h",
				Query: map[string]rules.Patterns{"agent": {"*"}, "team": {"sales", "!support"}},
				Field: map[string]rules.Patterns{"From": {"+1*"}},
			},
			Unless: &rules.Conditions{Status: rules.Patterns{"absent"}, MinDuration: "2h",
				Query: map[string]rules.Patterns{"test": {"1"}}},
			Send: []rules.Send{
				{Via: "sms", To: rules.Patterns{"{{.Query.agent}}", "managers"}, Template: "recording",
					Fallback: &rules.Fallback{Via: "email", To: rules.Patterns{"carol"}}},
				{Via: "email", To: rules.Patterns{"alice"}, Template: "recording", Quiet: "21:00-08:00 Europe/Berlin"},
			},
			Stop: true, Shadow: true, Enabled: &off,
		},
		{Name: "all", All: true, Conditions: rules.Conditions{Status: rules.Patterns{}}},
	}
	if !reflect.DeepEqual(got.Rule, want) {
		t.Errorf("Decode: got\n%+v\nwant\n%+v", got.Rule, want)
	}
}

func TestAPatternIsAStringOrAListOfStrings(t *testing.T) {
	for _, value := range []string{"2", "true", "[2]", `["a", 2]`, "{ a = 1 }", "1979-05-27"} {
		for _, key := range []string{"status", "audio_channels", "query.agent", "unless.field.From"} {
			var rule rules.Rule
			_, err := toml.Decode(key+" = "+value, &rule)
			if err == nil || !strings.Contains(err.Error(), "want a string or a list of strings") {
				t.Errorf("%s = %s: got error %v, want one that says what is wanted", key, value, err)
			}
		}
	}
}
