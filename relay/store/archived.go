package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Copy is a recording that is kept in an archive.
type Copy struct {
	Channel  string // the archive
	Path     string
	Checksum string // such as sha256:0123…

	delivery int64
}

// maxCopies bounds how many copies of a recording are looked at. Each is a
// delivery of its own.
const maxCopies = 64

// Archived returns where an account's recording is archived, what was asked for
// last first.
func (s *Store) Archived(ctx context.Context, account, recording string) ([]Copy, error) {
	return s.archived(ctx, `
		SELECT d.id, d.channel, d.recipient, d.provider_id FROM callbacks c CROSS JOIN deliveries d
		WHERE c.recording_sid = ? AND c.account_sid = ? AND `+isCopy, recording, account, maxCopies)
}

// ArchivedFor is [Store.Archived] for the recording that a callback tells of.
func (s *Store) ArchivedFor(ctx context.Context, callback int64) ([]Copy, error) {
	return s.archived(ctx, `
		SELECT d.id, d.channel, d.recipient, d.provider_id FROM callbacks m CROSS JOIN callbacks c CROSS JOIN deliveries d
		WHERE m.id = ? AND c.recording_sid = m.recording_sid AND c.account_sid = m.account_sid AND `+isCopy, callback, maxCopies)
}

// isCopy is the condition that d is an archived copy of the recording of c.
const isCopy = `d.callback_id = c.id AND d.kind = 'archive' AND d.state = 'delivered' LIMIT ?`

func (s *Store) archived(ctx context.Context, query string, args ...any) ([]Copy, error) {
	found, err := read(ctx, s, func(rows *sql.Rows) (c Copy, err error) {
		return c, rows.Scan(&c.delivery, &c.Channel, &c.Path, &c.Checksum)
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("look for where a recording is archived: %w", err)
	}
	slices.SortFunc(found, func(a, b Copy) int { return cmp.Compare(b.delivery, a.delivery) })
	return found, nil
}
