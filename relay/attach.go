package relay

import (
	"context"

	"ringpost/relay/deliver"
	"ringpost/relay/store"
)

// fetchRecording fetches the recording that goes with a delivery.
func (s *Service) fetchRecording(ctx context.Context, d *store.Delivery) (*deliver.Audio, error) {
	spooled, err := s.audio.Load().Spool(ctx, d.RecordingURL, d.Attach.Format, d.Attach.MaxBytes)
	if err != nil {
		return nil, err
	}
	return &deliver.Audio{File: spooled, Size: spooled.Size, ContentType: spooled.ContentType, Close: func() { spooled.Close() }}, nil
}
