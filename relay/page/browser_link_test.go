package page_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

var linkInSMS = regexp.MustCompile(regexp.QuoteMeta(siteURL) + `(/r/[0-9A-Za-z]{11})$`)

// sentLink sends alice a link to a recording of that length, by an SMS, and returns its
// path.
func (s *site) sentLink(length time.Duration) string {
	s.Helper()
	s.config = strings.Replace(s.config, `to = ["{{.Query.agent}}"], template = "recording"`, `to = ["{{.Query.agent}}"], template = "link"`, 1)
	s.write("ringpost.toml", s.config)
	if problems := s.service.Reload(s.Context()); len(problems) > 0 {
		s.Fatalf("Reload: %q", problems)
	}
	s.post(s.recorded("rec-1", length), "?agent=alice")
	sms := s.texted(1)[0]
	found := linkInSMS.FindStringSubmatch(sms.Body)
	if found == nil {
		s.Fatalf("the SMS says %q, want a link", sms.Body)
	}
	return found[1]
}

func TestBrowserPlaysWhatTheLinkInAnSMSLeadsToUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	path := s.sentLink(94 * time.Second)
	if resp, err := http.Get(s.api.RecordingURL("rec-1")); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the provider answers strangers with %v, %v, want 401", resp, err)
	}

	agent := newTab(t, "http://"+s.service.CallbacksAddr())
	agent.resize(phone)
	agent.open(path)
	agent.sees("Call recording", "1m34s", "Dialled call")
	agent.seesNot("signalwire", "+1555", "rec-1")
	agent.holds("it says how long it is", "Math.abs(document.querySelector('audio').duration - 94) < 1")
	agent.play()
	agent.holds("it plays", "document.querySelector('audio').currentTime > 0.3 && !document.querySelector('audio').paused")
	js[bool](agent, "(document.querySelector('audio').currentTime = 80) > 0")
	agent.holds("it goes on from there", "(a => !a.seeking && !a.paused && a.currentTime > 80.2 && a.currentTime < 94)(document.querySelector('audio'))")

	admin := s.tab()
	admin.open("/recordings")
	admin.click("Dialled call, 1 min 34 s")
	admin.sees("Link opened 1 time, last", "until")
	admin.click("Revoke the link")
	admin.sees("The link opens nothing any more.", "admin revoked the link in the SMS to alice")
	admin.holds("it cannot be revoked twice", "![...document.querySelectorAll('button')].some(b => b.innerText.includes('Revoke'))")

	agent.faults.expect(`GET ` + path + `(/audio)? is answered with 404`)
	agent.faults.expect(`^the browser says: Failed to load resource: .* 404`)
	agent.open(path)
	agent.sees("This link does not open anything")
	agent.holds("there is no player", "!document.querySelector('audio')")
	agent.open(path + "/audio")
	agent.sees("This link does not open anything")
}

// A page for phones, readable by everybody in light and in dark.
func TestBrowserShowsALinkOnAPhoneToEverybody(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	path := s.sentLink(94 * time.Second)
	b := newTab(t, "http://"+s.service.CallbacksAddr())
	b.faults.expect(`GET /r/AAAAAAAAAAA is answered with 404`)
	b.faults.expect(`^the browser says: Failed to load resource: .* 404`)
	for _, scheme := range []string{"light", "dark"} {
		b.prefer(scheme)
		for _, window := range []size{phone, desktop} {
			b.resize(window)
			for _, p := range []string{path, "/r/AAAAAAAAAAA"} {
				b.open(p)
				b.holds("nothing scrolls sideways", "document.documentElement.scrollWidth <= %d", window.width)
				b.isAccessible(fmt.Sprintf("%s of %d in %s", p, window.width, scheme))
			}
		}
		ground := js[string](b, "getComputedStyle(document.body).backgroundColor")
		if want := map[string]string{"light": "rgb(244, 245, 247)", "dark": "rgb(17, 19, 23)"}[scheme]; ground != want {
			t.Errorf("in %s the ground is %s, want %s", scheme, ground, want)
		}
	}
}
