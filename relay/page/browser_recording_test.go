package page_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/chromedp"

	"ringpost/relay/peers"
)

func contains(text, words string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(words))
}

// hostileMail is a template for an email whose HTML tries to do something.
const hostileMail = `<!doctype html><html><head><meta http-equiv="refresh" content="0;url=http://example.invalid/refresh">
<script>document.documentElement.setAttribute('data-ran', 'head'); parent.document.title = 'taken over'</script></head>
<body onload="document.body.setAttribute('data-ran', 'onload')"><p>Words of the email</p>
<img src="http://example.invalid/pixel.png" onerror="document.body.setAttribute('data-ran', 'onerror')">
<script>document.body.setAttribute('data-ran', 'body')</script>
<form action="/channels/pause" method="post"><input name="channel" value="email"><button>Pause</button></form>
<a href="javascript:document.body.setAttribute('data-ran', 'link')">link</a></body></html>`

func TestBrowserShowsWhatBecameOfARecording(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{templates: map[string]string{
		"recording.email.txt":  "Subject: A call of {{duration .RecordingDuration}}\n\nPlain words of the email about {{.RecordingSid}}.\n",
		"recording.email.html": hostileMail,
	}})
	s.post(s.recorded("rec-1", 94*time.Second, "RecordingStatus=in-progress", "RecordingUrl="), "?agent=alice")
	s.post(s.recorded("rec-1", 94*time.Second), "?agent=alice")
	s.arrived(2)
	s.texted(1)

	b := s.tab()
	// What the email tries is kept from happening, and the browser says so.
	b.faults.expect(`^the browser says: (Blocked script execution|Refused to execute the redirect).* sandboxed`)
	b.faults.expect(`^the browser says: Loading the image .* violates the following Content Security Policy`)
	b.faults.expect(`^the policy is violated: img-src http://example.invalid/pixel.png`)
	b.open("/recordings")
	b.chips("Recorded", "delivered delivered delivered")
	b.click("Dialled call, 1 min 34 s")
	b.sees("Timeline", "SignalWire told us: recording", "SignalWire told us: recorded", "Matched 2 rules",
		"accepted by the provider", "attempt 1", "alice", "carol@example.com", "2 of 4 rules")
	b.sees("conferences, to be tried out", "not matched", "the call came by DialVerb; this rule wants Conference")

	b.click("What it says")
	b.sees("A call of 1m34s")
	b.holds("the frame is loaded", "document.querySelector('iframe.message').getClientRects().length > 0")
	frame := b.frame("Words of the email")
	if strings.Contains(frame, `data-ran="`) {
		t.Errorf("a script in the email ran: %s", frame)
	}
	b.click("As plain text")
	b.sees("Plain words of the email about rec-1.")
	if title := js[string](b, "document.title"); !contains(title, "rec-1") {
		t.Errorf("the page's title is %q, want the recording's", title)
	}
}

// frame waits until the frame in the page says those words, and returns its
// document.
func (b *tab) frame(words string) (html string) {
	b.Helper()
	b.until("the frame says "+words, func() bool {
		html = b.frameHTML()
		return strings.Contains(html, words)
	})
	return html
}

// frameHTML returns the document of the frame in the page; empty where there is
// none yet. No script of the page sees it, since the sandbox makes it foreign.
func (b *tab) frameHTML() (html string) {
	b.Helper()
	b.do("read the frame", func(ctx context.Context) error {
		whole, pierce := int64(-1), true
		document, err := chromedp.Call(ctx, dom.GetDocument, dom.GetDocumentParams{Depth: &whole, Pierce: &pierce})
		if err != nil {
			return err
		}
		node := frameIn(document.Root)
		if node == nil {
			return nil
		}
		found, err := chromedp.Call(ctx, dom.GetOuterHTML, dom.GetOuterHTMLParams{BackendNodeID: node.BackendNodeID})
		html = found.OuterHTML
		return err
	})
	return html
}

func frameIn(n *cdp.Node) *cdp.Node {
	if n.ContentDocument != nil {
		return n.ContentDocument
	}
	for _, child := range n.Children {
		if found := frameIn(child); found != nil {
			return found
		}
	}
	return nil
}

func TestBrowserPlaysARecording(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.post(s.recorded("rec-1", 94*time.Second), "?agent=alice")
	s.arrived(2)
	b := s.tab()
	b.open("/recordings")
	b.click("Dialled call, 1 min 34 s")
	b.play()
	b.holds("the recording plays", "document.querySelector('audio').currentTime > 0.3 && !document.querySelector('audio').paused")
	if length := js[float64](b, "document.querySelector('audio').duration"); length < 93 || length > 95 {
		t.Errorf("the player says that the recording lasts %v s, want 94", length)
	}
	js[bool](b, "(document.querySelector('audio').currentTime = 80) > 0")
	b.holds("it goes on from there", "(a => !a.seeking && !a.paused && a.currentTime > 80.2 && a.currentTime < 94)(document.querySelector('audio'))")
	if problem := js[string](b, "String(document.querySelector('audio').error && document.querySelector('audio').error.message)"); problem != "null" {
		t.Errorf("the player says %s", problem)
	}
}

