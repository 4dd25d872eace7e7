package page

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/store"
)

// health is what the page of that name shows.
type health struct {
	NotReady string // why; empty where the service is ready
	Charts   []chart
	Depth    []depth
	Oldest   time.Time // of those that wait; zero where none does
	Config   config.State
	Refusals []store.Refusal
}

// depth is how many deliveries are in a state.
type depth struct {
	State store.State
	N     int
}

func (p *Page) health(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	return p.showHealth(w, r, http.StatusOK)
}

func (p *Page) showHealth(w http.ResponseWriter, r *http.Request, status int) error {
	ctx, now := r.Context(), p.store.Now()
	h := health{Config: p.service.ConfigState()}
	if err := p.service.Ready(ctx); err != nil {
		h.NotReady = sentence(err.Error())
	}
	for _, c := range []struct {
		id, title, what string
		series          []series
	}{{"callbacks", "Callbacks", "callback", callbackSeries()}, {"deliveries", "Messages", "delivery", deliverySeries()}} {
		tallies, err := p.store.Hours(ctx, c.what, now.Add(-hours*time.Hour))
		if err != nil {
			return err
		}
		h.Charts = append(h.Charts, newChart(c.id, c.title, c.series, tallies, now))
	}
	queue, err := p.store.Queue(ctx)
	if err != nil {
		return err
	}
	for _, state := range []store.State{store.Queued, store.Sending, store.Retrying} {
		h.Depth = append(h.Depth, depth{state, queue.Depth[state]})
	}
	h.Oldest = queue.Oldest
	if h.Refusals, err = p.store.Refusals(ctx); err != nil {
		return err
	}
	p.show(w, r, status, "health", "Health", h)
	return nil
}

// reload puts the configuration file as it is now into force, or shows why it
// cannot.
func (p *Page) reload(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	if problems := p.service.Reload(r.Context()); len(problems) > 0 {
		return p.showHealth(w, r, http.StatusUnprocessableEntity)
	}
	done(w, r, "/health", "reloaded")
	return nil
}

// refused is what the page of one refused request shows.
type refused struct {
	store.Refusal
	Text      string // of the request
	Diagnosis callback.Diagnosis
}

// refused shows a request that was refused, and what the doctor finds in it.
func (p *Page) refused(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	id, err := readID(params)
	if err != nil {
		return err
	}
	refusal, err := p.store.Refusal(r.Context(), id)
	if err != nil {
		return &returning{err, "/health", "Back to health"}
	}
	page := refused{Refusal: refusal, Text: strings.ToValidUTF8(string(refusal.Request), "�")}
	if request, err := callback.ReadRaw(bytes.NewReader(refusal.Request)); err != nil {
		page.Diagnosis.Findings = []string{err.Error()}
	} else {
		page.Diagnosis = p.service.Diagnose(request)
	}
	p.show(w, r, http.StatusOK, "refused", "A refused request", page)
	return nil
}
