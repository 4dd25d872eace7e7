package archive_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/archive"
	"ringpost/relay/archive/archivetest"
	"ringpost/relay/callback"
	"ringpost/relay/channel"
	"ringpost/relay/peers"
	"ringpost/relay/recording"
	"ringpost/relay/render"
	"ringpost/relay/signalwire"
)

// office is a provider with one recording, rec-1, and an archive of it.
type office struct {
	*testing.T
	archive.Config
	api     *peers.SignalWire
	hook    func(step peers.Step, subject string) error
	fetched atomic.Int32 // how often the audio was asked for
}

const account = "b3877c40"

// promise runs a test against every kind of store.
func promise(t *testing.T, test func(o *office)) {
	t.Run("file", func(t *testing.T) { test(newOffice(t, archive.Config{URL: "file://" + t.TempDir()})) })
	t.Run("s3", func(t *testing.T) { test(newOffice(t, configOf(archivetest.S3(t)))) })
	t.Run("azblob", func(t *testing.T) { test(newOffice(t, configOf(archivetest.Azure(t)))) })
}

func configOf(s *archivetest.Store) archive.Config {
	return archive.Config{URL: s.URL, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Account: s.Account, Key: s.Key}
}

func newOffice(t *testing.T, config archive.Config) *office {
	t.Helper()
	o := &office{T: t, Config: config}
	var err error
	o.api, err = peers.NewSignalWire(peers.SignalWireConfig{Project: account, Token: "token", ProtectMedia: true,
		Hook: func(_ context.Context, step peers.Step, subject string) error {
			if step == peers.FetchRecording {
				o.fetched.Add(1)
			}
			if o.hook != nil {
				return o.hook(step, subject)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.api.Close() })
	o.api.Record("rec-1", time.Minute)
	fetcher, err := recording.New(recording.Config{APIURL: o.api.URL, Project: account, Token: "token", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fetcher.Close)
	o.Fetch = fetcher.Spool
	return o
}

// deletes has the archive delete at the provider.
func (o *office) deletes() {
	o.Helper()
	client, err := signalwire.New(signalwire.Config{APIURL: o.api.URL, Project: account, Token: "token"})
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(client.Close)
	o.Delete = client.DeleteRecording
}

func (o *office) open() *archive.Archive {
	o.Helper()
	a, err := archive.New(o.Config)
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { a.Close() })
	return a
}

const at = "2026/11/24/rec-1.mp3"

// message is the delivery of a recording.
func (o *office) message(sid, path string) *channel.Message {
	o.Helper()
	text, err := render.MetadataOf(&callback.Callback{AccountSid: account, RecordingSid: sid, RecordingStatus: "completed", CallSid: "call-1",
		RecordingUrl: o.api.RecordingURL(sid), RecordingDuration: 60, ReceivedAt: time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC),
		Query: map[string]string{"agent": "alice"}, Fields: map[string]string{"Other": "ü\x00"}})
	if err != nil {
		o.Fatal(err)
	}
	return &channel.Message{ID: "1@x", To: path, Text: text, Delivery: 1, RecordingURL: o.api.RecordingURL(sid)}
}

// tone is the audio of a recording in the format of that suffix.
func (o *office) tone(sid, suffix string) string {
	o.Helper()
	req, err := http.NewRequest(http.MethodGet, o.api.RecordingURL(sid)+suffix, nil)
	if err != nil {
		o.Fatal(err)
	}
	req.SetBasicAuth(account, "token")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.Fatal(err)
	}
	defer resp.Body.Close()
	audio, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		o.Fatalf("%s, %v", resp.Status, err)
	}
	o.fetched.Store(0)
	return string(audio)
}

func TestARecordingIsKeptWithWhatIsKnownOfIt(t *testing.T) {
	promise(t, func(o *office) {
		a := o.open()
		for path, suffix := range map[string]string{at: ".mp3", "2026/11/24/rec-1.wav": ".wav"} {
			tone := o.tone("rec-1", suffix)
			sum := sha256.Sum256([]byte(tone))
			want := "sha256:" + hex.EncodeToString(sum[:])
			if id, err := a.Send(o.Context(), o.message("rec-1", path)); err != nil || id != want {
				o.Fatalf("Send to %s = %q, %v; want %q", path, id, err, want)
			}
			resp, body := served(o.T, a, path, want, "")
			if body != tone || resp.ContentLength != int64(len(tone)) || !strings.HasPrefix(resp.Header.Get("Content-Type"), "audio/") {
				o.Errorf("kept at %s are %d bytes of %s, want the %d of the recording", path, len(body), resp.Header.Get("Content-Type"), len(tone))
			}
			_, beside := served(o.T, a, path+".json", "", "")
			var m struct {
				SHA256      string `json:"sha256"`
				Size        int
				ContentType string `json:"content_type"`
				Recording   render.Metadata
			}
			if err := json.Unmarshal([]byte(beside), &m); err != nil || "sha256:"+m.SHA256 != want || m.Size != len(tone) || m.ContentType == "" ||
				m.Recording.Recording != "rec-1" || m.Recording.Account != account || m.Recording.Duration != 60 || m.Recording.Query["agent"] != "alice" {
				o.Errorf("beside it is %s (%v), want what is known of it", beside, err)
			}
			if strings.Contains(beside, o.api.URL) {
				o.Errorf("beside it is %s, want no URL of the provider's", beside)
			}
		}
	})
}

