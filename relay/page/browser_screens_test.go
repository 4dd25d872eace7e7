package page_test

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "take the pictures in testdata/screenshots anew")

// maxPicture bounds a picture, in bytes: they are kept with the code.
const maxPicture = 150_000

// TestBrowserTakesPictures takes those for README, of a morning's calls.
func TestBrowserTakesPictures(t *testing.T) {
	if !*update {
		t.Skip("takes pictures, which change with the time of day: run it with -update")
	}
	folder, err := filepath.Abs(filepath.Join("testdata", "screenshots"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // so that no page shows whose file it was
	s := newSite(t, settings{retry: time.Hour, dir: "."})
	pages := aMorning(t, s)
	for _, look := range []struct {
		name, scheme string
		window       size
	}{{"light", "light", desktop}, {"dark", "dark", desktop}, {"phone", "light", phone}} {
		b := s.tab()
		b.prefer(look.scheme)
		b.resize(look.window)
		for name, path := range pages {
			b.open(path)
			b.holds("the page is drawn", "document.fonts.status === 'loaded'")
			if strings.HasPrefix(path, "/recordings?") || path == "/recordings" {
				b.holds("the list is live", "document.querySelector('#live').dataset.live === 'on'")
			}
			keep(t, filepath.Join(folder, name+"-"+look.name+".png"), b.picture())
		}
	}
}

// keep writes a picture into a file, in little space.
func keep(t *testing.T, file string, shot []byte) {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, plain(picture)); err != nil {
		t.Fatal(err)
	}
	if b.Len() > maxPicture {
		t.Errorf("%s has %d bytes, want at most %d", file, b.Len(), maxPicture)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// plain returns a picture with the colours that it has most of, as many as a
// palette holds: a page has few, but for the edges of letters.
func plain(picture image.Image) image.Image {
	bounds := picture.Bounds()
	count := make(map[color.RGBA]int)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), slices.Compare([]byte{a.R, a.G, a.B}, []byte{b.R, b.G, b.B}))
	})
	out := image.NewPaletted(bounds, nil)
	for _, c := range colours[:min(len(colours), 256)] {
		out.Palette = append(out.Palette, c)
	}
	nearest := make(map[color.RGBA]uint8)
	for _, c := range colours {
		nearest[c] = uint8(out.Palette.Index(c))
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			out.SetColorIndex(x, y, nearest[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)])
		}
	}
	return out
}
