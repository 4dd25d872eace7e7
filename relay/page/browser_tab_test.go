package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The two sizes of window that pages are looked at in.
var (
	desktop = size{1280, 800}
	phone   = size{375, 812}
)

type size struct{ width, height int64 }

// tab is a browser tab of a profile of its own, at a server. What it must not do
// fails the test when it ends.
type tab struct {
	*testing.T
	ctx    context.Context
	url    string // of the server, without a slash at the end
	faults *faults
}

// newTab opens a tab for pages of the server at base.
func newTab(t *testing.T, base string) *tab {
	t.Helper()
	parent := browser(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{T: t, url: base, faults: newFaults(u.Host)}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.faults.watch), chromedp.WithListener(b.dismiss))
	t.Cleanup(cancel)
	b.ctx = ctx
	t.Cleanup(func() {
		for _, fault := range b.faults.all() {
			t.Errorf("the browser notices: %s", fault)
		}
		if t.Failed() && ctx.Err() == nil {
			b.keepPicture()
		}
	})
	// The tab lives as long as the context of its first action.
	tooLate := time.AfterFunc(patience, cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	tooLate.Stop()
	must(b, audits.Enable, cdp.Empty{})
	// The tab that is looked at is not the only one.
	must(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.resize(desktop)
	return b
}

// dismiss closes a dialog, which would hold up the page. It is a fault anyway.
func (b *tab) dismiss(event any) {
	if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
		go func() {
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	}
}

// do does something with the tab, within patience.
func (b *tab) do(what string, f func(context.Context) error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := f(ctx); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// must runs a command of the protocol.
func must[P, R any](b *tab, command cdp.Command[P, R], params P) (result R) {
	b.Helper()
	b.do(command.Method, func(ctx context.Context) (err error) {
		result, err = chromedp.Call(ctx, command, params)
		return err
	})
	return result
}

// js returns what an expression is in the page.
func js[R any](b *tab, format string, args ...any) (result R) {
	b.Helper()
	expression := fmt.Sprintf(format, args...)
	b.do(expression, func(ctx context.Context) (err error) {
		result, err = chromedp.Run(ctx, chromedp.Evaluate[R](expression, chromedp.EvalAwaitPromise))
		return err
	})
	return result
}

// quote returns s as JavaScript has it.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always have a form
	}
	return string(text)
}

// until waits until ok returns true.
func (b *tab) until(what string, ok func() bool) {
	b.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			b.Fatalf("not in time: %s. The page says: %s", what, b.text())
		}
	}
}

// holds waits until an expression holds in the page. While the page is being
// exchanged for another, it does not.
func (b *tab) holds(what, format string, args ...any) {
	b.Helper()
	expression := fmt.Sprintf(format, args...)
	b.until(what, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && ok
	})
}

// open goes to a page, as by typing its address.
func (b *tab) open(path string) {
	b.Helper()
	b.do("open "+path, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Navigate(b.url+path)) })
}

// leave goes to an empty page, so that the server may go away.
func (b *tab) leave() {
	b.Helper()
	b.do("leave", func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Navigate("about:blank")) })
}

// at returns the path and query of the page.
func (b *tab) at() string { return js[string](b, "location.pathname + location.search") }

// text returns what the page says to who looks at it.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// sees waits until the page says each of those words.
func (b *tab) sees(words ...string) {
	b.Helper()
	for _, w := range words {
		b.holds("the page says "+w, "document.body.innerText.toLowerCase().includes(%s)", quote(strings.ToLower(w)))
	}
}

// seesNot fails where the page says any of those words.
func (b *tab) seesNot(words ...string) {
	b.Helper()
	text := strings.ToLower(b.text())
	for _, w := range words {
		if strings.Contains(text, strings.ToLower(w)) {
			b.Errorf("the page says %q: %s", w, text)
		}
	}
}

// find is JavaScript for the element that people call by name: what it says,
// what labels it, or else a CSS selector. It must be there to see. within is
// where to look.
const find = `(function (name, within) {
	const seen = e => e && e.checkVisibility({opacityProperty: true, visibilityProperty: true}) && e.getClientRects().length > 0;
	const plain = s => s.replace(/\s+/g, ' ').trim().toLowerCase();
	const root = within ? document.querySelector(within) : document;
	if (!root) return null;
	const wanted = plain(name);
	const all = [...root.querySelectorAll('a, button, summary, input, select, textarea, option')].filter(seen);
	const says = e => plain(e.getAttribute('aria-label') || (e.labels && e.labels.length ? e.labels[0].innerText : e.innerText || e.value || ''));
	return all.find(e => says(e) === wanted) || all.find(e => says(e).startsWith(wanted)) ||
		(/[#.\[]/.test(name) ? [...root.querySelectorAll(name)].find(seen) : null) || null;
})`

