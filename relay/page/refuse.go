package page

import (
	"errors"
	"net/http"

	"ringpost/relay/api"
	"ringpost/relay/store"
)

// problem is why a request is not answered as it was asked, for whoever asked.
type problem struct {
	Status         int
	Title, Text    string
	Back, BackText string
}

func (e *problem) Error() string { return e.Text }

// returning is an error with the page to go back to.
type returning struct {
	error
	path, text string
}

func (e *returning) Unwrap() error { return e.error }

// badRequest is a request that cannot be understood. text says what would be
// right.
func badRequest(text string) error {
	return &problem{Status: http.StatusBadRequest, Title: "That was not understood", Text: text}
}

var (
	errNoPage = &problem{Status: http.StatusNotFound, Title: "There is no such page",
		Text: "The address leads nowhere. Recordings, rules, channels and health are in the navigation above."}
	errNoMethod = &problem{Status: http.StatusMethodNotAllowed, Title: "That cannot be done this way",
		Text: "This address is for a form's button, or for reading only. Go to the page it belongs to."}
)

// refuse answers with a page that says what err means to whoever asked. What
// only an operator is to see is logged.
func (p *Page) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody reads the answer
	}
	shown, ok := errors.AsType[*problem](err)
	if !ok {
		shown = p.explain(err)
	}
	answer := *shown
	answer.Back, answer.BackText = "/recordings", "To the recordings"
	if back, ok := errors.AsType[*returning](err); ok {
		answer.Back, answer.BackText = back.path, back.text
	}
	if answer.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	p.show(w, r, answer.Status, "error", answer.Title, answer)
}

// explain says what an error of the store means.
func (p *Page) explain(err error) *problem {
	if state, ok := errors.AsType[*store.StateError](err); ok {
		return &problem{Status: http.StatusConflict, Title: "That cannot be done any more", Text: conflict(state)}
	}
	if wrong, ok := errors.AsType[*api.RequestError](err); ok {
		return &problem{Status: http.StatusBadRequest, Title: "That was not understood", Text: sentence(wrong.Text)}
	}
	if failed, ok := errors.AsType[*api.ProviderError](err); ok {
		return &problem{Status: http.StatusBadGateway, Title: "The provider did not take it", Text: sentence(failed.Text)}
	}
	if errors.Is(err, store.ErrNotFound) {
		return &problem{Status: http.StatusNotFound, Title: "It is not here",
			Text: "There is no such recording or delivery, or it is older than what is kept."}
	}
	p.log.Error("page not shown", "err", err)
	return &problem{Status: http.StatusServiceUnavailable, Title: "The store does not answer",
		Text: "Nothing is lost: callbacks that were acknowledged are stored. Try again in a moment; the log says what is wrong."}
}

// conflict says why a delivery's state does not allow what was asked, and what
// would be right.
func conflict(e *store.StateError) string {
	text := "This delivery is " + inStateWords(e.State) + "."
	switch {
	case e.Reason != "" && e.Op == "forward":
		text += " Its words could not be made, so there is nothing to send on."
	case e.Op == "revoke":
		text += " Its message has no link that could be revoked."
	case e.Reason != "":
		text += " There is nobody to send it to, or nothing to send, so trying again changes nothing. Send it to someone else, or mend the rule."
	case e.State == store.Sending:
		text += " Wait until the attempt under way has ended."
	case e.State.Finished():
		text += " Nothing more happens to it. To have somebody told again, send it to someone."
	}
	return text
}
