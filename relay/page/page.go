// Package page is what people see of Ringpost in a browser, on the admin
// listener: the recordings and what became of them, the rules, the channels,
// and how the service is. It answers "why did (or didn't) this person get
// told?" for people who do not read logs.
//
// A request comes to a handler (recordings.go, recording.go, rules.go,
// channels.go, health.go), which asks the store and the service, and renders a
// template (view.go, templates). Every change is a form's POST that ends with a
// redirect (actions.go, notice.go); what cannot be done is a page, too
// (refuse.go). Everything works without script, except that the list of
// recordings stays current while it is looked at (live.go, news.go).
//
// It promises that what others have written — callers, providers, whoever made
// a link — is shown and never obeyed: templates escape it, and the policy that
// comes with each answer allows no script or style but the files in assets.
package page

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/route"
	"ringpost/relay/store"
)

// Service is what the page operates. by is the name of whoever asks for it.
type Service interface {
	// Ready returns nil, or why no callbacks are to be sent here.
	Ready(context.Context) error
	// Reload puts the configuration file as it is now into force. Where it has
	// problems, they are returned line by line and the old one stays.
	Reload(context.Context) (problems []string)
	// Plan is the rules in force.
	Plan() *route.Plan
	// Status is how the channels do, by name, and Channels the same with what
	// waits for each.
	Status() []deliver.Status
	Channels(context.Context) ([]deliver.Overview, error)
	// ConfigState is how the configuration in force stands to its file.
	ConfigState() config.State

	Retry(ctx context.Context, id int64, by string) error
	RetryAll(ctx context.Context, f store.Filter, by string) (n int, err error)
	Cancel(ctx context.Context, id int64, by string) error
	Revoke(ctx context.Context, id int64, by string) error
	Forward(ctx context.Context, id int64, to, by string) (newID int64, err error)
	Pause(ctx context.Context, channel, by string) error
	Resume(ctx context.Context, channel, by string) error
	SendTest(ctx context.Context, channel, to string) (providerID string, err error)

	// Diagnose says what verifies the signature of a request, or what would.
	Diagnose(*callback.Request) callback.Diagnosis
	// ServeAudio answers with the audio of the recording that a callback tells of,
	// or says why it cannot.
	ServeAudio(w http.ResponseWriter, r *http.Request, of *callback.Callback)
}

// Page is the handler of the page.
type Page struct {
	service Service
	store   *store.Store
	log     *slog.Logger

	assets assets
	pages  map[string]*template.Template
	plans  plans
	live   *live
	routes *httprouter.Router
}

// New returns the page.
func New(service Service, s *store.Store, log *slog.Logger) (*Page, error) {
	p := &Page{service: service, store: s, log: log, plans: plans{store: s, log: log, compiled: make(map[int64]*plan)}}
	var err error
	if p.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if p.pages, err = loadTemplates(p.assets.url); err != nil {
		return nil, err
	}
	p.live = newLive(p.rows, p.pages["recordings"])
	p.routes = httprouter.New()
	p.routes.RedirectTrailingSlash, p.routes.RedirectFixedPath = false, false
	p.routes.NotFound = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.refuse(w, r, errNoPage) })
	p.routes.MethodNotAllowed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.refuse(w, r, errNoMethod) })
	for path, h := range map[string]handler{
		"/assets/:name":         p.asset,
		"/recordings":           p.recordings,
		"/recordings/:id":       p.recording,
		"/recordings/:id/audio": p.playAudio,
		"/deliveries/:id/html":  p.message,
		"/rules":                p.rules,
		"/rules/try/:id":        p.tryStored,
		"/channels":             p.channels,
		"/health":               p.health,
		"/health/refused/:id":   p.refused,
	} {
		p.routes.GET(path, p.handle(h))
		p.routes.HEAD(path, p.handle(h))
	}
	p.routes.GET(livePath, p.handle(p.stream))
	for path, h := range map[string]handler{
		"/deliveries/:id/retry":   p.retry,
		"/deliveries/:id/cancel":  p.cancel,
		"/deliveries/:id/revoke":  p.revoke,
		"/deliveries/:id/forward": p.forward,
		"/rules/try":              p.try,
		"/channels/pause":         p.pause,
		"/channels/resume":        p.resume,
		"/channels/retry":         p.retryAll,
		"/channels/test":          p.sendTest,
		"/health/reload":          p.reload,
	} {
		p.routes.POST(path, p.handle(h))
	}
	p.routes.Handler(http.MethodGet, "/", http.RedirectHandler("/recordings", http.StatusSeeOther))
	// Browsers ask for this one beside what names no icon, such as an error.
	p.routes.Handler(http.MethodGet, "/favicon.ico", http.RedirectHandler(p.assets.urls["icon.svg"], http.StatusSeeOther))
	return p, nil
}

// Close ends the streams of those who look. No new one begins.
func (p *Page) Close() { p.live.close() }

// policy is the Content-Security-Policy of every page: only what the listener
// itself serves, and no script or style within a page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"media-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Serve answers a request for a page or for what a page refers to. by is the
// name of whoever makes it; who may make one at all is decided before it comes
// here.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request, by string) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	p.routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), byKey{}, by)))
}

// byKey is the key of the asker's name in a request's context.
type byKey struct{}

// asker names who makes the request.
func asker(r *http.Request) string {
	by, _ := r.Context().Value(byKey{}).(string)
	return by
}

// handler answers a request, or returns why it cannot; see [Page.refuse].
type handler func(http.ResponseWriter, *http.Request, httprouter.Params) error

// handle makes h a route's handler.
func (p *Page) handle(h handler) httprouter.Handle {
	return func(w http.ResponseWriter, r *http.Request, params httprouter.Params) {
		if err := h(w, r, params); err != nil {
			p.refuse(w, r, err)
		}
	}
}

func (p *Page) asset(w http.ResponseWriter, _ *http.Request, params httprouter.Params) error {
	if !p.assets.serve(w, params.ByName("name")) {
		return errNoPage
	}
	return nil
}
