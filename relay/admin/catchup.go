package admin

import (
	"context"
	"net/http"
	"time"

	"ringpost/relay/api"
	"ringpost/relay/store"
)

// catchUp asks the provider for recordings and answers with how many there were.
// That takes as long as the provider does.
func (a *Admin) catchUp(w http.ResponseWriter, r *http.Request) {
	f, err := filter(r, store.Filter{}, "since")
	switch {
	case err != nil:
	case f.Since.IsZero():
		err = &api.RequestError{Text: "since: missing: want a time such as 2006-01-02T15:04:05Z or a duration such as 24h or 7d"}
	case f.Since.After(time.Now()):
		err = &api.RequestError{Text: "since: is yet to come: want a time that has passed, or a duration such as 24h"}
	}
	var found api.CaughtUp
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), api.CatchUpTime)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(api.CatchUpTime + time.Minute)) // what cannot be set is shorter
		found, err = a.service.CatchUp(ctx, f.Since, a.access.asker(r))
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.answer(w, http.StatusOK, found)
}
