package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/config"
)

// base is a configuration without faults, to be added to.
const base = `
[server]
public_url = "https://hooks.example.com"
[signalwire]
signing_keys = ["PSK_1"]
[channel.console]
kind = "log"
`

// anyRule is a rule without faults.
const anyRule = `
[[rule]]
name = "any"
all = true
send = [{ via = "console", to = ["a@example.com"], template = "recording" }]
`

func parse(src string, env map[string]string, mode config.Mode) (*config.Config, []config.Problem) {
	lookUp := func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
	return config.Parse("ringpost.toml", []byte(src), lookUp, mode)
}

// mustParse returns the configuration in src, which must have no problem.
func mustParse(t *testing.T, src string, env map[string]string) *config.Config {
	t.Helper()
	c, problems := parse(src, env, config.Serve)
	if len(problems) > 0 {
		t.Fatalf("Parse: got %v, want no problem; of\n%s", problems, src)
	}
	return c
}

// Each line of the files in testdata/faults says behind #! what is reported for
// it.
func TestEveryFaultIsReportedOnItsLine(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob: got %v, %v, want files", files, err)
	}
	env := map[string]string{"HOST": "hooks.example.com", "KEY": "PSK_1", "EMPTY": ""}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			line := 0
			for text := range strings.Lines(string(src)) {
				line++
				for _, problem := range strings.Split(strings.TrimSuffix(text, "\n"), "#! ")[1:] {
					want = append(want, fmt.Sprintf("%s:%d: %s", file, line, strings.TrimSpace(problem)))
				}
			}
			lookUp := func(name string) (string, bool) { value, ok := env[name]; return value, ok }
			c, problems := config.Parse(file, src, lookUp, config.Serve)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			slices.Sort(got)
			slices.Sort(want)
			for _, p := range got {
				if !slices.Contains(want, p) {
					t.Errorf("Parse reports, not wanted: %s", p)
				}
			}
			for _, p := range want {
				if !slices.Contains(got, p) {
					t.Errorf("Parse does not report: %s", p)
				}
			}
			if len(got) != len(want) || c != nil {
				t.Errorf("Parse: got %d problems and config %v, want %d and nil", len(got), c != nil, len(want))
			}
		})
	}
}

func TestSyntaxErrorHasItsLineAndNoValue(t *testing.T) {
	for src, want := range map[string]string{
		"[server]\nlisten = \"a\"\nlisten = \"b\"\n":        "ringpost.toml:3: Key 'server.listen' has already been defined.",
		"[signalwire]\n\ntoken = hunter2\n":                 "ringpost.toml:3: expected value but found \"…\" instead",
		"a = 1\n[signalwire]\ntoken = \"hunter2\\u00\"\n":   "ringpost.toml:3: expected four hexadecimal digits after '\\u', but got \"…\" instead",
		"[server\nlisten = \"a\"\n":                         "ringpost.toml:1: expected '.' or ']' to end table name, but got '\\n' instead",
		"[server]\nlisten = \"\xff\"\n":                     "ringpost.toml:2: invalid UTF-8 byte: 0xff",
		"[server]\nlisten = \"127.0.0.1:8080\npublic_url\n": "ringpost.toml:2: strings cannot contain newlines",
	} {
		c, problems := parse(src, nil, config.Serve)
		if c != nil || len(problems) != 1 || problems[0].String() != want {
			t.Errorf("Parse(%q): got %v, want %q", src, problems, want)
		}
	}
}

func TestLineOfTheSecondOfFiveRules(t *testing.T) {
	src := base + strings.Repeat(anyRule, 5)
	for i := range 5 {
		src = strings.Replace(src, `"any"`, fmt.Sprintf(`"rule %d"`, i), 1)
	}
	c := mustParse(t, src, nil)
	want := 1 + strings.Count(src[:strings.Index(src, `name = "rule 1"`)], "\n")
	for _, path := range []string{"rule[1].name", "rule[1].name.nowhere", "rule[1].name[7]"} {
		if got := c.Line(path); got != want {
			t.Errorf("Line(%q): got %d, want %d", path, got, want)
		}
	}
	if got := c.Line("rule[1].send[0].shadow"); got != want+2 {
		t.Errorf("Line of a key that is not there: got %d, want the line of its table, %d", got, want+2)
	}
	if got := c.Rules.Explain(new(callback.Callback)).Rules[1].Line; got != want-1 {
		t.Errorf("Explain: got line %d, want that of [[rule]], %d", got, want-1)
	}
	if got := c.Line("delivery.first_retry"); got != 1 {
		t.Errorf("Line of a table that is not there: got %d, want 1", got)
	}
	_, problems := parse(strings.Replace(src, `"rule 1"`, `5`, 1), nil, config.Serve)
	if len(problems) != 1 || problems[0].Line != want {
		t.Errorf("Parse with a fault in the second rule: got %v, want one problem at line %d", problems, want)
	}
}

