package page_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/emersion/go-smtp"

	"ringpost/relay/peers"
)

// stays marks the document, so that [tab.mustHaveStayed] can tell it from a new
// one.
func (b *tab) stays() {
	b.Helper()
	js[bool](b, "window.stays = true")
}

func (b *tab) mustHaveStayed() {
	b.Helper()
	if !js[bool](b, "window.stays === true") {
		b.Error("the page was loaded anew, want it to change by itself")
	}
}

// chips waits until the messages of the recording's row are in those states, in
// any order. Another row may tell that one of them could not be delivered.
func (b *tab) chips(recording, states string) {
	b.Helper()
	b.holds("the messages of "+recording+" are "+states, `(() => {
		const row = [...document.querySelectorAll('.row')].find(r => r.innerText.includes(%s) && !r.querySelector('.status-undelivered'));
		return row && [...row.querySelectorAll('[data-state]')].map(c => c.dataset.state).sort().join(' ') === %s;
	})()`, quote(recording), quote(states))
}

// rows waits until the list shows so many recordings, beside what tells of
// messages that could not be delivered.
func (b *tab) rows(n int) {
	b.Helper()
	b.holds("as many recordings as were sent are shown", "document.querySelectorAll('.row:not(:has(.status-undelivered))').length === %d", n)
}

// nobody refuses every message to that address for good.
func nobody(address string) *peers.Hook {
	return at(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}, address, peers.RcptTo)
}

// later refuses every message to that address for now.
func later(address string) *peers.Hook {
	return at(&smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "come back later"}, address, peers.RcptTo)
}

func TestBrowserShowsWhatComesWithoutAReload(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	b := s.tab()
	b.open("/")
	b.sees("No recordings yet")
	b.holds("the list is live", "document.querySelector('#live').dataset.live === 'on'")
	b.stays()

	s.mailTrouble.Store(later("carol"))
	s.post(s.recorded("rec-live-1", 94*time.Second), "?agent=alice")
	b.chips("rec-live-1", "delivered delivered retrying")
	b.seesNot("No recordings yet")
	s.mailTrouble.Store(nil)
	b.chips("rec-live-1", "delivered delivered delivered")
	b.sees("managers get every finished recording", "agents get a link to their own calls", "1 min 34 s")

	s.post(s.recorded("rec-live-2", 0, "RecordingStatus=in-progress", "RecordingUrl="), "")
	b.rows(2)
	b.sees("No rule matched", "nobody is told")
	first := js[string](b, "document.querySelector('.row').innerText")
	if want := "rec-live-2"; !contains(first, want) {
		t.Errorf("the first row is %q, want the newest recording, %s", first, want)
	}
	b.mustHaveStayed()
}

func TestBrowserFindsRecordings(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.mailTrouble.Store(nobody("carol"))
	s.post(s.recorded("rec-find-1", 94*time.Second), "?agent=alice")
	s.post(s.recorded("rec-find-2", 0, "RecordingStatus=absent", "RecordingSource=RecordVerb", "RecordingUrl="), "")
	s.post(s.recorded("rec-find-3", 3*time.Second), "?agent=bob")
	s.texted(2)
	s.arrived(1)

	b := s.tab()
	b.open("/recordings")
	b.rows(3)
	b.chips("rec-find-1", "dead delivered delivered")
	b.chips("rec-find-2", "dead")
	b.chips("rec-find-3", "delivered")
	search := func(found ...string) {
		t.Helper()
		b.click("Search")
		b.holds("what is searched for is in the address", "location.search !== ''")
		b.rows(len(found))
		b.sees(found...)
	}
	for what, found := range map[string][]string{
		"rec-find-2":         {"rec-find-2"},
		"call-of-rec-find-3": {"rec-find-3"},
		"+15550100002":       {"rec-find-3"},
		"+1555010":           {"rec-find-1", "rec-find-3"},
		"carol@example.com":  {"rec-find-1", "rec-find-2"},
		"nobody-at-all":      {},
	} {
		b.open("/recordings")
		b.fill("Recording, call or recipient", what)
		search(found...)
		if len(found) == 0 {
			b.sees("Nothing is found")
		}
	}

	b.open("/recordings")
	b.choose("Messages", "not delivered")
	search("rec-find-1", "rec-find-2")
	b.fill("Recording, call or recipient", "carol@")
	search("rec-find-1", "rec-find-2")
	b.fill("Recording, call or recipient", "alice@") // whose email arrived
	search()
	b.click("Clear")
	b.rows(3)

	b.click("Narrow by time")
	b.pick("From", time.Now().Add(time.Hour))
	search()
	b.click("Clear")
	b.click("Narrow by time")
	b.pick("From", time.Now().Add(-time.Hour))
	b.pick("Until", time.Now().Add(time.Hour))
	search("rec-find-1", "rec-find-2", "rec-find-3")
	b.click("Clear")
	b.click("Narrow by time")
	b.pick("Until", time.Now().Add(-time.Hour))
	search()

	// The key Enter searches, too.
	b.open("/recordings")
	b.fill("Recording, call or recipient", "rec-find-3")
	b.press(kb.Enter)
	b.rows(1)
}

// pick sets a field for a time.
func (b *tab) pick(name string, t time.Time) {
	b.Helper()
	b.spotOf(name, "")
	js[bool](b, `(e => {
		e.focus();
		e.value = %s;
		e.dispatchEvent(new Event('input', {bubbles: true}));
		return e.dispatchEvent(new Event('change', {bubbles: true}));
	})(%s(%s, ''))`, quote(t.Local().Format("2006-01-02T15:04")), find, quote(name))
}
