package route

import (
	"slices"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// silent are the statuses of which there is nothing to hear.
var silent = []string{callback.InProgress, callback.Absent, callback.Failed, callback.Missing}

// attach has d carry the recording of cb, where there is one. The link that it has
// in its place is the one in its words, if there is one, or else link makes it.
func (p *Plan) attach(d *store.Delivery, cb *callback.Callback, a *rules.Attach, link linker) {
	if cb.RecordingUrl == "" || slices.Contains(silent, cb.RecordingStatus) {
		return
	}
	d.Attach = store.Attachment{Format: a.Format, MaxBytes: a.MaxBytes}
	if d.Link != nil {
		d.Attach.Link = p.Links.PublicURL + render.LinkPath + d.Link.Token
	} else {
		d.Attach.Link = link(d)
	}
}