func TestDefaultsAreThoseOfTheDocumentation(t *testing.T) {
	c := mustParse(t, base+anyRule+"[channel.email]\nhost='h'\nfrom='a@example.com'\n[channel.tls]\nkind='email'\nhost='h'\nfrom='a@example.com'\ntls='implicit'", nil)
	email := c.Channels["email"]
	for _, v := range []struct {
		key       string
		got, want any
	}{
		{"listen", c.Server.Listen, "127.0.0.1:8080"},
		{"admin", c.Server.Admin, "127.0.0.1:8081"},
		{"level", c.Log.Level, slog.LevelInfo},
		{"url", string(c.Store.URL), "sqlite:ringpost.db"},
		{"keep", c.Store.Keep, 90 * 24 * time.Hour},
		{"first_retry", c.Delivery.FirstRetry, 5 * time.Second},
		{"max_retry", c.Delivery.MaxRetry, time.Hour},
		{"give_up_after", c.Delivery.GiveUpAfter, 72 * time.Hour},
		{"catch_up", c.Watch.CatchUp, config.Period(5 * time.Minute)},
		{"missing_after", c.Watch.MissingAfter, config.Period(4 * time.Hour)},
		{"kind", email.Kind, "email"},
		{"port", email.Port, 587},
		{"port of implicit TLS", c.Channels["tls"].Port, 465},
		{"tls", email.TLS, "mandatory"},
		{"connections", email.Connections, 4},
		{"templates", c.Templates.Has("email", "recording"), true},
	} {
		if v.got != v.want {
			t.Errorf("%s: got %v, want %v", v.key, v.got, v.want)
		}
	}
}

func TestValuesArriveAsTheyAreMeant(t *testing.T) {
	c := mustParse(t, strings.Replace(base, ".com", ".com/base/", 1)+`rate = "120/m"
[log]
level = "debug"
[delivery]
give_up_after = "1d12h"
[[rule]]
name = "a"
status = "completed"
enabled = false
send = [{ via = "console", to = "a@example.com", template = "recording" }]
[[test]]
name = "t"
callback = { RecordingDuration = 42, Price = 0.5, Muted = true, RecordingSid = "RE1" }
query = { agent = 7 }
expect = []
`, nil)
	for _, v := range []struct{ key, got, want string }{
		{"public_url", c.Server.PublicURL, "https://hooks.example.com/base"},
		{"rate", c.Channels["console"].Rate.String(), "2/s"},
		{"level", c.Log.Level.String(), "DEBUG"},
		{"give_up_after", c.Delivery.GiveUpAfter.String(), "36h0m0s"},
		{"status", fmt.Sprint(c.RuleList[0].Status), "[completed]"},
		{"enabled", fmt.Sprint(*c.RuleList[0].Enabled), "false"},
		{"to", fmt.Sprint(c.RuleList[0].Send[0].To), "[a@example.com]"},
		{"callback", fmt.Sprint(c.Tests[0].Callback), "map[Muted:true Price:0.5 RecordingDuration:42 RecordingSid:RE1]"},
		{"query", fmt.Sprint(c.Tests[0].Query), "map[agent:7]"},
		{"line of the test", fmt.Sprint(c.Tests[0].Line), fmt.Sprint(c.Line("test[0].name") - 1)},
	} {
		if v.got != v.want {
			t.Errorf("%s: got %s, want %s", v.key, v.got, v.want)
		}
	}
}

func TestFaultOfATemplateIsReportedInItsFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "templates/extra.email.txt", "Subject: extra\n\n{{.Nothing}}\n")
	write(t, dir, "ringpost.toml", base+strings.ReplaceAll(anyRule, "recording", "extra"))
	_, problems := config.Load(filepath.Join(dir, "ringpost.toml"), config.Serve)
	want := filepath.Join(dir, "templates/extra.email.txt") + ":3: "
	if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), want) {
		t.Errorf("Load: got %v, want one problem at %s", problems, want)
	}
}

func TestFileThatCannotBeReadIsAProblem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "long.toml", strings.Repeat("# long\n", 1<<18))
	for name, want := range map[string]string{
		"none.toml": "none.toml: cannot be read: no such file or directory",
		"long.toml": "long.toml: is too long: want at most 1024 KiB",
	} {
		_, problems := config.Load(filepath.Join(dir, name), config.Serve)
		if len(problems) != 1 || problems[0].String() != filepath.Join(dir, want) {
			t.Errorf("Load: got %v, want %q", problems, want)
		}
	}
}

// A default of the example that is taken out of its comment changes nothing.
// plain is what a configuration says, without its rules.
func FuzzParseNeverPanics(f *testing.F) {
	f.Add(base + anyRule)
	for _, file := range []string{"types", "unknown", "server", "admin", "signalwire", "channels", "tests", "env", "rules"} {
		src, err := os.ReadFile("testdata/faults/" + file + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		for _, mode := range []config.Mode{config.Serve, config.Check} {
			c, problems := parse(src, map[string]string{"HOST": "hooks.example.com"}, mode)
			failed := slices.ContainsFunc(problems, func(p config.Problem) bool { return !p.Warning })
			if failed != (c == nil) {
				t.Errorf("Parse(%q): got config %v with problems %v, want one or the other", src, c != nil, problems)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Line > strings.Count(src, "\n")+1 {
					t.Errorf("Parse(%q): got %v, want a line of the file", src, p)
				}
			}
		}
	})
}
