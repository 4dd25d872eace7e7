package channel

import (
	"context"
	"log/slog"
)

// Log is the channel that writes messages to the log, text and all: it is for
// trials.
type Log struct{ log *slog.Logger }

// NewLog returns a channel that writes to log.
func NewLog(log *slog.Logger) *Log { return &Log{log} }

// Send writes m to the log.
func (l *Log) Send(ctx context.Context, m *Message) (providerID string, err error) {
	l.log.InfoContext(ctx, "message", "to", m.To, "subject", m.Subject, "text", m.Text)
	return "", nil
}

// Close does nothing.
func (*Log) Close() error { return nil }
