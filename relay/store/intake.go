package store

import (
	"context"
	"encoding/json"
	"fmt"

	"ringpost/relay/callback"
)

// addition is a callback on its way into the store.
type addition struct {
	*callback.Callback
	status        string // as it is stored
	fields, query string // JSON
	receivedAt    int64
	stored        bool  // it was not there before
	id            int64 // where it was stored in SQLite
}

// Add stores cb durably. stored is false where a callback with the same
// account, recording and status was there already; that one is as durable. Where
// the connection broke at the commit, that is not known, and stored is true. The
// error of an ended ctx leaves open whether cb was stored. Its Call is not: what is
// known of a call is kept by [Store.EndLookup].
func (s *Store) Add(ctx context.Context, cb *callback.Callback) (stored bool, err error) {
	a, err := s.addition(cb, cb.RecordingStatus)
	if err != nil {
		return false, fmt.Errorf("store callback: %w", err)
	}
	if err := s.writer.write(ctx, write{add: a}); err != nil {
		return false, fmt.Errorf("store callback: %w", err)
	}
	if a.stored {
		s.wakeRouter()
	}
	return a.stored, nil
}

// addition returns what is to be stored of cb, under that status.
func (s *Store) addition(cb *callback.Callback, status string) (a *addition, err error) {
	a = &addition{Callback: cb, status: status, receivedAt: micros(s.clock.at(cb.ReceivedAt))}
	if a.fields, err = encode(cb.Fields); err != nil {
		return nil, err
	}
	a.query, err = encode(cb.Query)
	return a, err
}

func (s *Store) wakeRouter() { wake(s.added) }

// encode returns m as a JSON object, and nothing where it is empty, as it is in
// almost every callback.
func encode(m map[string]string) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func decode(s string) (map[string]string, error) {
	m := map[string]string{}
	if s == "" {
		return m, nil
	}
	return m, json.Unmarshal([]byte(s), &m)
}
