package peers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
)

// maxKept is how many messages a peer remembers where it is not told otherwise;
// older ones are forgotten.
const maxKept = 1000

// journal keeps what a peer accepted. Its methods may be called at once.
type journal[T any] struct {
	keep   int // entries; 0 is maxKept. Not to be changed later
	mu     sync.Mutex
	recent []T           // the last ones of them are kept
	total  int           // accepted so far, forgotten ones included
	wanted int           // the least total that somebody waits for
	enough chan struct{} // closed when total reaches wanted; nil while nobody waits
}

func (j *journal[T]) add(entry T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if keep := j.kept(); len(j.recent) >= 2*keep {
		j.recent = slices.Delete(j.recent, 0, keep)
	}
	j.recent = append(j.recent, entry)
	j.total++
	if j.enough != nil && j.total >= j.wanted {
		close(j.enough)
		j.enough = nil
	}
}

// all returns what is kept, oldest first.
func (j *journal[T]) all() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.recent[max(0, len(j.recent)-j.kept()):])
}

func (j *journal[T]) kept() int { return cmp.Or(j.keep, maxKept) }

// wait returns all once n entries were added, or with an error when ctx ends.
func (j *journal[T]) wait(ctx context.Context, n int) ([]T, error) {
	for {
		j.mu.Lock()
		total := j.total
		if j.enough == nil || n < j.wanted {
			j.wanted = n
		}
		if j.enough == nil {
			j.enough = make(chan struct{})
		}
		enough := j.enough
		j.mu.Unlock()
		if total >= n {
			return j.all(), nil
		}
		select {
		case <-enough:
		case <-ctx.Done():
			return j.all(), fmt.Errorf("%d of %d messages arrived: %w", total, n, ctx.Err())
		}
	}
}
