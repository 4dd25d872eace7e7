package main_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/route"
)

// rulesFor is a configuration without the server's addresses in which managers
// get every call, and agents those of theirs.
func rulesFor(mail *peers.Mail, manager, agentsRule string) string {
	return toMail(mail, 4) + fmt.Sprintf(`
[[rule]]
name = "managers"
status = "completed"
send = [{ via = "email", to = [%q, "alice@example.com"], template = "recording" }]
[[rule]]
name = "agents"
%s
query = { agent = "*" }
send = [{ via = "email", to = ["{{.Query.agent}}@example.com"], template = "recording" }]
`, manager, agentsRule)
}

func TestCheckAgainstListsExactlyWhatAnEditWouldChange(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), rulesFor(mail, "carol@example.com", ""))
	s.start()
	for i := range 5 {
		s.mustPost(completed(fmt.Sprint("rec-", i)), fmt.Sprintf("?agent=agent%d", i%2))
	}
	edited := filepath.Join(s.dir, "edited.toml")
	check := func(config string) (string, string, int) {
		s.writeConfig(config)
		write(t, edited, mustRead(t, s.file("ringpost.toml")))
		return ringpost(t, nil, "check", "-c", edited, "--against", "500")
	}

	out, errs, code := check(rulesFor(mail, "carol@example.com", ""))
	if code != 0 || out != "no difference over the last 5 callbacks\n" || errs != "" {
		t.Errorf("check --against of the same file = %d %s%s", code, out, errs)
	}

	out, _, code = check(rulesFor(mail, "dave@example.com", ""))
	want := `over the last 5 callbacks:
+ dave@example.com by email: 5 messages more, by rule "managers", as for recording rec-4
- carol@example.com by email: 5 messages fewer, by rule "managers", as for recording rec-4
`
	if code != 0 || out != want {
		t.Errorf("check --against of a changed recipient = %d %s\nwant 0 and %s", code, out, want)
	}

	out, _, code = check(rulesFor(mail, "carol@example.com", `call = "nobody"`))
	want = `over the last 5 callbacks:
- agent0@example.com by email: 3 messages fewer, by rule "agents", as for recording rec-4
- agent1@example.com by email: 2 messages fewer, by rule "agents", as for recording rec-3
`
	if code != 0 || out != want {
		t.Errorf("check --against of a rule that no longer matches = %d %s\nwant 0 and %s", code, out, want)
	}

	out, errs, code = ringpost(t, nil, "check", "-c", edited, "--against", "2", "-o", "json", "--server", "http://"+s.admin)
	var result struct {
		OK        bool
		Problems  []struct{}
		Callbacks int
		Changes   []route.Change
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != 0 {
		t.Fatalf("check --against -o json = %d %s%s (%v)", code, out, errs, err)
	}
	wanted := []route.Change{{Change: "lost", Channel: "email", To: "agent0@example.com", Rule: "agents", Messages: 1, Recording: "rec-4"},
		{Change: "lost", Channel: "email", To: "agent1@example.com", Rule: "agents", Messages: 1, Recording: "rec-3"}}
	if !result.OK || result.Problems == nil || result.Callbacks != 2 || !slices.Equal(result.Changes, wanted) {
		t.Errorf("check --against 2 -o json = %+v, want the changes %+v", result, wanted)
	}

	if out, _, code := check(rulesFor(mail, "nobody", "")); code != 1 || !strings.Contains(out, `"nobody" is no contact`) || strings.Contains(out, "callbacks") {
		t.Errorf("check --against of a file with a problem = %d %s, want 1 and the problem alone", code, out)
	}
	eventually(t, "all is sent", 10*time.Second, s.idle)
}

func TestCheckAgainstSaysWhatKeepsItFromComparing(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), rulesFor(mail, "carol@example.com", ""))
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--against", "500"}, 1, "no answer from http://" + s.admin},
		{[]string{"--against", "0"}, 2, "--against: want a number from 1 to 1000"},
		{[]string{"--against", "2000"}, 2, "--against: want a number from 1 to 1000"},
		{[]string{"--against", "5", "--server", "ftp://x"}, 2, "--server: want the address of the admin listener, such as http://127.0.0.1:8081"},
	} {
		_, errs, code := ringpost(t, nil, append([]string{"check", "-c", s.file("ringpost.toml")}, test.args...)...)
		if code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("check %q = %d %s, want %d and %s", test.args, code, errs, test.code, test.want)
		}
	}
}
