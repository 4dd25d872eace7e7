package render

import (
	"errors"
	"fmt"
)

// Recordings returns what the message tells of, oldest first: the one recording of
// most messages, or those that a digest has collected. Each has the fields that
// the message has, which are those of the newest, and a link of its own.
func (v *view) Recordings() []*view {
	if v.recordings == nil {
		return []*view{v}
	}
	return v.recordings
}

// RenderDigest makes a message of that kind that tells of several recordings,
// oldest first; there must be one. They are told to the same recipient.
func (t *Templates) RenderDigest(kind, name string, all []*Data) (Message, error) {
	views := make([]*view, len(all))
	for i, d := range all {
		views[i] = d.view()
	}
	newest := views[len(views)-1]
	newest.recordings = views
	m, err := t.render(kind, name, newest)
	if err != nil {
		return Message{}, fmt.Errorf("template %s: %w", name, err)
	}
	return m, nil
}

// TellsAll returns nil where the template of that name for messages of kind, which
// there must be, tells of each recording that there is, or may: where each of its
// parts asks for .Recordings. One that does not would tell of the newest alone.
func (t *Templates) TellsAll(kind, name string) error {
	const field = "Recordings"
	mail, ok := t.emails[name]
	switch {
	case (!ok || kind == SMS) && textAsks(t.texts[name], field):
	case !ok || kind == SMS, !textAsks(mail.text, field):
		return errors.New("it has no {{range .Recordings}}, and would tell of one")
	case mail.html != nil && !htmlAsks(mail.html, field):
		return errors.New("its HTML has no {{range .Recordings}}, and would tell of one")
	}
	return nil
}