func TestWhatIsKeptIsFoundDoneAndNotFetchedAgain(t *testing.T) {
	promise(t, func(o *office) {
		a := o.open()
		first, err := a.Send(o.Context(), o.message("rec-1", at))
		if err != nil {
			o.Fatal(err)
		}
		o.api.Record("rec-1", 2*time.Minute) // which would be another one
		again, err := a.Send(o.Context(), o.message("rec-1", at))
		if err != nil || again != first || o.fetched.Load() != 1 {
			o.Errorf("Send again = %q, %v, and %d times fetched; want %q, nil, and once", again, err, o.fetched.Load(), first)
		}
	})
}

// An attempt that ended between the audio and the metadata is gone on with.
func TestWhatWasHalfDoneIsFinished(t *testing.T) {
	for name, test := range map[string]struct {
		length time.Duration // of what the provider has by then
		class  channel.Class
	}{"the same": {time.Minute, 0}, "another": {2 * time.Minute, channel.Refused}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := newOffice(t, archive.Config{URL: "file://" + dir})
			a := o.open()
			want, err := a.Send(t.Context(), o.message("rec-1", at))
			if err != nil {
				t.Fatal(err)
			}
			beside := filepath.Join(dir, at+".json")
			if err := os.Remove(beside); err != nil {
				t.Fatal(err)
			}
			o.api.Record("rec-1", test.length)
			got, err := a.Send(t.Context(), o.message("rec-1", at))
			_, missing := os.Stat(beside)
			if test.class == 0 && (err != nil || got != want || missing != nil) {
				t.Errorf("Send = %q, %v, metadata %v; want it finished", got, err, missing)
			}
			if test.class != 0 && (channel.ClassOf(err) != test.class || missing == nil) {
				t.Errorf("Send = %q, %v; want it refused", got, err)
			}
		})
	}
}

func TestAnotherRecordingIsNeverOverwritten(t *testing.T) {
	promise(t, func(o *office) {
		o.api.Record("rec-2", 2*time.Minute)
		a := o.open()
		tone := o.tone("rec-1", ".mp3")
		if _, err := a.Send(o.Context(), o.message("rec-1", at)); err != nil {
			o.Fatal(err)
		}
		_, err := a.Send(o.Context(), o.message("rec-2", at))
		if channel.ClassOf(err) != channel.Refused || !strings.Contains(err.Error(), "another recording") {
			o.Errorf("Send of another recording to that path = %v, want it refused with why", err)
		}
		if _, body := served(o.T, a, at, "", ""); body != tone {
			o.Error("the first recording is not there any more")
		}
	})
}

