package page_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The browser tests drive a headless Chromium over the DevTools protocol, and
// do what people do: they click, type and look. Everything else is real, too
// (browser_site_test.go). What a tab must never do fails each of them
// (browser_fault_test.go).

// patience bounds what a test waits for: the machine may be busy.
const patience = time.Minute

// chrome is the browser of all tests. It starts with the first of them.
var chrome struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chrome.close != nil {
		chrome.close()
	}
	os.Exit(code)
}

// errNoChrome is why browser tests are skipped.
var errNoChrome = errors.New("no Chromium is found: install it, or name one in RINGPOST_TEST_CHROME")

// findChrome returns the browser to run.
func findChrome() (string, error) {
	if path := os.Getenv("RINGPOST_TEST_CHROME"); path != "" {
		path, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("RINGPOST_TEST_CHROME: %w", err)
		}
		return path, nil
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "headless-shell",
		"/snap/bin/chromium", "/opt/google/chrome/chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoChrome
}

// browser returns the running browser, or skips the test where there is none. In
// CI there must be one.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser is started")
	}
	chrome.once.Do(func() { chrome.err = startChrome() })
	if errors.Is(chrome.err, errNoChrome) && os.Getenv("CI") == "" {
		t.Skip(chrome.err)
	}
	if chrome.err != nil {
		t.Fatal(chrome.err)
	}
	return chrome.ctx
}

// startChrome starts the browser with a profile of its own, which is gone with
// it. It talks to nobody but the tests' servers.
func startChrome() error {
	path, err := findChrome()
	if err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-pings", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("font-render-hinting", "none"),
		// A frame in a sandbox stays with its page, so that it is seen from there.
		chromedp.Flag("disable-features", "IsolateSandboxedIframes,Translate,OptimizationHints,MediaRouter"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium's own sandbox cannot be for root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	chrome.ctx, chrome.close = ctx, func() {
		_ = chromedp.Cancel(ctx)
		cancel()
		stop()
	}
	// The browser lives as long as the context of its first action.
	tooLate := time.AfterFunc(patience, cancel)
	defer tooLate.Stop()
	if err := chromedp.Do(ctx); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	return nil
}
