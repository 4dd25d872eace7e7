package channel_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"ringpost/relay/channel"
)

func TestLogWritesTheMessage(t *testing.T) {
	var out bytes.Buffer
	l := channel.NewLog(slog.New(slog.NewTextHandler(&out, nil)))
	if _, err := l.Send(t.Context(), &channel.Message{To: "alice@example.com", Subject: "news", Text: "all of it"}); err != nil {
		t.Fatal(err)
	}
	if want := `level=INFO msg=message to=alice@example.com subject=news text="all of it"`; !strings.Contains(out.String(), want) {
		t.Errorf("the log has %q, want %q", out.String(), want)
	}
}
