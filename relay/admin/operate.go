package admin

import (
	"net/http"
	"strconv"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/api"
	"ringpost/relay/store"
)

func (a *Admin) retry(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	a.operate(w, r, p, func(id int64) error { return a.service.Retry(r.Context(), id, a.access.asker(r)) })
}

func (a *Admin) cancel(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	a.operate(w, r, p, func(id int64) error { return a.service.Cancel(r.Context(), id, a.access.asker(r)) })
}

func (a *Admin) revoke(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	a.operate(w, r, p, func(id int64) error { return a.service.Revoke(r.Context(), id, a.access.asker(r)) })
}

// operate does op to a delivery and answers with what has become of it.
func (a *Admin) operate(w http.ResponseWriter, r *http.Request, p httprouter.Params, op func(id int64) error) {
	id, err := deliveryID(p)
	if err == nil {
		err = op(id)
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.delivery(w, r, p)
}

// forward sends what a delivery says to someone else, and answers with the new
// delivery.
func (a *Admin) forward(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	id, err := deliveryID(p)
	to := r.FormValue("to")
	if err == nil && to == "" {
		err = &api.RequestError{Text: "to: missing: want a contact or an address"}
	}
	if err == nil {
		id, err = a.service.Forward(r.Context(), id, to, a.access.asker(r))
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.delivery(w, r, httprouter.Params{{Key: "id", Value: strconv.FormatInt(id, 10)}})
}

// retryAll makes all deliveries due at once that a filter finds. The router knows
// no fixed name beside an id.
func (a *Admin) retryAll(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	if p.ByName("id") != "retry" {
		http.NotFound(w, r)
		return
	}
	f, err := filter(r, store.Filter{}, "recording", "state", "channel", "to", "since")
	switch {
	case err != nil:
	case f == store.Filter{}:
		err = &api.RequestError{Text: "a filter is required: recording, state, channel, to or since"}
	}
	var n int
	if err == nil {
		n, err = a.service.RetryAll(r.Context(), f, a.access.asker(r))
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, api.Retried{Retried: n})
}
