package recording_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/recording"
)

// newFetcher returns a fetcher, whose temporary files are in dir.
func newFetcher(t *testing.T, config recording.Config) (f *recording.Fetcher, dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("TMPDIR", dir)
	config.Project, config.Token, config.Log = "project-1", "PTsecrettoken", slog.New(slog.DiscardHandler)
	f, err := recording.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		until(t, func() bool { return recording.SpooledFiles(f) == 0 }, "all temporary files are closed")
	})
	return f, dir
}

// until waits for a condition.
func until(t *testing.T, holds func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never comes about that %s", what)
		}
	}
}

// mustSpool fetches a recording as MP3, and closes it with the test.
func mustSpool(t *testing.T, f *recording.Fetcher, url string, limit int64) *recording.Spooled {
	t.Helper()
	s, err := f.Spool(t.Context(), url, "mp3", limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustRead(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestARecordingIsFetchedToDiskInTheFormatThatIsWanted(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "project-1", Token: "PTsecrettoken", ProtectMedia: true})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.Record("RE1", 10*time.Second)
	f, dir := newFetcher(t, recording.Config{APIURL: api.URL})
	for _, test := range []struct {
		format, kind, begin string
		size                int64
	}{{"mp3", "audio/mpeg", "\xff\xf3", 20016}, {"wav", "audio/x-wav", "RIFF", 320044}} {
		s, err := f.Spool(t.Context(), api.RecordingURL("RE1"), test.format, test.size)
		if err != nil {
			t.Fatalf("%s: %v", test.format, err)
		}
		all := mustRead(t, s.Open())
		if s.Size != test.size || int64(len(all)) != test.size || s.ContentType != test.kind ||
			!strings.HasPrefix(all, test.begin) || s.SHA256 != sha256.Sum256([]byte(all)) {
			t.Errorf("%s: %d bytes said, %d read, %s; want %d, %s, and their checksum", test.format, s.Size, len(all), s.ContentType, test.size, test.kind)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %d files have a name, %v; want none", test.format, len(left), err)
		}
		s.Close()
		if n, err := s.ReadAt(make([]byte, 1), 0); err == nil {
			t.Errorf("%s: %d bytes read after all is closed, want an error", test.format, n)
		}
	}
	if _, err := f.Spool(t.Context(), api.RecordingURL("RE1"), "ogg", 0); err == nil {
		t.Error("an unknown format is fetched, want an error")
	}
}

func TestSeveralReadersEachReadAll(t *testing.T) {
	provider := newProvider(t, audio)
	f, _ := newFetcher(t, recording.Config{APIURL: provider.URL})
	s := mustSpool(t, f, provider.URL, 0)
	first, second := s.Open(), s.Open()
	if part := mustRead(t, io.LimitReader(first, 2)); part != "to" {
		t.Errorf("the first two bytes = %q", part)
	}
	if all := mustRead(t, second); all != "tone" {
		t.Errorf("another reader's = %q, want all", all)
	}
	if rest := mustRead(t, first); rest != "ne" {
		t.Errorf("the rest = %q", rest)
	}
	if _, err := first.Seek(1, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if rest := mustRead(t, first); rest != "one" {
		t.Errorf("from the second byte on = %q", rest)
	}
}

// A recording that many wait for is asked for once, goes on where the first of
// them leaves, and is there until the last has closed it.
func TestTheSameRecordingIsFetchedOnceForAllWhoWantItAtOnce(t *testing.T) {
	var asked atomic.Int32
	goOn := make(chan struct{})
	provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "audio/mpeg")
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		audio(w, r)
	})
	f, _ := newFetcher(t, recording.Config{APIURL: provider.URL})
	ctx, leave := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := f.Spool(ctx, provider.URL, "mp3", 10); !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves gets %v", err)
		}
	})
	until(t, func() bool { return asked.Load() == 1 }, "the provider is asked")
	const others = 50
	spooled := make([]*recording.Spooled, others)
	var rest sync.WaitGroup
	for i := range others {
		rest.Go(func() {
			var err error
			if spooled[i], err = f.Spool(t.Context(), provider.URL, "mp3", 10); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, func() bool { return recording.SpoolUsers(f) == others+1 }, "all wait for it")
	leave()
	first.Wait()
	close(goOn)
	rest.Wait()
	if t.Failed() {
		return
	}
	late := mustSpool(t, f, provider.URL, 10)
	for _, s := range spooled {
		if got := mustRead(t, s.Open()); got != "tone" {
			t.Errorf("read %q", got)
		}
		s.Close()
		s.Close() // counts once
	}
	if got := mustRead(t, late.Open()); got != "tone" || asked.Load() != 1 || recording.SpooledFiles(f) != 1 {
		t.Errorf("the last one reads %q; asked %d times, %d files; want the tone, one request and one file", got, asked.Load(), recording.SpooledFiles(f))
	}
	late.Close()
	if n := recording.SpooledFiles(f); n != 0 {
		t.Errorf("%d files are open after the last one has closed it", n)
	}
	if mustSpool(t, f, provider.URL, 10); asked.Load() != 2 {
		t.Errorf("asked %d times, want a second request once nobody had it any more", asked.Load())
	}
}

func TestARecordingThatNobodyWaitsForAnyMoreIsNotFetchedOn(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		io.WriteString(w, "to")
		w.(http.Flusher).Flush()
		close(asked)
		<-r.Context().Done()
		close(ended)
	})
	f, _ := newFetcher(t, recording.Config{APIURL: provider.URL})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-asked
		leave()
	}()
	if _, err := f.Spool(ctx, provider.URL, "mp3", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Spool = %v, want that it was cancelled", err)
	}
	select {
	case <-ended:
	case <-time.After(deadline):
		t.Fatal("the provider is still asked")
	}
}

