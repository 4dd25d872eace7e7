package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages refer to. Each has a name with a hash of what
// it holds in it, so that a browser may keep it for good.
type assets struct {
	urls  map[string]string // by the file's name
	files map[string]asset  // by the name in the URL
}

type asset struct {
	kind string // its media type
	body []byte
}

// kinds are the media types by a name's ending. What the machine would say
// differs from one to the next.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

func loadAssets() (assets, error) {
	a := assets{urls: make(map[string]string), files: make(map[string]asset)}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return a, err
	}
	for _, entry := range entries {
		name := entry.Name()
		body, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return a, err
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(name)
		hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
		a.urls[name] = "/assets/" + hashed
		a.files[hashed] = asset{kinds[ext], body}
	}
	return a, nil
}

// url is where the file of that name is. Templates call it.
func (a assets) url(name string) (string, error) {
	url, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("no file assets/%s", name)
	}
	return url, nil
}

// serve answers with the file whose name in the URL that is, and reports
// whether there is one.
func (a assets) serve(w http.ResponseWriter, name string) bool {
	file, ok := a.files[name]
	if !ok {
		return false
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	_, _ = w.Write(file.body)
	return true
}
