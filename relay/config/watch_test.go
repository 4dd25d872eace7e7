package config_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/config"
)

const watched = `
[server]
public_url = "https://hooks.example.com"
[signalwire]
signing_keys = ["PSK_1"]
[channel.console]
kind = "log"
[[rule]]
name = "r"
status = ["missing", "undelivered"]
send = [{ via = "console", to = ["b@example.com"], template = "missing" }]
[watch]
`

func TestWatchIsReadOrRefused(t *testing.T) {
	for _, test := range []struct {
		line     string
		catchUp  time.Duration
		missing  time.Duration
		problems string // that are all
	}{
		{``, 5 * time.Minute, 4 * time.Hour, ""},
		{`catch_up = "off"`, 0, 4 * time.Hour, ""},
		{`missing_after = "off"`, 5 * time.Minute, 0, ""},
		{`missing_after = "1d"`, 5 * time.Minute, 24 * time.Hour, ""},
		{`catch_up = "10m"`, 10 * time.Minute, 4 * time.Hour, "warning: watch: catch_up: nobody is asked: want [signalwire] space, project and token too"},
		{`catch_up = "0s"`, 0, 0, `watch: catch_up: want a duration like 90s, 5m, 12h or 3d, or "off", got string "0s"`},
		{`catch_up = "never"`, 0, 0, `watch: catch_up: want a duration like 90s, 5m, 12h or 3d, or "off", got string "never"`},
		{`catch_up = false`, 0, 0, `watch: catch_up: want a duration like 90s, 5m, 12h or 3d, or "off", got false`},
		{`missing_after = "30s"`, 0, 0, `watch: missing_after: want at least 1m, or "off"`},
		{`missing_after = "90d"`, 0, 0, `watch: missing_after: want less than [store] keep`},
		{`catchup = "5m"`, 0, 0, `watch: unknown key "catchup": did you mean "catch_up"?`},
	} {
		c, problems := parse(watched+test.line+"\n", nil, config.Serve)
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		text := strings.Join(got, "\n")
		if !strings.Contains(text, test.problems) || test.problems == "" && text != "" || len(got) > 1 {
			t.Errorf("%s: problems are %q, want %q", test.line, text, test.problems)
		}
		if test.catchUp+test.missing == 0 {
			continue
		}
		if c == nil || c.Watch != (config.Watch{CatchUp: config.Period(test.catchUp), MissingAfter: config.Period(test.missing)}) {
			t.Errorf("%s: watch is %+v, want %v and %v", test.line, c, test.catchUp, test.missing)
		}
	}
}

func TestNoWarningForWhatIsNotSetYet(t *testing.T) {
	src := strings.Replace(watched, "[signalwire]", "[signalwire]\nspace = \"example.signalwire.com\"\nproject = \"${P}\"\ntoken = \"${T}\"", 1)
	_, problems := parse(src+"catch_up = \"5m\"\n", nil, config.Check)
	for _, p := range problems {
		if !strings.Contains(p.Text, "not set in the environment") {
			t.Errorf("a problem is %v, want but what is not set", p)
		}
	}
}