// spot is where an element can be clicked.
type spot struct {
	X, Y float64
	Free bool // nothing lies over it
}

// spotOf waits until the element called name is there and still, brings it into
// view, and returns its middle.
func (b *tab) spotOf(name, within string) (at spot) {
	b.Helper()
	var before spot
	b.until("there is "+name+" to click", func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		found, err := chromedp.Run(ctx, chromedp.Evaluate[spot](fmt.Sprintf(`(e => {
			if (!e || e.disabled) return {X: 0, Y: 0, Free: false};
			e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
			const r = e.getClientRects()[0], x = r.x + r.width / 2, y = r.y + r.height / 2;
			const top = document.elementFromPoint(x, y);
			return {X: x, Y: y, Free: e.contains(top) || [...(e.labels || [])].some(l => l.contains(top))};
		})(%s(%s, %s))`, find, quote(name), quote(within))))
		before, at = at, found
		return err == nil && found.Free && before == found
	})
	return at
}

// click clicks what is called name.
func (b *tab) click(name string) {
	b.Helper()
	b.clickIn("", name)
}

// clickIn clicks what is called name within the element of a selector.
func (b *tab) clickIn(within, name string) {
	b.Helper()
	at := b.spotOf(name, within)
	b.clickAt(at.X, at.Y)
}

func (b *tab) clickAt(x, y float64) {
	b.Helper()
	b.do("click", func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.MouseClickXY(x, y)) })
}

// fill types text into what is called name, in place of what is there.
func (b *tab) fill(name, text string) {
	b.Helper()
	b.fillIn("", name, text)
}

// fillIn fills what is called name within the element of a selector.
func (b *tab) fillIn(within, name, text string) {
	b.Helper()
	b.clickIn(within, name)
	b.holds("the focus is in "+name, "document.activeElement === %s(%s, %s)", find, quote(name), quote(within))
	js[bool](b, "(e => { if (e.select) e.select(); return true })(document.activeElement)")
	b.press(kb.Backspace)
	must(b, input.InsertText, input.InsertTextParams{Text: text})
}

// choose takes an option of the list called name. Its menu is not part of the page
// and cannot be clicked here: the page hears of the choice all the same.
func (b *tab) choose(name, option string) {
	b.Helper()
	b.spotOf(name, "")
	js[bool](b, `(e => {
		e.focus();
		const o = [...e.options].find(o => o.label.trim() === %s);
		if (!o) return false;
		e.value = o.value;
		e.dispatchEvent(new Event('input', {bubbles: true}));
		return e.dispatchEvent(new Event('change', {bubbles: true}));
	})(%s(%s, ''))`, quote(option), find, quote(name))
	b.holds(option+" is chosen", "%s(%s, '').selectedOptions[0].label.trim() === %s", find, quote(name), quote(option))
}

// press presses keys, one after the other.
func (b *tab) press(keys string) {
	b.Helper()
	b.do("press a key", func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.KeyEvent(keys)) })
}

// resize makes the window that large.
func (b *tab) resize(s size) {
	b.Helper()
	must(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s == phone})
}

// prefer makes the reader one who likes dark or light pages.
func (b *tab) prefer(scheme string) {
	b.Helper()
	must(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// picture returns what the window shows, as a PNG.
func (b *tab) picture() []byte {
	b.Helper()
	return must(b, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng}).Data
}

// keepPicture writes what the tab shows to where somebody can look for why the
// test failed.
func (b *tab) keepPicture() {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng})
	if err != nil {
		b.Logf("no picture of the failure: %v", err)
		return
	}
	file := filepath.Join(os.TempDir(), "ringpost-"+strings.ReplaceAll(b.Name(), "/", "-")+".png")
	if err := os.WriteFile(file, shot.Data, 0o600); err != nil {
		b.Logf("no picture of the failure: %v", err)
		return
	}
	b.Logf("what the tab showed at the end: %s", file)
}