func TestARecordingThatIsTooLargeIsLeftAsSoonAsThatIsKnown(t *testing.T) {
	const limit = 100_000
	for name, said := range map[string]int64{"its length is said": limit + 1, "its length is not said": 0} {
		ended := make(chan struct{})
		provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			w.Header().Set("Content-Type", "audio/mpeg")
			if said > 0 {
				w.Header().Set("Content-Length", strconv.FormatInt(said, 10))
				w.(http.Flusher).Flush()
			} else {
				w.Write(make([]byte, limit+1))
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done() // more never comes
		})
		f, _ := newFetcher(t, recording.Config{APIURL: provider.URL})
		_, err := f.Spool(t.Context(), provider.URL, "mp3", limit)
		if e, ok := errors.AsType[*recording.TooLargeError](err); !ok || e.Max != limit || e.Size != said || errors.Is(err, recording.ErrRefused) {
			t.Errorf("%s: Spool = %v, want that it is too large", name, err)
		}
		select {
		case <-ended:
		case <-time.After(deadline):
			t.Fatalf("%s: the provider is still asked", name)
		}
	}
	provider := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		w.Write(make([]byte, limit))
	})
	f, _ := newFetcher(t, recording.Config{APIURL: provider.URL})
	if s := mustSpool(t, f, provider.URL, limit); s.Size != limit {
		t.Errorf("%d bytes, want as many as are allowed", s.Size)
	}
	if s := mustSpool(t, f, provider.URL, 0); s.Size != limit {
		t.Errorf("%d bytes without a limit", s.Size)
	}
}

