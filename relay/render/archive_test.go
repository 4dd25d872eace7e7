package render_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
)

func TestPathsDifferForEachRecordingAndSayTheirFormat(t *testing.T) {
	for src, want := range map[string]string{
		render.DefaultPath: "",
		`{{.AccountSid}}/{{.ReceivedAt.Format "2006"}}/{{.RecordingSid}}.wav`: "",
		`{{.RecordingUrl}}.mp3`:          "two recordings would have the same path",
		`all.mp3`:                        "two recordings would have the same path",
		`{{.CallSid}}.mp3`:               "two recordings would have the same path",
		`{{.RecordingSid}}`:              "end with .mp3 or .wav",
		`{{.RecordingSid}}.json`:         "end with .mp3 or .wav",
		`{{.RecordingSid}}/../x.mp3`:     "begins with a dot",
		`{{.Recordingsid}}.mp3`:          "Recordingsid",
		`{{.Link}}{{.RecordingSid}}.mp3`: "not known here",
		`{{.RecordingSid.mp3`:            "",
	} {
		_, err := render.ParsePath(src)
		if fine := src == render.DefaultPath || strings.HasSuffix(src, ".wav"); fine != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePath(%q) = %v, want %q", src, err, want)
		}
	}
	if got := render.PathFormat("a.wav") + render.PathFormat("a.wav.mp3"); got != "wavmp3" {
		t.Errorf("PathFormat = %s, want wav and mp3", got)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, p := range []string{"2026/11/24/rec-1.mp3", "../../etc/passwd", "a//b/./c", "\x00\xff", "é/ü", strings.Repeat("a/", 300), `C:\x`} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		clean, err := render.CleanPath(p)
		if err != nil {
			return
		}
		again, err := render.CleanPath(clean)
		if err != nil || again != clean {
			t.Errorf("CleanPath(%q) = %q, and of that %q, %v; want the same", p, clean, again, err)
		}
		if len(clean) > 500 || strings.HasPrefix(clean, "/") || strings.Contains("/"+clean, "/.") || strings.ContainsAny(clean, "\\:?#%\x00\n ") {
			t.Errorf("CleanPath(%q) = %q, want a path that no store takes for another", p, clean)
		}
	})
}

func TestMetadataSayWhatTheCallbackSaysButNotWhereTheProviderHasIt(t *testing.T) {
	text, err := render.MetadataOf(&callback.Callback{AccountSid: "a", RecordingSid: "rec-1", RecordingStatus: "completed", CallSid: "call-1",
		RecordingUrl: "https://example.signalwire.com/private", RecordingDuration: 94, RecordingSource: "DialVerb", RecordingChannels: "2",
		Fields: map[string]string{"From": "<ü>\xff\x00"}, Query: map[string]string{"agent": "alice"}, Late: true,
		Call:       &callback.Call{Known: true, From: "+15550100099", To: "+15550100001", Direction: "inbound"},
		ReceivedAt: time.Date(2026, time.November, 24, 15, 9, 26, 0, time.FixedZone("", 3600))})
	want := `{
  "recording": "rec-1",
  "account": "a",
  "call": "call-1",
  "status": "completed",
  "duration": 94,
  "source": "DialVerb",
  "audio_channels": "2",
  "from": "+15550100099",
  "to": "+15550100001",
  "direction": "inbound",
  "received_at": "2026-11-24T14:09:26Z",
  "late": true,
  "query": {
    "agent": "alice"
  },
  "fields": {
    "From": "\u003cü\u003e\ufffd\u0000"
  }
}`
	if err != nil || text != want {
		t.Errorf("MetadataOf = %s, %v\nwant %s", text, err, want)
	}
	if !json.Valid([]byte(text)) {
		t.Error("it is no JSON")
	}
}
