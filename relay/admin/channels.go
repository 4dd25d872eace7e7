package admin

import (
	"context"
	"net/http"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/api"
	"ringpost/relay/deliver"
	"ringpost/relay/store"
)

// channels answers with the channels, by name.
func (a *Admin) channels(w http.ResponseWriter, r *http.Request) {
	all, err := a.service.Channels(r.Context())
	if err != nil {
		a.refuse(w, err)
		return
	}
	list := api.Channels{Channels: make([]api.Channel, len(all))}
	for i := range all {
		list.Channels[i] = a.viewChannel(&all[i])
	}
	a.answer(w, http.StatusOK, list)
}

func (a *Admin) viewChannel(o *deliver.Overview) api.Channel {
	ch := api.Channel{Name: o.Channel, Kind: o.Kind, State: "up", Why: o.Why(a.store.Now()), Rate: o.Rate, Since: o.Since,
		LastError: o.LastError, LastErrorAt: orNull(o.LastErrorAt), Waiting: o.Waiting, OldestAt: orNull(o.Oldest)}
	switch {
	case o.Pause != nil:
		ch.State, ch.Since = "paused", o.Pause.At
	case o.Down:
		ch.State = "down"
	}
	return ch
}

func (a *Admin) pause(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	a.switchChannel(w, r, p.ByName("name"), a.service.Pause)
}

func (a *Admin) resume(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	a.switchChannel(w, r, p.ByName("name"), a.service.Resume)
}

// switchChannel pauses or resumes a channel, and answers with it.
func (a *Admin) switchChannel(w http.ResponseWriter, r *http.Request, name string, do func(ctx context.Context, channel, by string) error) {
	err := do(r.Context(), name, a.access.asker(r))
	var all []deliver.Overview
	if err == nil {
		all, err = a.service.Channels(r.Context())
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	for i := range all {
		if all[i].Channel == name {
			a.answer(w, http.StatusOK, a.viewChannel(&all[i]))
			return
		}
	}
	a.refuse(w, store.ErrNotFound) // a reload has taken it away meanwhile
}

// test sends a test message through a channel.
func (a *Admin) test(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	to := r.FormValue("to")
	if to == "" {
		a.refuse(w, &api.RequestError{Text: "to: missing: want a contact or an address"})
		return
	}
	id, err := a.service.SendTest(r.Context(), p.ByName("name"), to)
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, api.Tested{ProviderID: id})
}
