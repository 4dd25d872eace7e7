package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBrowserPausesAChannel(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	b := s.tab()
	b.open("/channels")
	b.click("Pause email")
	b.sees("The channel is paused", "by admin")
	b.isAccessible("a paused channel")
	s.post(s.recorded("rec-1", 94*time.Second), "?agent=alice")
	s.texted(1) // the other channel goes on

	list := s.tab()
	list.open("/recordings")
	list.chips("rec-1", "delivered queued queued")
	list.stays()
	if got := len(s.mail.Emails()); got != 0 {
		t.Errorf("%d emails arrived while the channel was paused", got)
	}
	b.open("/channels")
	b.click("Resume email")
	b.sees("The channel is resumed")
	s.arrived(2)
	list.chips("rec-1", "delivered delivered delivered")
	list.mustHaveStayed()
}

func TestBrowserSendsATestMessage(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	b := s.tab()
	b.open("/channels")
	email, sms := b.channel("email"), b.channel("sms")
	b.fillIn(email, "Send a test message to", "alice")
	b.clickIn(email, "Send a test message by email")
	b.sees("The provider has taken the test message")
	if got := s.arrived(1); fmt.Sprint(got[0].To) != "[alice@example.com]" {
		t.Errorf("the test message went to %v, want alice", got[0].To)
	}
	b.fillIn(sms, "Send a test message to", "+15550100009")
	b.clickIn(sms, "Send a test message by sms")
	if got := s.texted(1); got[0].To != "+15550100009" {
		t.Errorf("the test message went to %v, want the number that was typed", got[0].To)
	}
}

// channel returns a selector for the part of the page about a channel.
func (b *tab) channel(name string) (selector string) {
	b.Helper()
	id := js[string](b, "[...document.querySelectorAll('.channel')].find(c => c.querySelector('h2').innerText.trim() === %s).getAttribute('aria-labelledby')", quote(name))
	return `[aria-labelledby="` + id + `"]`
}

func TestBrowserTriesARule(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.post(s.recorded("rec-1", 94*time.Second), "?agent=alice")
	s.texted(1)
	b := s.tab()
	b.open("/rules")
	b.sees("managers get every finished recording", "Line ", "in 24 hours", "in 30 days", "trial only")

	b.stays()
	b.fill("Duration in seconds", "3")
	b.fill("Query of the callback’s URL", "agent=bob")
	b.click("Try it")
	b.sees("1 message would go out", "+15550100002", "not matched")
	reasons := js[[]string](b, "[...document.querySelectorAll('#result .reason')].map(e => e.innerText)")
	if all := strings.Join(reasons, "\n"); !contains(all, "the recording lasted 3s; this rule wants at least 5s") {
		t.Errorf("the reasons are %q, want the duration that is too short", all)
	}
	b.mustHaveStayed()

	b.faults.expect(`/rules/try is answered with 400`)
	b.faults.expect(`^the browser says: Failed to load resource`)
	b.fill("Duration in seconds", "long")
	b.click("Try it")
	b.sees("RecordingDuration: want a number of seconds")
	if got := len(s.api.Messages()); got != 1 {
		t.Errorf("%d SMS arrived, want the one of the real callback: a trial sends nothing", got)
	}
}

func TestBrowserShowsARefusedReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	b := s.tab()
	b.open("/health")
	b.sees("ready", "in force")

	s.write("ringpost.toml", strings.Replace(s.config, `min_duration = "5s"`, `min_duration = "soon"`, 1))
	b.faults.expect(`^POST /health/reload is answered with 422`)
	b.faults.expect(`^the browser says: Failed to load resource`)
	b.click("Reload the file")
	b.until("the refused reload is shown", func() bool {
		b.open("/health")
		return contains(b.text(), "last reload refused")
	})
	b.sees("min_duration", "ringpost.toml:")
	b.isAccessible("a refused reload")

	// A file whose own test fails is not put into force either.
	s.write("ringpost.toml", strings.Replace(s.config, `managers = ["alice", "carol@example.com"]`, `managers = ["alice"]`, 1))
	b.click("Reload the file")
	b.until("the failed test is shown", func() bool {
		b.open("/health")
		return contains(b.text(), "a dialled call reaches its agent")
	})
	s.post(s.recorded("rec-1", 94*time.Second), "")
	s.arrived(2) // carol, too

	s.write("ringpost.toml", s.config)
	b.click("Reload the file")
	b.sees("The configuration file is in force as it is now.")
	b.seesNot("last reload refused")
}

func TestBrowserAsksTheDoctor(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	if status := s.postSigned("PT-token", s.recorded("rec-1", 94*time.Second), ""); status != 403 {
		t.Fatalf("POST signed with the API token = %d, want 403", status)
	}
	b := s.tab()
	b.until("the refused request is shown", func() bool {
		b.open("/health")
		return contains(b.text(), "Ask the doctor")
	})
	b.sees("403", "signature")
	b.click("Ask the doctor")
	b.sees("What the doctor finds", "[signalwire] token verifies it", "RecordingSid=rec-1")
	b.seesNot("PT-token", siteKey)
}
