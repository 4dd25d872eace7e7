package main_test

import (
	"fmt"
	"html"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// nowQuiet returns quiet hours that began an hour ago and last for two more.
func nowQuiet() (hours, end string) {
	now := time.Now().UTC()
	end = now.Add(2 * time.Hour).Format("15:04")
	return now.Add(-time.Hour).Format("15:04") + "-" + end + " UTC", end + " UTC"
}

// TestWhatIsHeldInQuietHoursSaysSoAndGoesOutWhenAPersonWantsIt also kills the
// service meanwhile: what waits stays in the store.
func TestWhatIsHeldInQuietHoursSaysSoAndGoesOutWhenAPersonWantsIt(t *testing.T) {
	t.Parallel()
	hours, end := nowQuiet()
	o := newOperated(t, fmt.Sprintf(`
[contact.bob]
phone = "+15550100002"
quiet = %q
[[rule]]
name = "not at night"
query = { night = "*" }
send = [{ via = "email", to = ["{{.Query.night}}"], template = "recording", quiet = %q }]
`, hours, hours))
	// bob's hours hold for his number, by whatever rule; alice is told at once.
	o.mustPost(completed("rec-1"), "?agent="+url.QueryEscape("+15550100002")+"&mailbox=alice&night=carol@example.com")
	o.awaitState("delivered", 1)
	held := o.awaitState("queued", 2)
	o.kill()
	o.start()
	want := "waits for the end of quiet hours, (2?[0-9] [A-Z][a-z]{2} )?" + end
	for _, d := range held {
		out, errs, code := o.run("deliveries", "show", fmt.Sprint(d.ID))
		if code != 0 || !regexp.MustCompile(`(?m)^why: +`+want+`$`).MatchString(out) || !regexp.MustCompile(`(?m)^state: +queued$`).MatchString(out) {
			t.Errorf("deliveries show = %d\n%s%s\nwant %s", code, out, errs, want)
		}
	}
	page := html.UnescapeString(o.read("/recordings/1"))
	if n := len(regexp.MustCompile("W"+want[1:]).FindAllString(page, -1)); n != 2 {
		t.Errorf("the page says %d times %s, want twice", n, want)
	}
	if out, errs, code := o.run("explain", "--recording", "rec-1"); code != 0 || len(regexp.MustCompile(want).FindAllString(out, -1)) != 2 {
		t.Errorf("explain = %d\n%s%s\nwant twice: %s", code, out, errs, want)
	}
	out, errs, code := ringpost(t, nil, "explain", "-c", o.file("ringpost.toml"), "--query", "night=carol@example.com")
	if code != 0 || !strings.Contains(out, "quiet "+hours) || !strings.Contains(out, "waits for the end of quiet hours, "+end) {
		t.Errorf("explain = %d\n%s%s\nwant when it would go out", code, out, errs)
	}
	for _, d := range held {
		if out, errs, code := o.run("deliveries", "retry", fmt.Sprint(d.ID)); code != 0 {
			t.Fatalf("deliveries retry = %d %s%s", code, out, errs)
		}
	}
	o.awaitState("delivered", 3)
}

func TestQuietHoursThatAreNoneAreRefusedWithTheirLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ringpost.toml")
	write(t, file, `[server]
public_url = "https://hooks.example.com"
[signalwire]
space = "example.signalwire.com"
signing_keys = ["k"]
[channel.console]
kind = "log"
[contact.alice]
email = "alice@example.com"
quiet = "21:00-08:00"
[[rule]]
name = "r"
all = true
send = [
  { via = "console", to = ["alice"], template = "recording" },
  { via = "console", to = ["alice"], template = "link",
    quiet = "21:00-08:00 Berlin" },
]
`)
	out, errs, code := ringpost(t, nil, "check", "-c", file)
	for _, want := range []string{
		`:10: contact "alice": quiet: want the time zone too, such as "21:00-08:00 Europe/Berlin"`,
		`:17: rule "r": send[1].quiet: no time zone has the name "Berlin": want one such as Europe/Berlin`,
	} {
		if code != 1 || !strings.Contains(out+errs, file+want) {
			t.Errorf("check = %d\n%s%s\nwant %s", code, out, errs, want)
		}
	}
}
