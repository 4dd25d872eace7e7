package page_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// faults collects what a tab must not do.
type faults struct {
	mu       sync.Mutex
	host     string // the only one that may be asked
	found    []string
	requests map[network.RequestID]string // method and path of those to the host
	foreign  map[network.RequestID]string // URLs elsewhere
	expected []*regexp.Regexp
}

func newFaults(host string) *faults {
	return &faults{host: host, requests: make(map[network.RequestID]string), foreign: make(map[network.RequestID]string)}
}

// watch is called with every event of the tab.
func (f *faults) watch(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			f.add("the console says: %s", words(e.Args))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if o := e.ExceptionDetails.Exception; o != nil {
			text += " " + o.Description
		}
		f.add("a script failed: %s", text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			f.add("the browser says: %s (%s)", e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			f.add("the policy is violated: %s %s", d.ViolatedDirective, d.BlockedURL)
		}
	case *page.EventJavascriptDialogOpening:
		f.add("a dialog opens: %s", e.Message)
	default:
		f.watchNetwork(event)
	}
}

func (f *faults) watchNetwork(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		f.begin(e.RequestID, e.Request)
	case *network.EventResponseReceived:
		if request := f.request(e.RequestID); e.Response.Status >= http.StatusBadRequest {
			f.add("%s is answered with %d", request, e.Response.Status)
		}
	case *network.EventLoadingFailed:
		if e.BlockedReason == network.BlockedReasonCsp {
			return // which was no request, and is told as a violation
		}
		// The browser ends requests by itself when a page is left, or a player has
		// enough.
		if request := f.request(e.RequestID); !e.Canceled {
			f.add("%s failed: %s", request, e.ErrorText)
		}
	case *network.EventWebSocketCreated:
		f.add("a web socket to %s is asked for", e.URL)
	}
}

func (f *faults) begin(id network.RequestID, r *network.Request) {
	u, err := url.Parse(r.URL)
	if err == nil && (u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about") {
		return // which is no request
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || u.Host != f.host || u.Scheme != "http" {
		f.foreign[id] = r.URL
		return
	}
	f.requests[id] = r.Method + " " + u.RequestURI()
}

// request names a request that was made.
func (f *faults) request(id network.RequestID) string {
	f.mu.Lock()
	foreign, name := f.foreign[id], f.requests[id]
	f.mu.Unlock()
	if foreign != "" {
		f.add("another host is asked: %s", foreign)
		return foreign
	}
	return name
}

func (f *faults) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.expected {
		if e.MatchString(text) {
			return
		}
	}
	f.found = append(f.found, text)
}

// expect lets faults pass that match a pattern: a test causes them on purpose.
func (f *faults) expect(pattern string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected = append(f.expected, regexp.MustCompile(pattern))
}

// forgive forgets what was found, and lets pass what may still come.
func (f *faults) forgive() {
	f.expect("")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = nil
}

// all returns what was found, in its order.
func (f *faults) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.found)
}

func words(args []*runtime.RemoteObject) string {
	var said []string
	for _, a := range args {
		said = append(said, strings.Trim(string(a.Value)+a.Description, `"`))
	}
	return strings.Join(said, " ")
}

// The other tests rely on what is watched for being noticed.
func TestBrowserNoticesFaults(t *testing.T) {
	pages := http.NewServeMux()
	pages.HandleFunc("/{fault}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'self'; connect-src *; img-src * data:")
		fmt.Fprintf(w, `<!doctype html><title>x</title><link rel="icon" href="data:,"><script src="/script/%s"></script>%s`,
			r.PathValue("fault"), map[string]string{
				"inline": `<script>alert(1)</script>`, "handler": `<img src="data:," onerror="alert(1)">`,
				"style": `<p style="color:red">`, "missing": `<img src="/script/none">`, "foreign": `<img src="http://example.invalid/x.png">`,
				"frame": `<iframe sandbox srcdoc="<script>1</script>"></iframe>`,
			}[r.PathValue("fault")])
	})
	pages.HandleFunc("/script/{fault}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("fault") == "none" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, map[string]string{
			"console": `console.error("broken")`, "exception": `throw new Error("broken")`, "rejection": `Promise.reject(new Error("broken"))`,
			"eval": `eval("1")`, "dialog": `setTimeout(() => alert("broken"))`, "fetch": `fetch("http://example.invalid/")`,
			"socket": `new WebSocket("ws://example.invalid/")`,
		}[r.PathValue("fault")])
	})
	server := httptest.NewServer(pages)
	t.Cleanup(server.Close)
	for fault, want := range map[string]string{
		"console": "the console says: broken", "exception": "a script failed: .*broken", "rejection": "a script failed: .*broken",
		"eval": "a script failed: .*EvalError", "dialog": "a dialog opens: broken", "fetch": "another host is asked: http://example.invalid/",
		"socket": "a web socket to ws://example.invalid/", "inline": "the policy is violated: script-src", "handler": "the policy is violated: script-src",
		"style": "the policy is violated: style-src", "missing": "GET /script/none is answered with 404", "frame": "Blocked script execution",
		"foreign": "another host is asked: http://example.invalid/x.png",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			b := newTab(t, server.URL)
			b.open("/" + fault)
			b.until("the fault is noticed", func() bool {
				return slices.ContainsFunc(b.faults.all(), regexp.MustCompile(want).MatchString)
			})
			b.faults.forgive()
		})
	}
}
