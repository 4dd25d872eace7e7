package admin

import (
	"net/http"

	"ringpost/relay/api"
)

// defaultReplay is how many callbacks a replay is of.
const defaultReplay = 500

// replay answers with what the rules in force make of the last callbacks.
func (a *Admin) replay(w http.ResponseWriter, r *http.Request) {
	list, _, err := a.stored(r, defaultReplay, "limit")
	if err != nil {
		a.refuse(w, err)
		return
	}
	plan := a.service.Plan()
	answer := api.Replay{Callbacks: make([]api.Replayed, len(list))}
	for i, cb := range list {
		answer.Callbacks[i] = api.Replayed{Callback: viewCallback(cb), Messages: plan.Outcomes(cb.Callback)}
	}
	a.answer(w, http.StatusOK, answer)
}
