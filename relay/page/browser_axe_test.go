package page_test

import (
	"context"
	_ "embed"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeSource is axe-core, which finds what keeps people from using a page.
//
//go:embed testdata/axe/axe.min.js
var axeSource string

// axeTags are the rules that pages must follow.
const axeTags = `['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']`

// violation is a rule that a page breaks, and where.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		Target         []string
		FailureSummary string
	}
}

// isAccessible fails the test where the page as it is now breaks a rule.
func (b *tab) isAccessible(what string) {
	b.Helper()
	for _, v := range b.audit() {
		for _, n := range v.Nodes {
			b.Errorf("%s: %s (%s): %s\n\t%s", what, v.ID, v.Impact, strings.Join(n.Target, " "),
				strings.ReplaceAll(n.FailureSummary, "\n", "\n\t"))
		}
	}
}

// audit has axe look at the page. It comes in by the debugger, since the page's
// policy keeps out all scripts but its own. What is in frames is somebody
// else's words.
func (b *tab) audit() []violation {
	b.Helper()
	b.do("load axe", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: axeSource + ";0"})
		return err
	})
	return js[[]violation](b, `axe.run(document, {iframes: false, resultTypes: ['violations'], runOnly: %s}).then(
		r => r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help,
			Nodes: v.nodes.map(n => ({Target: n.target.map(String), FailureSummary: n.failureSummary}))})))`, axeTags)
}

// The other tests rely on what axe finds.
func TestBrowserFindsWhatKeepsPeopleOut(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		_, _ = w.Write([]byte(`<!doctype html><title>x</title><link rel="icon" href="data:,"><p style="color:#bbb">pale</p><input><button></button>`))
	}))
	t.Cleanup(server.Close)
	b := newTab(t, server.URL)
	b.open("/")
	var found []string
	for _, v := range b.audit() {
		found = append(found, v.ID)
	}
	for _, want := range []string{"color-contrast", "label", "button-name", "html-has-lang", "region", "landmark-one-main"} {
		if !slices.Contains(found, want) {
			t.Errorf("axe finds %q, want %s among it", found, want)
		}
	}
}
