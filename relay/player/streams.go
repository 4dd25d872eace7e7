package player

import "sync"

const (
	// maxStreams bounds what is played at once, and maxOfLink what is played by one
	// link: a link may have gone round.
	maxStreams = 256
	maxOfLink  = 16
)

// streams counts what is being played. The zero value is ready for use, at once
// by many.
type streams struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by the link's token
}

// begin reports whether there is room for one more by that link. end is to be
// called when it is over.
func (s *streams) begin(token string) (end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.of[token] >= maxOfLink {
		return nil, false
	}
	if s.of == nil {
		s.of = make(map[string]int)
	}
	s.all++
	s.of[token]++
	return func() { s.end(token) }, true
}

func (s *streams) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[token]--; s.of[token] == 0 {
		delete(s.of, token)
	}
}
