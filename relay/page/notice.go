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
	"revoked":   "The link opens nothing any more.",
	"forwarded": "It is on its way to someone else too.",
	"paused":    "The channel is paused. What is due waits until it is resumed.",
	"resumed":   "The channel is resumed.",
	"all":       "All that were not delivered and can be sent will be tried again now.",
	"none":      "There is nothing that can be tried again.",
	"tested":    "The provider has taken the test message.",
	"reloaded":  "The configuration file is in force as it is now.",
}

// done answers a change: it sends the browser to path, where the notice of that
// code is given.
func done(w http.ResponseWriter, r *http.Request, path, code string) {
	http.Redirect(w, r, path+"?notice="+url.QueryEscape(code), http.StatusSeeOther)
}
