package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringpost/relay/config"
)

const callable = `
[server]
public_url = "https://hooks.example.com"
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
signing_keys = ["PSK_1"]
[channel.console]
kind = "log"
[contact.alice]
phone = "+15550100001"
`

const byCaller = `
[[rule]]
name = "r"
from = "+1555*"
send = [{ via = "console", to = ["{{contact .Call.To}}"], template = "caller" }]
`

// loadWithCaller loads a configuration beside a template that asks for the call.
func loadWithCaller(t *testing.T, src string, mode config.Mode) (*config.Config, []config.Problem) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "templates/caller.sms.txt", "{{.Call.From}} to {{contact .Call.To}}")
	write(t, dir, "ringpost.toml", src)
	return config.Load(filepath.Join(dir, "ringpost.toml"), mode)
}

func TestACallIsWaitedForTwoMinutesOrAsLongAsIsSaid(t *testing.T) {
	for line, want := range map[string]time.Duration{"": 2 * time.Minute, "lookup_timeout = \"30s\"": 30 * time.Second, "lookup_timeout = \"1h\"": time.Hour} {
		c, problems := loadWithCaller(t, strings.Replace(callable, "[signalwire]", "[signalwire]\n"+line, 1)+byCaller, config.Serve)
		if c == nil || c.SignalWire.LookupTimeout != want {
			t.Errorf("with %q: %v, %v, want %v", line, c, problems, want)
		}
	}
}

func TestATemplateThatAsksForTheCallNeedsSomebodyToAsk(t *testing.T) {
	src := strings.Replace(callable, "token = \"t\"\n", "", 1) + strings.Replace(byCaller, "from = \"+1555*\"", "all = true", 1)
	_, problems := loadWithCaller(t, src, config.Serve)
	var got []string
	for _, p := range problems {
		got = append(got, p.Text)
	}
	const end = ": SignalWire is asked who called: want [signalwire] space, project and token too"
	if want := `rule "r": send[0].to[0]` + end + "\n" + `rule "r": send[0].template` + end; strings.Join(got, "\n") != want {
		t.Errorf("without a token: got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	unset := strings.Replace(callable, `token = "t"`, `token = "${RINGPOST_TEST_UNSET}"`, 1) + byCaller
	if _, problems = loadWithCaller(t, unset, config.Check); len(problems) != 1 || !problems[0].Warning {
		t.Errorf("with a token that is not set: %v, want that one warning", problems)
	}
}

func TestATestSaysWhatIsKnownOfTheCall(t *testing.T) {
	c, problems := loadWithCaller(t, callable+byCaller+`
[[test]]
name = "t"
callback = { RecordingStatus = "completed" }
call = { From = "+15550100002", Direction = "inbound" }
late = true
expect = []
`, config.Serve)
	if c == nil || len(problems) > 0 {
		t.Fatalf("Load: %v", problems)
	}
	if got := c.Tests[0]; !got.Late || got.Call["From"] != "+15550100002" || got.Call["Direction"] != "inbound" {
		t.Errorf("the test is %+v, want it late and with the call", got)
	}
}