// Whoever wants a recording is told whether it may be there later.
func TestAnErrorTellsWhetherToAskAgain(t *testing.T) {
	with := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	cut := func(length string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "audio/mpeg")
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			io.WriteString(w, "to")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	stalled := func(w http.ResponseWriter, r *http.Request) {
		with(200, "audio/mpeg", "to")(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   error // nil: it may go well later
	}{
		"not found":             {with(404, "text/html", ""), recording.ErrNotThere},
		"gone":                  {with(410, "text/html", ""), recording.ErrNotThere},
		"credentials refused":   {with(401, "text/html", ""), recording.ErrRefused},
		"forbidden":             {with(403, "text/html", ""), recording.ErrRefused},
		"no audio":              {with(200, "text/html", "<html>"), recording.ErrRefused},
		"a playlist":            {with(200, "audio/x-mpegurl", "#EXTM3U"), recording.ErrRefused},
		"sent elsewhere":        {http.RedirectHandler("https://evil.example/private-id", http.StatusFound).ServeHTTP, recording.ErrRefused},
		"sent round":            {http.RedirectHandler("/private-id.mp3", http.StatusFound).ServeHTTP, recording.ErrRefused},
		"broken":                {with(500, "text/html", ""), nil},
		"busy":                  {with(429, "text/html", ""), nil},
		"a part nobody wanted":  {with(416, "audio/mpeg", ""), nil},
		"empty":                 {with(200, "audio/mpeg", ""), nil},
		"cut":                   {cut(""), nil},
		"shorter than was said": {cut("5"), nil},
		"stalled":               {stalled, nil},
		"silent":                {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil},
	} {
		provider := newProvider(t, test.answer)
		config := recording.Config{APIURL: provider.URL}
		if name == "stalled" || name == "silent" {
			config.Patience = 200 * time.Millisecond
		}
		f, _ := newFetcher(t, config)
		mustFail(t, name, f, provider.URL+"/private-id.mp3", test.want)
	}
	f, _ := newFetcher(t, recording.Config{Space: "localhost", AllowHosts: []string{"127.0.0.1"}})
	for _, url := range []string{"", "https://evil.example/private-id", "http://localhost/private-id", "https://localhost/private-id",
		"https://127.0.0.1/private-id", "https://169.254.169.254/private-id", "file:///private-id", "\x00private-id"} {
		mustFail(t, url, f, url, recording.ErrRefused)
	}
	gone := newProvider(t, audio)
	f, _ = newFetcher(t, recording.Config{APIURL: gone.URL})
	gone.Close()
	mustFail(t, "unreachable", f, gone.URL+"/private-id", nil)
}

// mustFail checks that the recording at url is not fetched, for the reason that
// want is, and that no URL nor secret is told.
func mustFail(t *testing.T, name string, f *recording.Fetcher, url string, want error) {
	t.Helper()
	s, err := f.Spool(t.Context(), url, "mp3", 1000)
	if err == nil {
		t.Errorf("%s: %d bytes fetched, want an error", name, s.Size)
		s.Close()
		return
	}
	for _, reason := range []error{recording.ErrNotThere, recording.ErrRefused} {
		if errors.Is(err, reason) != (reason == want) {
			t.Errorf("%s: %v is %v, want %v", name, err, reason, want)
		}
	}
	if said := err.Error(); strings.Contains(said, "://") || strings.Contains(said, "private-id") || strings.Contains(said, "secrettoken") {
		t.Errorf("%s: a URL or a secret is told: %s", name, said)
	}
	if n := recording.SpooledFiles(f); n != 0 {
		t.Errorf("%s: %d files are left open", name, n)
	}
}

// As many as there is room for are on disk at once; the next one waits.
func TestTemporaryFilesAreBounded(t *testing.T) {
	provider := newProvider(t, audio)
	f, _ := newFetcher(t, recording.Config{APIURL: provider.URL})
	var held []*recording.Spooled
	for i := range recording.MaxSpools {
		held = append(held, mustSpool(t, f, provider.URL+"/"+strconv.Itoa(i), 0))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := f.Spool(ctx, provider.URL+"/more", "mp3", 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("one more than there is room for: %v, want that it waits", err)
	}
	held[0].Close()
	mustSpool(t, f, provider.URL+"/more", 0)
}

func TestADiskThatIsFullIsNoRefusal(t *testing.T) {
	provider := newProvider(t, audio)
	f, dir := newFetcher(t, recording.Config{APIURL: provider.URL})
	t.Setenv("TMPDIR", dir+"/missing")
	mustFail(t, "no folder", f, provider.URL+"/private-id", nil)
}
