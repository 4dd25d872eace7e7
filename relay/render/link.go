package render

import "errors"

// LinkPath is what stands between the public URL and a token in a link to a
// recording.
const LinkPath = "/r/"

// SampleLink returns a link such as the service at publicURL makes. It opens
// nothing: there is no such token.
func SampleLink(publicURL string) string { return publicURL + LinkPath + "SampleLink0" }

var errNoLink = errors.New(".Link is for what a message says, and not known here")

// Link returns the link to the recording, the same in all parts of a message.
func (v *view) Link() (string, error) {
	if v.link == nil {
		return "", errNoLink
	}
	if v.linked == "" {
		v.linked = v.link()
	}
	return v.linked, nil
}

// HasLink reports whether the template of that name for messages of kind may ask
// for the link.
func (t *Templates) HasLink(kind, name string) bool { return t.asks(kind, name, "Link") }
