package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ringpost runs the binary and returns what it printed and its exit code.
func ringpost(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Env = append(os.Environ(), env...)
	return outcome(t, command)
}

// ringpostReading is ringpost with something on standard input.
func ringpostReading(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Stdin = strings.NewReader(stdin)
	return outcome(t, command)
}

func outcome(t *testing.T, command *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), code
}

func TestDemoOnceDeliversEverythingAndExitsWith0(t *testing.T) {
	out, errs, code := ringpost(t, nil, "demo", "--once")
	if code != 0 || !strings.Contains(out, "All has arrived: 3 emails and 2 SMS.") {
		t.Errorf("demo --once = %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"← email to alice@example.com", "← SMS to +15550100001", "✗ managers get", "403 Forbidden"} {
		if !strings.Contains(out, want) {
			t.Errorf("demo --once does not print %q", want)
		}
	}
}

func TestCheckPrintsEightFaultsWithTheirLinesAndExitsWith1(t *testing.T) {
	out, _, code := ringpost(t, nil, "check", "-c", filepath.Join("testdata", "eight-faults.toml"))
	if code != 1 {
		t.Errorf("check exits with %d, want 1", code)
	}
	want := []int{3, 8, 12, 17, 25, 32, 40, 46}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(want) {
		t.Fatalf("check printed %d lines, want %d:\n%s", len(lines), len(want), out)
	}
	for i, line := range lines {
		if prefix := fmt.Sprintf("%s:%d: ", filepath.Join("testdata", "eight-faults.toml"), want[i]); !strings.HasPrefix(line, prefix) {
			t.Errorf("line %d is %q, want it to begin with %q", i+1, line, prefix)
		}
	}
}

func TestCheckAcceptsTheExampleAsItStands(t *testing.T) {
	out, errs, code := ringpost(t, nil, "check", "-c", filepath.Join("..", "..", "config.example.toml"))
	if code != 0 || !strings.Contains(out, "is right: ") {
		t.Errorf("check of config.example.toml = %d\n%s%s", code, out, errs)
	}
}

func TestCheckSaysWhichTestFailsAndWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.toml")
	write(t, file, `[server]
public_url = "https://hooks.example.com"
[signalwire]
signing_keys = ["PSK_test"]
[channel.email]
host = "localhost"
from = "recordings@example.com"
[[rule]]
name = "long calls"
status = "completed"
min_duration = "60s"
send = [{ via = "email", to = ["alice@example.com"], template = "recording" }]
[[test]]
name = "short ones too"
callback = { RecordingDuration = 42 }
expect = ["email:alice@example.com"]
`)
	out, _, code := ringpost(t, nil, "check", "-c", file, "-o", "json")
	var result struct {
		OK       bool
		Problems []struct {
			Line int
			Text string
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != 1 || result.OK || len(result.Problems) != 1 || result.Problems[0].Line != 13 ||
		!strings.Contains(result.Problems[0].Text, `nothing goes to email:alice@example.com: rule "long calls": the recording lasted 42s; this rule wants at least 1m`) {
		t.Errorf("check = %d %s, want the test of line 13 with the reason", code, out)
	}
}

func TestCheckWarnsOfAnSMSThatTakesMoreThanOneSegment(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "templates", "long.sms.txt"), "Aufnahme eines Gesprächs ist da, und man kann sie hier hören: {{.RecordingUrl}}\n")
	file := filepath.Join(dir, "ringpost.toml")
	write(t, file, `[server]
public_url = "https://hooks.example.com"
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
signing_keys = ["PSK_test"]
[templates]
dir = "templates"
[channel.sms]
from = "+15550100000"
[[rule]]
name = "a"
status = "completed"
send = [{ via = "sms", to = ["+15550100001"], template = "long" }]
`)
	out, _, code := ringpost(t, nil, "check", "-c", file)
	if code != 0 || !strings.Contains(out, ":15: warning: ") || !strings.Contains(out, "takes 2 segments (GSM-7)") {
		t.Errorf("check = %d %s, want a warning for line 15 that says how many segments", code, out)
	}
}

func TestSignPrintsACommandThatIsAccepted(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("what sign prints needs curl, which is not here")
	}
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()
	out, errs, code := ringpost(t, nil, "sign", "-c", filepath.Join(s.dir, "ringpost.toml"), "RecordingSid=it's", "--query", "agent=alice")
	if code != 0 {
		t.Fatalf("sign = %d %s", code, errs)
	}
	if strings.Contains(out, signingKey) {
		t.Errorf("sign prints the signing key:\n%s", out)
	}
	answer, err := exec.CommandContext(t.Context(), "sh", "-c", out).CombinedOutput()
	if err != nil || strings.TrimSpace(string(answer)) != "200" {
		t.Errorf("the command printed %q, %v; want 200", answer, err)
	}
	eventually(t, "its email is delivered", 10*time.Second, func() bool { return len(s.deliveries("state=delivered&recording=it%27s")) == 1 })
}

func TestHealthAsksTheRunningService(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	config := filepath.Join(s.dir, "ringpost.toml")
	if _, _, code := ringpost(t, nil, "health", "-c", config); code != 1 {
		t.Errorf("health without a service = %d, want 1", code)
	}
	s.start()
	if _, errs, code := ringpost(t, []string{"RINGPOST_CONFIG=" + config}, "health"); code != 0 {
		t.Errorf("health of a running service = %d %s, want 0", code, errs)
	}
}

