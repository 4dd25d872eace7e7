package store

import "context"

// Leftovers returns how many rows there are of digests, of what they tell of, and
// of links.
func (s *Store) Leftovers(ctx context.Context) (int64, error) {
	return s.edge(ctx, 0, `SELECT (SELECT count(*) FROM digests) + (SELECT count(*) FROM digested)
		+ (SELECT count(*) FROM sent_on) + (SELECT count(*) FROM links)`)
}
