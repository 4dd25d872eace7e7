package relay

import "context"

// Retry makes a delivery due at once. by is who asks, here and below: it is
// written down with what was done.
func (s *Service) Retry(ctx context.Context, id int64, by string) error {
	if err := s.store.Retry(ctx, id, by, s.deliverer.GiveUpAfter()); err != nil {
		return err
	}
	d, _, err := s.store.Delivery(ctx, id)
	if err != nil {
		return err
	}
	s.deliverer.Wake(d.Channel)
	return nil
}

// Cancel ends a delivery that waits, for its time or for a person, without
// sending it.
func (s *Service) Cancel(ctx context.Context, id int64, by string) error {
	return s.store.Cancel(ctx, id, by)
}
