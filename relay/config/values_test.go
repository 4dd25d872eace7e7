package config_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/config"
)

func TestDurationsKnowDays(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "3d": 72 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "1.5h": 90 * time.Minute,
		"65535d": 65535 * 24 * time.Hour,
	} {
		if got, err := config.ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q): got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "d", "5", "-5s", "+5s", "1d-2h", "1h2d", "1.5d", "1e3d", "65536d", "65535d2562047h", "1dd", "3 d"} {
		if got, err := config.ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q): got %v, want an error", s, got)
		}
	}
}

func TestARateIsWrittenInTheUnitInWhichItIsAWholeNumber(t *testing.T) {
	for written, want := range map[string]string{"4/s": "4/s", "100/m": "100/m", "60/m": "1/s", "1000/h": "1000/h", "7200/h": "2/s", "1/h": "1/h",
		"1048575/h": "1048575/h"} {
		c := mustParse(t, base+anyRule+"[channel.slow]\nkind = \"log\"\nrate = \""+written+"\"\n", nil)
		if got := c.Channels["slow"].Rate.String(); got != want {
			t.Errorf("rate = %q: got %q, want %q", written, got, want)
		}
	}
	if got := config.Rate(0).String(); got != "" {
		t.Errorf("no rate: got %q, want nothing", got)
	}
}

func TestUnsetVariableIsAWarningForCheckAndCountsAsRight(t *testing.T) {
	src := `
[server]
public_url = "${URL}"
listen = "${LISTEN}"
admin = "${ADMIN}"
[[admin.user]]
name = "kim"
password_hash = "${HASH}"
[store]
url = "${STORE}"
[signalwire]
unsigned = true
space = "${SPACE}"
project = "${PROJECT}"
token_file = "${TOKEN_FILE}"
signing_keys = ["${KEY}"]
[channel.email]
host = "${SMTP}"
from = "${FROM}"
username = "relay"
password = "${PASSWORD}"
dkim = { domain = "example.com", selector = "s", key_file = "${DKIM}" }
[channel.sms]
from = "${NUMBER}"
[contact.alice]
email = "${ALICE}"
phone = "${PHONE}"
[group]
managers = ["alice", "${MANAGER}"]
[[rule]]
name = "a"
status = ["${STATUS}"]
min_duration = "${SHORTEST}"
send = [{ via = "email", to = ["managers", "${TO}"], template = "recording" }]
`
	_, problems := parse(src, nil, config.Check)
	if want := strings.Count(src, "${"); len(problems) != want {
		t.Errorf("Parse for check: got %d problems, want %d:\n%v", len(problems), want, problems)
	}
	for _, p := range problems {
		if !p.Warning || !strings.Contains(p.Text, "not set in the environment") {
			t.Errorf("Parse for check: got %v, want a warning of what is not set", p)
		}
	}
	if c, _ := parse(src, nil, config.Check); c == nil {
		t.Errorf("Parse for check: got no configuration, want one")
	}
	c, problems := parse(src, nil, config.Serve)
	if c != nil || slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Warning }) {
		t.Errorf("Parse for serve: got %v, want only errors", problems)
	}
}

func TestTestsAreLeftOutWhereCheckLacksTheirVariables(t *testing.T) {
	const test = `
[[test]]
name = "t"
callback = { RecordingStatus = "completed" }
expect = []
`
	src := base + anyRule + test
	for _, changed := range []string{
		strings.Replace(src, "a@example.com", "${A}", 1),
		src + "[contact.alice]\nemail = '${A}'\n",
		strings.Replace(src, `"completed"`, `"${A}"`, 1),
	} {
		c, problems := parse(changed, nil, config.Check)
		if c == nil || c.Rules == nil || c.Tests != nil || len(problems) != 2 {
			t.Errorf("Parse for check: got %v, want rules without tests and two warnings; of\n%s", problems, changed)
		}
	}
	if c, _ := parse(strings.Replace(src, "PSK_1", "${A}", 1), nil, config.Check); c == nil || len(c.Tests) != 1 {
		t.Errorf("Parse for check: got no test, want it: nothing that it needs is missing")
	}
}

