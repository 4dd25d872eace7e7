package page_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// TestBrowserNeedsNoMouse goes the way from the list to a message that is tried
// again with nothing but keys.
func TestBrowserNeedsNoMouse(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.mailTrouble.Store(nobody("alice"))
	s.post(s.recorded("rec-1", 94*time.Second), "")
	b := s.tab()
	b.open("/recordings")
	b.chips("rec-1", "dead delivered")

	// The first stop leads past the navigation.
	b.press(kb.Tab)
	b.focused("Skip to the content")
	b.press(kb.Enter)
	b.holds("the address leads to the content", "location.hash === '#main'")
	b.tabTo("Recording, call or recipient")
	b.press("rec-1")
	b.press(kb.Enter)
	b.holds("the search is in the address", "location.search.includes('q=rec-1')")
	b.rows(1)

	b.tabTo("Dialled call, 1 min 34 s")
	b.press(kb.Enter)
	b.sees("no such user here")
	s.mailTrouble.Store(nil)
	b.tabTo("What it says")
	b.press(kb.Enter)
	b.holds("the message is open", "document.querySelector('details[open] iframe, details[open] .plain')")
	b.tabTo("Try again")
	b.press(" ")
	b.sees("It will be tried again now.")
	s.arrived(2)
	b.holds("the focus is not lost", "document.activeElement !== document.body")
	b.tabTo("Send it to someone else")
	b.press(kb.Enter)
	b.tabTo("To")
	b.press("dora@example.com")
	b.press(kb.Enter)
	s.arrived(3)

	b.open("/channels")
	b.tabTo("Pause email")
	b.press(kb.Enter)
	b.sees("The channel is paused")
	b.tabTo("Resume email")
	b.press(kb.Enter)
	b.sees("The channel is resumed")
}

// tabTo presses Tab until the focus is on what is called name. Everything on the
// way must show that it has the focus.
func (b *tab) tabTo(name string) {
	b.Helper()
	const most = 120
	for range most {
		if js[bool](b, "document.activeElement === %s(%s, '')", find, quote(name)) {
			return
		}
		b.press(kb.Tab)
		if where := js[string](b, `(e => {
			if (e === document.body || e.tagName === 'IFRAME' || e.tagName === 'AUDIO' || e.id === 'main') return '';
			const shows = style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
			return shows(getComputedStyle(e)) || shows(getComputedStyle(e, '::after')) ? '' : e.outerHTML.slice(0, 200);
		})(document.activeElement)`); where != "" {
			b.Errorf("the focus does not show on %s", where)
		}
	}
	b.Fatalf("%d times Tab do not lead to %s", most, name)
}

// focused fails the test unless what is called name has the focus.
func (b *tab) focused(name string) {
	b.Helper()
	if !js[bool](b, "document.activeElement === %s(%s, '')", find, quote(name)) {
		b.Errorf("the focus is on %s, want %s", js[string](b, "document.activeElement.outerHTML.slice(0, 200)"), name)
	}
}

// TestBrowserNeedsNoScript uses the page with JavaScript turned off.
func TestBrowserNeedsNoScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.mailTrouble.Store(nobody("alice"))
	s.post(s.recorded("rec-1", 94*time.Second), "")
	s.arrived(1)
	b := s.tab()
	b.withoutScript()
	b.until("the delivery has failed", func() bool {
		b.open("/recordings?q=rec-1&state=dead")
		return contains(b.text(), "rec-1")
	})
	b.click("Dialled call, 1 min 34 s")
	b.sees("no such user here", "Timeline")
	s.mailTrouble.Store(nil)
	b.click("Try again")
	b.sees("It will be tried again now.")
	s.arrived(2)
	b.click("Send it to someone else")
	b.fill("To", "dora@example.com")
	b.click("Send")
	b.sees("on its way")
	s.arrived(3)

	b.click("Rules")
	b.fill("Duration in seconds", "3")
	b.click("Try it")
	b.sees("Nobody would be told")
	b.click("Channels")
	b.click("Pause email")
	b.sees("The channel is paused")
	b.click("Resume email")
	b.sees("The channel is resumed")
	b.click("Health")
	b.click("Reload the file")
	b.sees("in force as it is now")
	b.click("Recordings")
	b.choose("Messages", "delivered")
	b.click("Search")
	b.rows(1)
	if js[bool](b, "window.htmx !== undefined") {
		t.Error("scripts ran: this test showed nothing")
	}
}
