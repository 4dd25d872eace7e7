package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Link opens a recording to whoever has its token, until it expires or is
// revoked.
type Link struct {
	Token     string
	Callback  int64         // in a digest: the one whose recording it opens; 0 for the delivery's own
	TTL       time.Duration // how long a new one lasts; ExpiresAt comes of it
	ExpiresAt time.Time
	RevokedAt time.Time // zero where it was not
	Opens     int       // how often it was opened
	OpenedAt  time.Time // when that was last; zero where it was not
}

// What a token is made of: 65 random bits are beyond guessing, and short enough
// for an SMS.
const (
	tokenLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	tokenLength  = 11
)

// NewToken returns a random token for a new link.
func NewToken() string {
	token := make([]byte, 0, tokenLength)
	var random [2 * tokenLength]byte
	for {
		_, _ = rand.Read(random[:]) // never fails
		for _, b := range random {
			// Each letter is as likely as any other: what a byte has beyond a multiple
			// of their number is dropped.
			if int(b) >= 256-256%len(tokenLetters) {
				continue
			}
			if token = append(token, tokenLetters[int(b)%len(tokenLetters)]); len(token) == tokenLength {
				return string(token)
			}
		}
	}
}

// IsToken reports whether s looks like a link's token. What does not is none.
func IsToken(s string) bool {
	return len(s) == tokenLength && strings.Trim(s, tokenLetters) == ""
}

// Linked returns the callbacks of the recording that a link opens, newest first.
// It returns [ErrNotFound] where there is no link with that token, or where it
// has expired or was revoked, and does the same to find out about each.
func (s *Store) Linked(ctx context.Context, token string) ([]Stored, error) {
	if !IsToken(token) {
		return nil, fmt.Errorf("link: %w", ErrNotFound)
	}
	found, err := read(ctx, s, scanStored, `
		SELECT `+callbackColumns+` FROM callbacks WHERE id IN (
			SELECT other.id FROM links l CROSS JOIN deliveries d CROSS JOIN callbacks c CROSS JOIN callbacks other
			WHERE l.token = ? AND l.revoked_at = 0 AND l.expires_at > ? AND d.id = l.delivery_id
				AND c.id = CASE l.callback_id WHEN 0 THEN d.callback_id ELSE l.callback_id END
				AND other.recording_sid = c.recording_sid AND other.account_sid = c.account_sid
				AND other.recording_status NOT LIKE 'undelivered/%')
		ORDER BY id DESC`, token, micros(s.clock.now()))
	if err != nil {
		return nil, fmt.Errorf("look for what a link opens: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("link: %w", ErrNotFound)
	}
	return found, nil
}

// Opened counts that the link with that token was opened.
func (s *Store) Opened(ctx context.Context, token string) error {
	at := micros(s.clock.now())
	err := s.write(ctx, func(tx *tx) error {
		// Not twice, where the connection broke and this is done again.
		_, err := tx.exec(`UPDATE links SET opens = opens + 1, opened_at = ? WHERE token = ? AND opened_at <> ?`, at, token, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("count that a link was opened: %w", err)
	}
	return nil
}

const linkColumns = `token, callback_id, expires_at, revoked_at, opens, opened_at`

func scanLink(rows *sql.Rows) (*Link, error) {
	l := new(Link)
	var expires, revoked, opened int64
	err := rows.Scan(&l.Token, &l.Callback, &expires, &revoked, &l.Opens, &opened)
	l.ExpiresAt, l.RevokedAt, l.OpenedAt = fromMicros(expires), fromMicros(revoked), fromMicros(opened)
	return l, err
}

// Link returns the link in what a delivery says; nil where there is none. That of
// a digest has several, which are revoked together: it is all of them as one.
func (s *Store) Link(ctx context.Context, delivery int64) (*Link, error) {
	found, err := read(ctx, s, scanLink, `
		SELECT min(token), 0, max(expires_at), max(revoked_at), CAST(sum(opens) AS BIGINT), max(opened_at)
		FROM links WHERE delivery_id = ? GROUP BY delivery_id`, delivery)
	if err != nil {
		return nil, fmt.Errorf("read the link of delivery %d: %w", delivery, err)
	}
	return append(found, nil)[0], nil
}

// links returns the links in what a delivery says, and keeps others from changing
// them.
func (t *tx) links(delivery int64) (all []*Link, err error) {
	err = t.each(func(rows *sql.Rows) error {
		l, err := scanLink(rows)
		all = append(all, l)
		return err
	}, `SELECT `+linkColumns+` FROM links WHERE delivery_id = ? ORDER BY callback_id `+t.engine.lock(), delivery)
	return all, err
}

// Revoke makes the link in what a delivery says, or each of them, open nothing any
// more. It
// returns [ErrNotFound] where there is no such delivery, and a [*StateError]
// where it has no link. by is who asks.
func (s *Store) Revoke(ctx context.Context, id int64, by string) error {
	return s.change(ctx, "revoke", id, func(State) bool { return true }, func(tx *tx) (why string, err error) {
		all, err := tx.links(id)
		switch {
		case err != nil:
			return "", err
		case len(all) == 0:
			return "what it says has no link", nil
		case !all[0].RevokedAt.IsZero():
			return "", nil
		}
		now := s.clock.now()
		if _, err := tx.exec(`UPDATE links SET revoked_at = ? WHERE delivery_id = ?`, micros(now), id); err != nil {
			return "", err
		}
		return "", tx.note([]int64{id}, now, by, "revoked the link")
	})
}

// relink gives a delivery links of its own in place of those in the words that it
// has from another: each can be revoked without the other.
func (d *Delivery) relink(old []*Link, made time.Time) {
	for _, l := range old {
		link := &Link{Token: NewToken(), Callback: l.Callback, TTL: l.ExpiresAt.Sub(made)}
		if l.Callback == 0 {
			d.Link = link
		} else {
			d.Links = append(d.Links, link)
		}
		for _, text := range []*string{&d.Subject, &d.Text, &d.HTML, &d.Attach.Link} {
			*text = strings.ReplaceAll(*text, l.Token, link.Token)
		}
	}
}

// placed is a new link in what a delivery says.
type placed struct {
	delivery int64
	*Link
}

// place adds the links of new deliveries. Most have none.
func (t *tx) place(deliveries []*Delivery) error {
	var all []placed
	for _, d := range deliveries {
		if d.Link != nil {
			all = append(all, placed{d.ID, d.Link})
		}
		for _, l := range d.Links {
			all = append(all, placed{d.ID, l})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return t.engine.link(t, all)
}