func TestVariablesCannotBringInTOMLOrOtherVariables(t *testing.T) {
	env := map[string]string{"A": "x\"\n[server]\nlisten = \"0.0.0.0:1\" ${B}", "B": "secret", "EMPTY": ""}
	c := mustParse(t, base+anyRule+`
[[rule]]
name = "${A}"
all = true
send = [{ via = "console", to = ["${UNSET:-a@example.com}"], template = "${EMPTY:-recording}" }]
[[rule]]
name = "$${A} $$ $5 }"
all = true
send = [{ via = "console", to = ["a@example.com"], template = "recording" }]
`, env)
	if got := c.RuleList[1].Name; got != env["A"] {
		t.Errorf("${A}: got %q, want %q", got, env["A"])
	}
	if got, want := c.RuleList[1].Send[0].To[0]+" "+c.RuleList[1].Send[0].Template, "a@example.com recording"; got != want {
		t.Errorf("defaults: got %q, want %q", got, want)
	}
	if got, want := c.RuleList[2].Name, "${A} $$ $5 }"; got != want {
		t.Errorf("$${A}: got %q, want %q", got, want)
	}
}

func TestSecretsComeFromFilesBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "token", "s3cret\r\n")
	write(t, dir, "keys", "PSK_1\n\n PSK_2 \n")
	write(t, dir, "dkim.pem", ed25519Key(t))
	write(t, dir, "templates/extra.email.txt", "Subject: extra\n\nbody\n")
	write(t, dir, "ringpost.toml", `
[server]
public_url = "https://hooks.example.com"
[signalwire]
token_file = "token"
signing_keys_file = "keys"
[channel.email]
host = "smtp.example.com"
from = "a@example.com"
dkim = { domain = "example.com", selector = "s1", key_file = "dkim.pem" }
[[rule]]
name = "a"
all = true
send = [{ via = "email", to = ["a@example.com"], template = "extra" }]
`)
	c, problems := config.Load(filepath.Join(dir, "ringpost.toml"), config.Serve)
	if len(problems) > 0 {
		t.Fatalf("Load: got %v, want no problem", problems)
	}
	if got := string(c.SignalWire.Token); got != "s3cret" {
		t.Errorf("token: got %q, want %q", got, "s3cret")
	}
	if got := c.SignalWire.SigningKeys; len(got) != 2 || string(got[1]) != "PSK_2" {
		t.Errorf("signing keys: got %d, want PSK_1 and PSK_2", len(got))
	}
	if got := c.Channels["email"].DKIM.Key; !strings.HasPrefix(string(got), "-----BEGIN") {
		t.Errorf("DKIM key: got %d bytes, want those of the file", len(got))
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	c := mustParse(t, base+anyRule+"[channel.email]\nhost='h'\nfrom='a@example.com'\nusername='u'\npassword='hunter2'", nil)
	text, err := json.Marshal(map[string]any{"keys": c.SignalWire.SigningKeys, "channels": c.Channels})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "key", c.SignalWire.SigningKeys[0], "channels", c.Channels)
	channel := c.Channels["email"]
	for _, printed := range []string{
		fmt.Sprint(c.SignalWire), fmt.Sprintf("%v %+v %#v %s %q", channel, channel, channel, channel.Password, channel.Password),
		fmt.Sprintf("%x %X", channel.Password, channel.Password), string(text), log.String(),
	} {
		if strings.Contains(printed, "PSK_1") || strings.Contains(printed, "hunter2") || strings.Contains(printed, "68756e74") {
			t.Errorf("a secret was printed: %s", printed)
		}
	}
}

func TestNoProblemShowsASecret(t *testing.T) {
	env := map[string]string{"SECRET": "hunter2"}
	_, problems := parse(`
store = "${SECRET}"
[server]
public_url = "hunter2://${SECRET}"
listen = "${SECRET}"
[log]
level = "${SECRET}"
format = "${SECRET}"
[signalwire]
space = "${SECRET}/"
token = 1155501000001
unsigned = "${SECRET}"
[channel.email]
port = "${SECRET}"
password = ["hunter2"]
rate = "${SECRET}"
[channel.sms]
from = 15550100001
`, env, config.Serve)
	if len(problems) < 10 {
		t.Errorf("Parse: got %d problems, want at least 10", len(problems))
	}
	for _, p := range problems {
		if strings.Contains(p.Text, "hunter2") || strings.Contains(p.Text, "5550") {
			t.Errorf("Parse: a problem shows a secret: %v", p)
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func ed25519Key(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