func TestBrowserSaysWhyARecordingIsNotPlayed(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	form := s.recorded("rec-1", 94*time.Second, "RecordingUrl="+s.api.RecordingURL("rec-gone"))
	s.post(form, "?agent=alice")
	s.arrived(2)
	b := s.tab()
	b.faults.expect(`/audio is answered with 404`)
	b.faults.expect(`^the browser says: Failed to load resource: .* 404`)
	b.open("/recordings")
	b.click("Dialled call, 1 min 34 s")
	b.play()
	b.sees("The provider has no such recording, or has it no longer.")
	b.open(b.at() + "/audio")
	b.sees("The provider has no such recording, or has it no longer.")
}

// play clicks on the player's button until it has noticed.
func (b *tab) play() {
	b.Helper()
	b.holds("there is a player", "document.querySelector('audio')")
	b.until("the player is started", func() bool {
		if js[bool](b, "(a => !a.paused || a.error !== null)(document.querySelector('audio'))") {
			return true
		}
		button := js[spot](b, `(e => {
			e.scrollIntoView({block: 'center', behavior: 'instant'});
			const r = e.getBoundingClientRect();
			return {X: r.x + 30, Y: r.y + r.height / 2, Free: true};
		})(document.querySelector('audio'))`)
		b.clickAt(button.X, button.Y)
		return false
	})
}

func TestBrowserOperatesDeliveries(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.mailTrouble.Store(nobody("alice"))
	s.post(s.recorded("rec-1", 94*time.Second), "")
	b := s.tab()
	b.open("/recordings")
	b.chips("rec-1", "dead delivered")
	b.click("Dialled call, 1 min 34 s")
	b.sees("no such user here", "not delivered", "The email to alice failed for good")

	s.mailTrouble.Store(nil)
	b.click("Try again")
	b.sees("It will be tried again now.", "retried by admin")
	emails := s.arrived(2)
	if last := emails[1]; fmt.Sprint(last.To) != "[alice@example.com]" {
		t.Errorf("the email that was tried again went to %v, want alice", last.To)
	}

	b.open(b.at())
	b.click("Send it to someone else")
	b.fill("To", "dora@example.com")
	b.click("Send")
	b.sees("dora@example.com", "sent on")
	emails = s.arrived(3)
	first, err := emails[0].Content()
	if err != nil {
		t.Fatal(err)
	}
	if last, err := emails[2].Content(); err != nil || fmt.Sprint(emails[2].To) != "[dora@example.com]" || last.Subject != first.Subject || last.Text != first.Text {
		t.Errorf("what was sent on went to %v: %+v, %v; want dora and the same words", emails[2].To, last, err)
	}

	// Who cannot be reached that way is refused with words, and nothing is sent.
	b.faults.expect(`/forward is answered with 4`)
	b.faults.expect(`^the browser says: Failed to load resource`)
	b.open(b.at())
	b.click("Send it to someone else")
	b.fill("To", "nobody in particular")
	b.click("Send")
	b.holds("it is said that this is no address", "!document.body.innerText.includes('on its way')")
	b.sees("nobody in particular")
}

func TestBrowserCancelsADelivery(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{retry: time.Hour}) // what is being sent cannot be cancelled
	s.mailTrouble.Store(later("alice"))
	s.post(s.recorded("rec-1", 94*time.Second), "")
	b := s.tab()
	b.open("/recordings")
	b.chips("rec-1", "delivered retrying")
	b.click("Dialled call, 1 min 34 s")
	b.sees("come back later")
	b.click("Cancel")
	b.sees("cancelled", "cancelled by admin")
	s.mailTrouble.Store(nil)
	b.open("/recordings")
	b.chips("rec-1", "cancelled delivered")
	if got := len(s.mail.Emails()); got != 1 {
		t.Errorf("%d emails arrived, want 1: the other one was cancelled", got)
	}
}

func TestBrowserFollowsAMailServerThatGoesDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	s.mailTrouble.Store(at(peers.ErrCut, "", peers.Connect))
	b := s.tab()
	b.open("/recordings")
	b.holds("the list is live", "document.querySelector('#live').dataset.live === 'on'")
	b.stays()
	s.post(s.recorded("rec-1", 94*time.Second), "?agent=alice")
	b.chips("rec-1", "delivered retrying retrying")
	b.sees("trying again")

	other := s.tab()
	other.open("/channels")
	other.until("the channel is down", func() bool {
		other.open("/channels")
		return contains(other.text(), "down since")
	})
	other.sees("Last trouble")
	other.isAccessible("a channel that is down")
	other.open("/recordings")
	other.click("Dialled call, 1 min 34 s")
	other.sees("did not get through", "trying again")

	s.mailTrouble.Store(nil)
	b.chips("rec-1", "delivered delivered delivered")
	b.mustHaveStayed()
	s.arrived(2)
	other.open("/channels")
	other.sees("up since")
	other.seesNot("down since")
}
