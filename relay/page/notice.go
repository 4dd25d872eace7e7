package page

import (
	"net/http"
	"net/url"
)

// notices are what a page says after a change, by the code that the redirect to
// it carries. No other words reach a page that way.
var notices = map[string]string{
	"retried":   "It will be tried again now.",
	"cancelled": "It is cancelled and will not be sent.",
}

// done answers a change: it sends the browser to path, where the notice of that
// code is given.
func done(w http.ResponseWriter, r *http.Request, path, code string) {
	http.Redirect(w, r, path+"?notice="+url.QueryEscape(code), http.StatusSeeOther)
}
