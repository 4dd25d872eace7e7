package relay

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"ringpost/relay/archive"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/recording"
)

// lookTime bounds how long it is looked for an archived copy: there is the
// provider, too.
const lookTime = 4 * time.Second

// newFetcher makes what fetches recordings from the provider.
func newFetcher(cfg *config.Config, log *slog.Logger) (*recording.Fetcher, error) {
	return recording.New(recording.Config{
		Space:   cfg.SignalWire.Space,
		APIURL:  cfg.SignalWire.APIURL,
		Project: cfg.SignalWire.Project,
		Token:   string(cfg.SignalWire.Token),
		Log:     log,

		AllowHosts: cfg.Links.AllowHosts,
	})
}

// ServeAudio answers r with the audio of the recording that a callback tells of:
// from an archive where there is a copy, else from the provider.
func (s *Service) ServeAudio(w http.ResponseWriter, r *http.Request, of *callback.Callback) {
	if !s.serveArchived(w, r, of) {
		s.audio.Load().ServeAudio(w, r, of.RecordingUrl)
	}
}

// serveGuest is [Service.ServeAudio] for whoever has a link.
func (s *Service) serveGuest(w http.ResponseWriter, r *http.Request, of *callback.Callback) {
	if !s.serveArchived(w, r, of) {
		s.audio.Load().ServeGuest(w, r, of.RecordingUrl)
	}
}

// serveArchived answers r from an archive, and reports whether it did.
func (s *Service) serveArchived(w http.ResponseWriter, r *http.Request, of *callback.Callback) bool {
	archives := *s.archives.Load()
	if len(archives) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookTime)
	copies, err := s.store.Archived(ctx, of.AccountSid, of.RecordingSid)
	cancel()
	if err != nil && r.Context().Err() == nil {
		s.log.Warn("recording not played from an archive", "err", err)
	}
	for _, c := range copies {
		a, ok := archives[c.Channel]
		if !ok {
			continue // the configuration has it no longer
		}
		err := a.Serve(w, r, c.Path, c.Checksum)
		if err == nil || r.Context().Err() != nil {
			return true
		}
		s.log.Warn("recording not played from an archive", "channel", c.Channel, "err", err)
	}
	return false
}

// archivesOf are the channels that are archives, by name.
func archivesOf(channels map[string]deliver.Channel) *map[string]*archive.Archive {
	found := make(map[string]*archive.Archive)
	for name, ch := range channels {
		if a, ok := ch.Channel.(*archive.Archive); ok {
			found[name] = a
		}
	}
	return &found
}
