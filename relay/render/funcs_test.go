package render_test

import (
	"strings"
	"testing"

	"ringpost/relay/render"
)

// yields checks what a template's source makes of d.
func yields(t *testing.T, source string, d *render.Data, want string) {
	t.Helper()
	text, err := render.ParseText(source)
	if err != nil {
		t.Errorf("ParseText(%q): %v", source, err)
		return
	}
	if got, err := text.Execute(d); err != nil || got != want {
		t.Errorf("%s = %q, %v, want %q", source, got, err, want)
	}
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[int]string{0: "0s", 59: "59s", 60: "1m0s", 94: "1m34s", 3600: "1h0m0s", 90061: "25h1m1s"} {
		d := render.Sample()
		d.RecordingDuration = seconds
		yields(t, `{{duration .RecordingDuration}}`, d, want)
	}
}

func TestFormatOfARecordingIsTheSuffixOfItsPath(t *testing.T) {
	const signalwire = "https://example.signalwire.com/api/laml/2010-04-01/Accounts/A/Recordings/R"
	for _, test := range []struct{ url, mp3, wav string }{
		{signalwire, signalwire + ".mp3", signalwire + ".wav"},
		{signalwire + ".wav", signalwire + ".mp3", signalwire + ".wav"},
		{signalwire + ".mp3", signalwire + ".mp3", signalwire + ".wav"},
		{signalwire + ".json", signalwire + ".mp3", signalwire + ".wav"},
		{signalwire + "?Download=true", signalwire + ".mp3?Download=true", signalwire + ".wav?Download=true"},
		{signalwire + ".wav?a=b%2Fc.mp3#t=5", signalwire + ".mp3?a=b%2Fc.mp3#t=5", signalwire + ".wav?a=b%2Fc.mp3#t=5"},
		{"https://h/a%2Fb/Recordings/R%20.x", "https://h/a%2Fb/Recordings/R%20.x.mp3", "https://h/a%2Fb/Recordings/R%20.x.wav"},
		{"", "", ""},
	} {
		d := render.Sample()
		d.RecordingUrl = test.url
		yields(t, `{{mp3 .RecordingUrl}}`, d, test.mp3)
		yields(t, `{{.RecordingUrl | wav}}`, d, test.wav)
	}
}

func TestFormatOfAStoredFileStays(t *testing.T) {
	for _, url := range []string{
		"https://files.signalwire.com/example/recording.wav",
		"https://s3.example.com/r.wav?X-Amz-Signature=0123",
		"https://example.com",
		"https://example.com/Recordings/",
		"https://example.com/r?next=/Recordings/R",
	} {
		d := render.Sample()
		d.RecordingUrl = url
		yields(t, `{{mp3 .RecordingUrl}}`, d, url)
		yields(t, `{{wav .RecordingUrl}}`, d, url)
	}
}

func TestTimeIsInUTCOrTheZoneNamed(t *testing.T) {
	d := render.Sample()
	yields(t, `{{time .ReceivedAt "2006-01-02 15:04:05"}}`, d, "2025-03-14 15:09:26")
	yields(t, `{{time .ReceivedAt "15:04 MST" "Europe/Berlin"}}`, d, "16:09 CET")
	yields(t, `{{time .ReceivedAt "3:04 PM" "America/New_York"}}`, d, "11:09 AM")
	d.Query["zone"] = "../../etc/passwd"
	text, err := render.ParseText(`{{time .ReceivedAt "15:04" .Query.zone}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := text.Execute(d); err == nil || strings.Contains(err.Error(), "passwd") {
		t.Errorf("time in zone %q = %q, %v, want an error without the zone", d.Query["zone"], got, err)
	}
}

func TestDefaultIsForWhatIsEmpty(t *testing.T) {
	d := render.Sample()
	yields(t, `{{default "unknown" .RecordingSource}}`, d, "DialVerb")
	yields(t, `{{default 7 .RecordingDuration}}`, d, "94")
	d.RecordingSource, d.RecordingDuration = "", 0
	yields(t, `{{.RecordingSource | default "unknown"}}`, d, "unknown")
	yields(t, `{{default 7 .RecordingDuration}}`, d, "7")
	yields(t, `{{index .Query "agent" | default "nobody"}}`, d, "nobody")
}

func TestJoinLeavesOutWhatIsEmpty(t *testing.T) {
	d := render.Sample()
	yields(t, `{{join ", " .Rule .RecordingStatus .RecordingDuration}}`, d, "sample, completed, 94")
	d.RecordingStatus = ""
	yields(t, `{{join ", " .Rule .RecordingStatus .RecordingDuration}}`, d, "sample, 94")
	yields(t, `[{{join ", "}}]`, d, "[]")
}

func TestUpperAndLower(t *testing.T) {
	yields(t, `{{upper .RecordingSource}} {{lower .RecordingSource}}`, render.Sample(), "DIALVERB dialverb")
}
