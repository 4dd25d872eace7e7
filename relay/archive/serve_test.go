package archive_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringpost/relay/archive"
	"ringpost/relay/archive/archivetest"
	"ringpost/relay/channel"
)

// served is what the archive serves of a path.
func served(t *testing.T, a *archive.Archive, path, checksum, span string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/audio", nil)
	if span != "" {
		r.Header.Set("Range", span)
	}
	w := httptest.NewRecorder()
	if err := a.Serve(w, r, path, checksum); err != nil {
		t.Fatalf("Serve of %s = %v", path, err)
	}
	return w.Result(), w.Body.String()
}

func TestPartsAreServed(t *testing.T) {
	promise(t, func(o *office) {
		a := o.open()
		tone := o.tone("rec-1", ".mp3")
		sum, err := a.Send(o.Context(), o.message("rec-1", at))
		if err != nil {
			o.Fatal(err)
		}
		n := len(tone)
		for span, want := range map[string]struct {
			status int
			body   string
		}{
			"bytes=0-":           {206, tone},
			"bytes=0-0":          {206, tone[:1]},
			"bytes=1000-1999":    {206, tone[1000:2000]},
			"bytes=-100":         {206, tone[n-100:]},
			"bytes=5-4":          {416, ""},
			"nonsense":           {200, tone},
			"bytes=0-1,5-6":      {200, tone},
			"bytes=1000000000-":  {416, ""},
			"bytes=1000-9999999": {206, tone[1000:]},
		} {
			resp, body := served(o.T, a, at, sum, span)
			if resp.StatusCode != want.status || want.status != 416 && body != want.body {
				o.Errorf("Range %q = %d and %d bytes, want %d and %d", span, resp.StatusCode, len(body), want.status, len(want.body))
			}
			if want.status == 206 && !strings.HasSuffix(resp.Header.Get("Content-Range"), fmt.Sprint("/", n)) {
				o.Errorf("Range %q: Content-Range = %q, want the whole length", span, resp.Header.Get("Content-Range"))
			}
			if want.status != 416 && (resp.Header.Get("ETag") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
				resp.Header.Get("Cache-Control") != "private, no-store") {
				o.Errorf("Range %q: headers = %v", span, resp.Header)
			}
		}
		w := httptest.NewRecorder()
		if err := a.Serve(w, httptest.NewRequest(http.MethodHead, "/", nil), at, sum); err != nil || w.Body.Len() != 0 || w.Header().Get("Content-Length") != fmt.Sprint(n) {
			o.Errorf("HEAD = %v, %d bytes, %v; want the length alone", err, w.Body.Len(), w.Header())
		}
		if err := a.Serve(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), "rec-9.mp3", sum); err == nil {
			o.Error("Serve of what is not there = nil, want an error before anything is answered")
		}
	})
}

// Whoever can write into the bucket shall not have a page shown.
func TestOnlyAudioIsServed(t *testing.T) {
	s := archivetest.S3(t)
	o := newOffice(t, configOf(s))
	a := o.open()
	m := &channel.Message{To: "page.mp3", Text: "<script>alert(1)</script>"} // kept as text/plain
	if _, err := a.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if resp, _ := served(t, a, "page.mp3", "", ""); resp.Header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("Content-Type = %q, want audio", resp.Header.Get("Content-Type"))
	}
}

func TestACopyThatIsCutIsCutForTheListener(t *testing.T) {
	dir := t.TempDir()
	o := newOffice(t, archive.Config{URL: "file://" + dir})
	o.api.Record("rec-1", 30*time.Minute)
	a := o.open()
	if _, err := a.Send(t.Context(), o.message("rec-1", at)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.Serve(&shrinking{w, filepath.Join(dir, at)}, r, at, ""); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || n == resp.ContentLength {
		t.Errorf("heard %d of %d bytes, %v; want an unexpected end", n, resp.ContentLength, err)
	}
}

// shrinking is a writer that has the file cut once the answer has begun.
type shrinking struct {
	http.ResponseWriter
	file string
}

func (s *shrinking) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *shrinking) Write(p []byte) (int, error) {
	_ = os.Truncate(s.file, 100_000)
	return s.ResponseWriter.Write(p)
}