func TestReloadTakesAGoodFileAndKeepsTheOldOneForABadOne(t *testing.T) {
	mail, box := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()
	reload := func() int {
		resp, err := http.Post("http://"+s.admin+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	s.writeConfig(oneEmail(mail) + "\n[[rule]]\nname = \"broken\"\n")
	if status := reload(); status != http.StatusUnprocessableEntity {
		t.Errorf("reload of a broken file = %d, want 422", status)
	}
	s.mustPost(completed("before"), "")
	s.writeConfig(oneEmail(mail) + "enabled = false\n")
	if status := reload(); status != http.StatusNoContent {
		t.Errorf("reload of a good file = %d, want 204", status)
	}
	s.mustPost(completed("after"), "")
	eventually(t, "the callback before the reload is an email", 10*time.Second, func() bool { return len(box.of("before")) == 1 })
	eventually(t, "all is routed", 10*time.Second, s.idle)
	if got := len(box.of("after")); got != 0 {
		t.Errorf("%d emails after the rule was turned off, want 0", got)
	}
}

func TestWrongUsageExitsWith2(t *testing.T) {
	for _, args := range [][]string{{"serv"}, {"check", "--colour"}, {"check", "extra"}, {"version", "-o", "yaml"}} {
		if _, errs, code := ringpost(t, nil, args...); code != 2 || errs == "" {
			t.Errorf("ringpost %s = %d %q, want 2 and a word about it", strings.Join(args, " "), code, errs)
		}
	}
	for _, args := range [][]string{{"version"}, {"completion", "bash"}, {"--help"}} {
		if out, _, code := ringpost(t, nil, args...); code != 0 || out == "" {
			t.Errorf("ringpost %s = %d %q, want 0 and a result", strings.Join(args, " "), code, out)
		}
	}
	if _, errs, code := ringpost(t, nil, "serve", "-c", "nowhere.toml"); code != 1 || !strings.Contains(errs, "nowhere.toml") {
		t.Errorf("serve without a configuration = %d %q, want 1 and the file's name", code, errs)
	}
}

// TestTheRulesOfTheREADMEAreRight puts the cookbook into the example
// configuration, in place of its own rules.
func TestTheRulesOfTheREADMEAreRight(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join("..", "..", "config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(example), "\n[[rule]]")
	_, cookbook, _ := strings.Cut(string(readme), "## Rule cookbook")
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(cookbook, -1)
	rules := 0
	for _, b := range blocks {
		head += "\n" + b[1]
		rules += strings.Count(b[1], "[[rule]]")
	}
	if rules < 8 {
		t.Errorf("the cookbook has %d rules, want at least 8", rules)
	}
	file := filepath.Join(t.TempDir(), "ringpost.toml")
	write(t, file, head)
	if out, _, code := ringpost(t, nil, "check", "-c", file); code != 0 {
		t.Errorf("check of the cookbook = %d\n%s", code, out)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestReloadRefusesAFileWhoseTestsFail expects the answer, the log, which names no
// phone number, and the metric to say so.
func TestReloadRefusesAFileWhoseTestsFail(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()
	if !strings.Contains(s.read("/metrics"), "ringpost_config_last_reload_successful 1\n") {
		t.Error("the metric does not say that the configuration is in force")
	}
	s.writeConfig(oneEmail(mail) + `
[channel.console]
kind = "log"
[[test]]
name = "bob hears of it"
callback = { RecordingStatus = "completed" }
expect = ["email:alice@example.com", "console:+15550100002"]
`)
	resp, err := http.Post("http://"+s.admin+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Errors []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusUnprocessableEntity ||
		len(answer.Errors) != 1 || !strings.Contains(answer.Errors[0], `test "bob hears of it": nothing goes to console:+15550100002: `) {
		t.Errorf("reload = %d %q, want 422 and the test that fails", resp.StatusCode, answer.Errors)
	}
	if !strings.Contains(s.read("/metrics"), "ringpost_config_last_reload_successful 0\n") {
		t.Error("the metric does not say that the reload was refused")
	}
	log := mustRead(t, s.file("log"))
	for _, want := range []string{"configuration not reloaded: the old one stays", `test \"bob hears of it\": nothing goes to console:…02: `} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "+15550100002") {
		t.Errorf("the log names a phone number:\n%s", log)
	}
	s.mustPost(completed("rec-1"), "")
	eventually(t, "the old configuration works on", 10*time.Second, func() bool { return len(s.deliveries("state=delivered")) == 1 })
}

// TestTheOutputInTheREADMEIsReal runs the commands that the README shows and that
// need nothing but the example configuration, and a request.
func TestTheOutputInTheREADMEIsReal(t *testing.T) {
	readme := mustRead(t, filepath.Join("..", "..", "README.md"))
	request := filepath.Join(t.TempDir(), "request.txt")
	write(t, request, rawCallback(t, "PSK_test", "http://hooks.example.com", "/callbacks/recording?agent=alice"))
	config := filepath.Join("..", "..", "config.example.toml")
	for _, command := range []string{
		"explain RecordingSource=DialVerb RecordingDuration=3 --query agent=bob",
		"verify request.txt",
	} {
		_, shown, found := strings.Cut(readme, "\n$ ringpost "+command+"\n")
		shown, _, closed := strings.Cut(shown, "```")
		if !found || !closed {
			t.Errorf("the README does not show ringpost %s", command)
			continue
		}
		shown, _, _ = strings.Cut(shown, "    …\n")
		args := strings.Fields(strings.Replace(command, "request.txt", request, 1))
		out, errs, _ := ringpost(t, []string{"SIGNALWIRE_SIGNING_KEY=PSK_test"}, append(args, "-c", config)...)
		if !strings.HasPrefix(out, shown) {
			t.Errorf("ringpost %s prints\n%s%s\nand the README shows\n%s", command, out, errs, shown)
		}
	}
}
