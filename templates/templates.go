// Package templates holds the built-in templates.
package templates

import "embed"

// Files are the built-in template files.
//
//go:embed *.txt *.html
var Files embed.FS
