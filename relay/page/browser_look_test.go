package page_test

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
)

// withoutScript turns JavaScript off for every page that is opened from now on.
func (b *tab) withoutScript() {
	b.Helper()
	must(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// fitsItsWidth fails the test where the page can be scrolled sideways.
func (b *tab) fitsItsWidth(what string) {
	b.Helper()
	if over := js[int](b, "document.scrollingElement.scrollWidth - innerWidth"); over > 0 {
		widest := js[string](b, `[...document.querySelectorAll('body *')].map(e => [e.getBoundingClientRect().right, e])
			.sort((a, b) => b[0] - a[0]).slice(0, 3).map(([right, e]) => Math.round(right) + ': ' + e.outerHTML.slice(0, 120)).join('\n')`)
		b.Errorf("%s: the page is %d px wider than the window:\n%s", what, over, widest)
	}
}

// brightness is the mean of what the window shows, from 0 to 255.
func (b *tab) brightness() int {
	b.Helper()
	shot, err := png.Decode(bytes.NewReader(b.picture()))
	if err != nil {
		b.Fatal(err)
	}
	bounds, sum, n := shot.Bounds(), 0, 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y += 4 {
		for x := bounds.Min.X; x < bounds.Max.X; x += 4 {
			red, green, blue, _ := shot.At(x, y).RGBA()
			sum += int(red+green+blue) / 3 >> 8
			n++
		}
	}
	return sum / n
}

// pagesOf returns the pages of a site in which all that can be shown is there,
// by what they are called.
func pagesOf(t *testing.T, s *site) map[string]string {
	t.Helper()
	s.mailTrouble.Store(nobody("carol"))
	s.post(s.recorded("rec-1", 94*time.Second), "?agent=alice")
	s.post(s.recorded("rec-2", 3*time.Second, "RecordingSource=Conference"), "?agent=stranger")
	s.post(s.recorded("rec-3", 0, "RecordingStatus=absent", "RecordingSource=RecordVerb", "RecordingUrl="), "")
	s.post(s.recorded("rec-4", 0, "RecordingStatus=in-progress", "RecordingUrl="), "")
	s.postSigned("PT-token", s.recorded("rec-5", 94*time.Second), "")
	s.arrived(1)
	s.texted(1)
	b := s.tab()
	b.open("/channels")
	b.click("Pause sms")
	b.sees("The channel is paused")
	s.post(s.recorded("rec-6", 40*time.Second), "?agent=bob")
	b.open("/recordings")
	b.rows(5)
	b.chips("rec-6", "dead delivered queued")
	path := func(recording string) string {
		b.open("/recordings?q=" + recording)
		b.rows(1)
		return js[string](b, "document.querySelector('.row a').getAttribute('href')")
	}
	pages := map[string]string{
		"recordings": "/recordings", "nothing found": "/recordings?q=none&state=dead", "no such page": "/none",
		"a recording": path("rec-1"), "a shadow": path("rec-2"), "a silent one": path("rec-3"), "one without a rule": path("rec-4"),
		"rules": "/rules", "channels": "/channels", "health": "/health",
	}
	pages["a trial"] = strings.Replace(pages["a recording"], "/recordings/", "/rules/try/", 1)
	b.until("the refused request is shown", func() bool {
		b.open("/health")
		return contains(b.text(), "Ask the doctor")
	})
	pages["the doctor"] = js[string](b, "document.querySelector('a[href*=\"/health/refused/\"]').getAttribute('href')")
	return pages
}

func TestBrowserFindsEveryPageAccessible(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	pages := pagesOf(t, s)
	b := s.tab()
	b.faults.expect(`/none is answered with 404`)
	b.faults.expect(`^the browser says: Failed to load resource: .* 404`)
	for _, scheme := range []string{"light", "dark"} {
		b.prefer(scheme)
		for _, window := range []size{desktop, phone} {
			b.resize(window)
			for name, path := range pages {
				what := fmt.Sprintf("%s, %s, %d px", name, scheme, window.width)
				b.open(path)
				b.fitsItsWidth(what)
				b.isAccessible(what)
				// What is folded must be as good as what is not.
				js[bool](b, "[...document.querySelectorAll('details')].every(d => d.open = true)")
				b.fitsItsWidth(what + ", unfolded")
				b.isAccessible(what + ", unfolded")
				if light := b.brightness(); scheme == "dark" && light > 80 || scheme == "light" && light < 180 {
					t.Errorf("%s: the page's brightness is %d of 255", what, light)
				}
			}
		}
	}
}
