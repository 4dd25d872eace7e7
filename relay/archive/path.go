package archive

import (
	"strings"

	"ringpost/relay/render"
)

// Clean reports whether p is a path that objects can have: see
// [render.CleanPath].
func Clean(p string) bool {
	clean, err := render.CleanPath(p)
	return err == nil && clean == p
}

// metadataPath is where what is known of the object at p is kept.
func metadataPath(p string) string { return p + ".json" }

// within returns p below prefix, which may be empty.
func within(prefix, p string) string { return strings.TrimPrefix(prefix+"/"+p, "/") }
