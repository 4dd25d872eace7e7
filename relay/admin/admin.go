// Package admin serves the admin listener: health, metrics, reload, and the API
// that package api describes. It lists callbacks and deliveries (api.go), says
// how the rules decided (trace.go, replay.go), and lets people operate on
// deliveries and channels (operate.go, channels.go, catchup.go). What it does not know it
// leaves to the page for browsers (package page). Who may ask is decided in
// access.go.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/julienschmidt/httprouter"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ringpost/relay/api"
	"ringpost/relay/deliver"
	"ringpost/relay/route"
	"ringpost/relay/store"
)

// Service is what the admin listener operates.
type Service interface {
	// Ready returns nil, or why no callbacks are to be sent here.
	Ready(context.Context) error
	// Reload puts the configuration file as it is now into force. Where it has
	// problems, they are returned line by line and the old one stays.
	Reload(context.Context) (problems []string)
	// Retry makes a delivery due at once; by is who asks.
	Retry(ctx context.Context, id int64, by string) error
	// Cancel ends a delivery that waits without sending it; by is who asks.
	Cancel(ctx context.Context, id int64, by string) error
	// Revoke makes the link in what a delivery says open nothing; by is who asks.
	Revoke(ctx context.Context, id int64, by string) error
	// RetryAll makes all deliveries due at once that f finds, dead ones unless it
	// has a state, and returns how many they are.
	RetryAll(ctx context.Context, f store.Filter, by string) (n int, err error)
	// Forward sends what a delivery says to a contact or an address, and returns
	// the id of the new delivery.
	Forward(ctx context.Context, id int64, to, by string) (newID int64, err error)
	// Pause has a channel send nothing until Resume.
	Pause(ctx context.Context, channel, by string) error
	Resume(ctx context.Context, channel, by string) error
	// Channels returns the channels, by name, with what waits for each.
	Channels(context.Context) ([]deliver.Overview, error)
	// Status says how each channel does, without looking into the store.
	Status() []deliver.Status
	// SendTest sends a test message through a channel to a contact or an address,
	// and returns what the provider calls it.
	SendTest(ctx context.Context, channel, to string) (providerID string, err error)
	// CatchUp asks the provider for recordings that ended since then, and treats
	// those of which no callback came as received late; by is who asks.
	CatchUp(ctx context.Context, since time.Time, by string) (api.CaughtUp, error)
	// Plan is the plan in force.
	Plan() *route.Plan
}

// Page answers browsers.
type Page interface {
	// Serve answers a request of whoever has the name by.
	Serve(w http.ResponseWriter, r *http.Request, by string)
}

// Admin is the handler of the admin listener.
type Admin struct {
	service Service
	store   *store.Store
	log     *slog.Logger
	access  *access
	routes  http.Handler
}

// New returns the handler. Without users everybody who reaches the listener may
// do everything, which is for loopback only.
func New(service Service, s *store.Store, page Page, metrics prometheus.Gatherer, users []User, log *slog.Logger) *Admin {
	a := &Admin{service: service, store: s, log: log, access: newAccess(users)}
	r := httprouter.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandlerFunc(http.MethodGet, "/metrics", promhttp.HandlerFor(metrics,
		promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP)
	r.HandlerFunc(http.MethodPost, "/-/reload", a.reload)
	r.HandlerFunc(http.MethodGet, "/api/callbacks", a.callbacks)
	r.GET("/api/callbacks/:id", a.trace)
	r.HandlerFunc(http.MethodGet, "/api/deliveries", a.deliveries)
	r.GET("/api/deliveries/:id", a.delivery)
	r.POST("/api/deliveries/:id", a.retryAll)
	r.POST("/api/deliveries/:id/retry", a.retry)
	r.POST("/api/deliveries/:id/cancel", a.cancel)
	r.POST("/api/deliveries/:id/revoke", a.revoke)
	r.POST("/api/deliveries/:id/forward", a.forward)
	r.HandlerFunc(http.MethodGet, "/api/channels", a.channels)
	r.POST("/api/channels/:name/pause", a.pause)
	r.POST("/api/channels/:name/resume", a.resume)
	r.POST("/api/channels/:name/test", a.test)
	r.HandlerFunc(http.MethodGet, "/api/replay", a.replay)
	r.HandlerFunc(http.MethodPost, "/api/catch-up", a.catchUp)

	r.NotFound = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			http.NotFound(w, r)
			return
		}
		page.Serve(w, r, a.access.asker(r))
	})

	// A load balancer has no password, and learns no more than "ready".
	open := httprouter.New()
	open.HandlerFunc(http.MethodGet, "/healthz", a.healthz)
	open.HandlerFunc(http.MethodGet, "/readyz", a.readyz)
	open.HandleMethodNotAllowed = false
	open.NotFound = a.access.guard(http.NewCrossOriginProtection().Handler(r))
	a.routes = open
	return a
}

// ServeHTTP answers a request on the admin listener.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	a.routes.ServeHTTP(w, r)
}

func (a *Admin) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("alive\n"))
}

func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) {
	if err := a.service.Ready(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ready\n"))
}

func (a *Admin) reload(w http.ResponseWriter, r *http.Request) {
	problems := a.service.Reload(r.Context())
	if len(problems) > 0 {
		a.answer(w, http.StatusUnprocessableEntity, map[string]any{"errors": problems})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// answer writes v as JSON.
func (a *Admin) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.log.Debug("answer not written", "err", err)
	}
}

// refuse answers with what err means to whoever asked, and logs what only an
// operator is to see.
func (a *Admin) refuse(w http.ResponseWriter, err error) {
	status, text := http.StatusInternalServerError, "the store failed; the log says why"
	if _, ok := errors.AsType[*store.StateError](err); ok {
		status, text = http.StatusConflict, err.Error()
	} else if _, ok := errors.AsType[*api.RequestError](err); ok {
		status, text = http.StatusBadRequest, err.Error()
	} else if _, ok := errors.AsType[*api.ProviderError](err); ok {
		status, text = http.StatusBadGateway, err.Error()
	} else if errors.Is(err, store.ErrNotFound) {
		status, text = http.StatusNotFound, err.Error()
	} else {
		a.log.Error("request failed", "err", err)
	}
	a.answer(w, status, map[string]string{"error": text})
}
