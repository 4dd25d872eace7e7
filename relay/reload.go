package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/route"
	"ringpost/relay/signalwire"
)

// phone is a phone number, of which the log shows the last two digits.
var phone = regexp.MustCompile(`\+\d{5,}(\d\d)`)

// Reload puts the configuration file as it is now into force, for all that
// happens from now on. Where it has problems, or its own tests fail, they are
// returned line by line and the old configuration stays.
func (s *Service) Reload(ctx context.Context) (problems []string) {
	cfg, found := s.options.Load()
	if cfg != nil {
		found = append(found, Test(cfg)...)
	}
	for _, p := range found {
		if p.Warning {
			s.log.Warn("configuration", "problem", p.String())
		} else {
			problems = append(problems, p.String())
		}
	}
	if len(problems) == 0 {
		if err := s.use(ctx, cfg); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		s.metrics.ReloadSuccessful.Set(0)
		s.refused(problems)
		for _, p := range problems {
			s.log.Error("configuration not reloaded: the old one stays", "problem", phone.ReplaceAllString(p, "…$1"))
		}
		return problems
	}
	s.metrics.ReloadSuccessful.Set(1)
	s.log.Info("configuration reloaded")
	return nil
}

// refused notes that the file is not what is in force.
func (s *Service) refused(problems []string) {
	s.stating.Lock()
	s.state.Problems, s.state.RefusedAt = problems, time.Now()
	s.stating.Unlock()
}

// ConfigState says which configuration is in force, and why the file as it is
// now is not, where it is not.
func (s *Service) ConfigState() config.State {
	s.stating.Lock()
	defer s.stating.Unlock()
	return s.state
}

// Plan is the plan in force.
func (s *Service) Plan() *route.Plan { return s.router.Plan() }

// keepPlan keeps the plan in force from being forgotten.
func (s *Service) keepPlan(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	plan := s.Plan()
	kept, err := plan.Keep(ctx, s.store)
	if err == nil && kept.ID != plan.ID { // it was forgotten all the same
		s.router.Follow(kept)
	}
	return err
}

// use puts cfg into force.
func (s *Service) use(ctx context.Context, cfg *config.Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if cfg.Server.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(cfg.Server.TLSCert, cfg.Server.TLSKey)
		if err != nil {
			return fmt.Errorf("tls_cert and tls_key: %w", err)
		}
		s.certificate.Store(&certificate)
	}
	channels, err := openChannels(cfg, s.audio.Load, s.log)
	if err != nil {
		return err
	}
	audio, err := newFetcher(cfg, s.log)
	if err != nil {
		return err
	}
	watch, err := watchFor(cfg)
	if err != nil {
		return err
	}
	asked, err := askedAboutCalls(cfg)
	if err != nil {
		return err
	}
	plan, err := newPlan(cfg).Keep(ctx, s.store)
	if err != nil {
		return err
	}
	s.keepUnchanged(channels, cfg)
	policy := deliver.Policy{
		FirstRetry:  cfg.Delivery.FirstRetry,
		MaxRetry:    cfg.Delivery.MaxRetry,
		GiveUpAfter: cfg.Delivery.GiveUpAfter,
	}
	old, archives := s.audio.Swap(audio), s.archives.Swap(archivesOf(channels)) // which the channels need
	if err := s.deliverer.Configure(ctx, policy, channels); err != nil {
		s.audio.Store(old)
		s.archives.Store(archives)
		return err
	}
	s.router.Follow(plan)
	s.intake.Accept(senders(cfg))
	s.watch.Follow(watch)
	s.lookups.Follow(asked)
	if old != nil {
		old.Close()
	}
	if s.options.Level != nil {
		s.options.Level.Set(cfg.Log.Level)
	}
	if old := s.config; old != nil && (old.Server != cfg.Server || old.Store.URL != cfg.Store.URL ||
		!reflect.DeepEqual(old.Admin, cfg.Admin) || old.Log.Format != cfg.Log.Format) {
		s.log.Warn("a change of [server], [[admin.user]], [store] url or [log] format takes a restart")
	}
	s.config, s.channels = cfg, channels
	s.stating.Lock()
	s.state = config.State{File: cfg.File, LoadedAt: time.Now()}
	s.stating.Unlock()
	return nil
}

// askedAboutCalls returns whom to ask who called; nil where there is nobody.
func askedAboutCalls(cfg *config.Config) (*signalwire.Client, error) {
	if !cfg.SignalWire.Callable() {
		return nil, nil
	}
	return openClient(cfg)
}

// keepUnchanged puts the channels in use in place of new ones that are
// configured alike, so that a reload does not cut their connections.
func (s *Service) keepUnchanged(channels map[string]deliver.Channel, cfg *config.Config) {
	if s.config == nil {
		return
	}
	alike := reflect.DeepEqual(s.config.SignalWire, cfg.SignalWire) && s.config.Server.PublicURL == cfg.Server.PublicURL
	for name := range channels {
		if old, ok := s.channels[name]; ok && alike && reflect.DeepEqual(s.config.Channels[name], cfg.Channels[name]) {
			channels[name] = old
		}
	}
}