func TestWhatSomebodyHasChangedIsSaid(t *testing.T) {
	for name, change := range map[string]func(file string) error{
		"the audio":    func(file string) error { return os.WriteFile(file, []byte("another tone"), 0o600) },
		"the metadata": func(file string) error { return os.WriteFile(file+".json", []byte(`{"sha256":"x"}`), 0o600) },
		"no metadata":  func(file string) error { return os.WriteFile(file+".json", []byte(`<html>`), 0o600) },
	} {
		dir := t.TempDir()
		o := newOffice(t, archive.Config{URL: "file://" + dir})
		o.deletes()
		a := o.open()
		if _, err := a.Send(t.Context(), o.message("rec-1", at)); err != nil {
			t.Fatal(err)
		}
		o.api.Record("rec-1", time.Minute)
		if err := change(filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
		_, err := a.Send(t.Context(), o.message("rec-1", at))
		if channel.ClassOf(err) != channel.Refused || !o.api.Recorded("rec-1") {
			t.Errorf("%s: Send = %v, recorded %v; want it refused, and nothing deleted", name, err, o.api.Recorded("rec-1"))
		}
	}
}

func TestTheSourceIsDeletedOnceTheCopyIsVerified(t *testing.T) {
	promise(t, func(o *office) {
		o.deletes()
		a := o.open()
		failing := true
		o.hook = func(step peers.Step, _ string) error {
			if step != peers.DeleteRecording {
				return nil
			}
			resp, err := http.NewRequest(http.MethodGet, "/", nil)
			w := httptest.NewRecorder()
			if err == nil {
				err = a.Serve(w, resp, at+".json", "")
			}
			if err != nil {
				o.Errorf("while it is deleted the metadata are not there: %v", err)
			}
			if failing {
				return &peers.APIError{Status: 500, Code: 20500, Message: "Internal error"}
			}
			return nil
		}
		_, err := a.Send(o.Context(), o.message("rec-1", at))
		if err == nil || channel.ClassOf(err) != channel.Temporary || !strings.Contains(err.Error(), "not yet deleted") || !o.api.Recorded("rec-1") {
			o.Errorf("Send where it is not deleted = %v; want that it is tried again", err)
		}
		failing = false
		for range 2 { // and where it is gone already
			if _, err := a.Send(o.Context(), o.message("rec-1", at)); err != nil || o.api.Recorded("rec-1") || o.fetched.Load() != 1 {
				o.Errorf("Send = %v, still recorded %v, fetched %d times; want it deleted, and fetched once", err, o.api.Recorded("rec-1"), o.fetched.Load())
			}
		}
	})
}

func TestNothingIsDeletedUnlessItIsSaid(t *testing.T) {
	o := newOffice(t, archive.Config{URL: "file://" + t.TempDir()})
	if _, err := o.open().Send(t.Context(), o.message("rec-1", at)); err != nil || !o.api.Recorded("rec-1") {
		t.Errorf("Send = %v, still recorded %v; want it kept in both places", err, o.api.Recorded("rec-1"))
	}
}

func TestWhatCannotBeFetchedIsRetriedOrNot(t *testing.T) {
	o := newOffice(t, archive.Config{URL: "file://" + t.TempDir()})
	a := o.open()
	message := func(change func(m *channel.Message)) *channel.Message {
		m := o.message("rec-9", "rec-9.mp3")
		change(m)
		return m
	}
	for name, test := range map[string]struct {
		change func(m *channel.Message)
		want   channel.Class
	}{
		"not there yet":    {func(*channel.Message) {}, channel.Temporary},
		"not there at all": {func(m *channel.Message) { m.Age = 2 * time.Hour }, channel.Refused},
		"elsewhere": {func(m *channel.Message) {
			m.RecordingURL, m.Age = "https://169.254.169.254/latest", 2*time.Hour
		}, channel.Refused},
		"elsewhere for now": {func(m *channel.Message) { m.RecordingURL = "https://169.254.169.254/latest" }, channel.Temporary},
		"nowhere":           {func(m *channel.Message) { m.RecordingURL = "" }, channel.Refused},
		"not known which":   {func(m *channel.Message) { m.Text = "{}" }, channel.Refused},
	} {
		_, err := a.Send(t.Context(), message(test.change))
		if err == nil || channel.ClassOf(err) != test.want || strings.Contains(err.Error(), "rec-9") || strings.Contains(err.Error(), "://") {
			t.Errorf("%s: Send = %v, want class %d, and no URL", name, err, test.want)
		}
	}
	o.hook = func(peers.Step, string) error { return &peers.APIError{Status: 503, Message: "busy"} }
	if _, err := a.Send(t.Context(), o.message("rec-1", at)); err == nil || channel.ClassOf(err) != channel.Temporary {
		t.Errorf("Send while the provider is busy = %v, want that it is tried again", err)
	}
	o.Fetch = func(context.Context, string, string, int64) (*recording.Spooled, error) {
		return nil, &recording.TooLargeError{Max: 5, Size: 6}
	}
	if _, err := o.open().Send(t.Context(), o.message("rec-1", at)); channel.ClassOf(err) != channel.Refused {
		t.Errorf("Send of what is too large = %v, want it refused", err)
	}
}

// The provider's trouble must not pass for the channel's recovery: the store is
// asked first.
func TestAStoreThatIsDownIsFoundBeforeTheProviderIsAsked(t *testing.T) {
	o := newOffice(t, archive.Config{URL: "file:///nowhere/at/all"})
	o.hook = func(peers.Step, string) error { return &peers.APIError{Status: 503, Message: "busy"} }
	if _, err := o.open().Send(t.Context(), o.message("rec-1", at)); channel.ClassOf(err) != channel.ChannelDown || o.fetched.Load() != 0 {
		t.Errorf("Send = %v, fetched %d times; want that the channel is down", err, o.fetched.Load())
	}
}

func TestATestMessageIsKeptAndReadBack(t *testing.T) {
	promise(t, func(o *office) {
		a := o.open()
		m := &channel.Message{ID: "1@x", To: "test/ringpost.txt", Subject: "Test", Text: "This is a test."}
		for range 2 {
			if id, err := a.Send(o.Context(), m); err != nil || !strings.HasPrefix(id, "sha256:") {
				o.Errorf("Send of a test message = %q, %v", id, err)
			}
		}
		m.Text = "This is another one."
		if _, err := a.Send(o.Context(), m); channel.ClassOf(err) != channel.Refused {
			o.Errorf("Send where something else is = %v, want it refused", err)
		}
	})
}
