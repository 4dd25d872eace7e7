package store

import "context"

// Ring tells the other nodes that deliveries wait for a channel, or, where that
// is empty, that callbacks wait to be routed. It is no promise that they hear
// it.
func (s *Store) Ring(ctx context.Context, channel string) error {
	if s.bell == nil {
		return nil
	}
	return s.bell.ring(ctx, s.reader, channel)
}

// RingPauses tells the other nodes that a channel was paused or resumed. It is no
// promise that they hear it.
func (s *Store) RingPauses(ctx context.Context) error {
	if s.bell == nil {
		return nil
	}
	return s.bell.ringPauses(ctx, s.reader)
}

// RungPauses receives a value after other nodes have paused or resumed channels.
// It never does where the store belongs to this process.
func (s *Store) RungPauses() <-chan struct{} {
	if s.bell == nil {
		return nil
	}
	return s.bell.pauses
}

// Rung receives the channels for which other nodes have left deliveries. It
// never does where the store belongs to this process.
func (s *Store) Rung() <-chan string {
	if s.bell == nil {
		return nil
	}
	return s.bell.rung
}
