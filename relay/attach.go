package relay

import (
	"context"
	"errors"

	"ringpost/relay/deliver"
	"ringpost/relay/recording"
	"ringpost/relay/store"
)

// fetchRecording fetches the recording that goes with a delivery: from the
// provider, or from an archive where that does not have it any more.
func (s *Service) fetchRecording(ctx context.Context, d *store.Delivery) (*deliver.Audio, error) {
	spooled, err := s.audio.Load().Spool(ctx, d.RecordingURL, d.Attach.Format, d.Attach.MaxBytes)
	if errors.Is(err, recording.ErrNotThere) {
		spooled, err = s.fetchArchived(ctx, d, err)
	}
	if err != nil {
		return nil, err
	}
	return &deliver.Audio{File: spooled, Size: spooled.Size, ContentType: spooled.ContentType, Close: func() { spooled.Close() }}, nil
}

// fetchArchived fetches the recording from an archive. Where there is no copy that
// can be had, it fails with missing.
func (s *Service) fetchArchived(ctx context.Context, d *store.Delivery, missing error) (*recording.Spooled, error) {
	archives := *s.archives.Load()
	if len(archives) == 0 {
		return nil, missing
	}
	copies, err := s.store.ArchivedFor(ctx, d.CallbackID)
	if err != nil {
		s.log.Warn("recording not fetched from an archive", "delivery", d.ID, "err", err)
	}
	for _, c := range copies {
		a, ok := archives[c.Channel]
		if !ok {
			continue // the configuration has it no longer
		}
		spooled, err := a.Fetch(ctx, c.Path, c.Checksum, d.Attach.MaxBytes)
		if _, tooLarge := errors.AsType[*recording.TooLargeError](err); tooLarge || err == nil {
			return spooled, err
		}
		s.log.Warn("recording not fetched from an archive", "delivery", d.ID, "channel", c.Channel, "err", err)
	}
	return nil, missing
}
