package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringpost/relay/admin"
	"ringpost/relay/archive"
	"ringpost/relay/callback"
	"ringpost/relay/catchup"
	"ringpost/relay/config"
	"ringpost/relay/deadletter"
	"ringpost/relay/deliver"
	"ringpost/relay/history"
	"ringpost/relay/intake"
	"ringpost/relay/lookup"
	"ringpost/relay/metrics"
	"ringpost/relay/page"
	"ringpost/relay/player"
	"ringpost/relay/recording"
	"ringpost/relay/route"
	"ringpost/relay/store"
)

const (
	// closeTime is how long requests under way may take once the service stops.
	closeTime = 6 * time.Second
	// lastWords bounds how long the last counts may take to be written.
	lastWords = 3 * time.Second
	// sweepEvery is how often old history is looked for.
	sweepEvery = time.Hour
	// fileEvery is how often calls are filed, if there are enough of them.
	fileEvery = 10 * time.Second
	// filePause spreads that out, so that what waits for the store meanwhile is
	// less than one message in fifty.
	filePause = 250 * time.Millisecond
)

// Options are what a service needs beside its configuration.
type Options struct {
	// Load reads the configuration anew, for a reload.
	Load    func() (*config.Config, []config.Problem)
	Log     *slog.Logger
	Level   *slog.LevelVar // of Log; follows the configuration. May be nil
	Version string
}

// Service is a running Ringpost.
type Service struct {
	options   Options
	log       *slog.Logger
	store     *store.Store
	metrics   *metrics.Metrics
	intake    *intake.Intake
	router    *route.Router
	deliverer *deliver.Deliverer
	history   *history.History
	watch     *catchup.Watch
	lookups   *lookup.Lookups
	dead      *deadletter.Worker
	audio     atomic.Pointer[recording.Fetcher]
	archives  atomic.Pointer[map[string]*archive.Archive]
	page      *page.Page
	player    *player.Player
	callbacks server
	admin     server

	draining    atomic.Bool
	certificate atomic.Pointer[tls.Certificate]
	stopSending context.CancelFunc

	reloading sync.Mutex // and what it guards
	config    *config.Config
	channels  map[string]deliver.Channel

	stating sync.Mutex // and what it guards
	state   config.State
}

// server is a listener and who answers on it.
type server struct {
	http.Server
	listener net.Listener
}

// New opens the store and binds the addresses that cfg names, and gives back
// what an earlier process left in the middle. Nothing is answered or sent
// before [Service.Run].
func New(ctx context.Context, cfg *config.Config, o Options) (s *Service, err error) {
	s = &Service{options: o, log: o.Log, metrics: metrics.New(o.Version)}
	if s.store, err = store.Open(ctx, string(cfg.Store.URL), o.Log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.metrics.WatchQueue(s.countQueue)
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopSending = stop
	s.deliverer = deliver.New(sending, s.store, s.metrics, s.log)
	s.deliverer.FetchBy(s.fetchRecording)
	s.router = route.NewRouter(s.store, s.deliverer, s.metrics, s.log, nil)
	s.intake = intake.New(intake.Senders{}, s.store, func(status string, result intake.Result) {
		s.metrics.Callbacks.WithLabelValues(status, string(result)).Inc()
	}, s.log)
	s.intake.TakeReceipts(s.deliverer)
	s.history = history.New(s.store, s.metrics, s.intake.Refused, s.log)
	s.watch = catchup.New(s.store, s.metrics, s.log)
	s.lookups = lookup.New(s.store, s.router, s.metrics, s.log)
	s.dead = deadletter.New(s.store, s.deliverer, s.metrics, s.log, s.router.Plan)
	if err = s.use(ctx, cfg); err != nil {
		return nil, err
	}
	return s, s.listen(ctx, cfg)
}

// listen binds the addresses.
func (s *Service) listen(ctx context.Context, cfg *config.Config) (err error) {
	if s.player, err = player.New(s.store, s.serveGuest, s.log); err != nil {
		return err
	}
	s.callbacks = newServer(s.public(), s.log)
	if s.page, err = page.New(s, s.store, s.log); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	s.admin = newServer(admin.New(s, s.store, s.page, s.metrics.Registry, adminUsers(cfg), s.log), s.log)
	var lc net.ListenConfig
	if s.callbacks.listener, err = lc.Listen(ctx, "tcp", cfg.Server.Listen); err != nil {
		return fmt.Errorf("listen for callbacks: %w", err)
	}
	if s.admin.listener, err = lc.Listen(ctx, "tcp", cfg.Server.Admin); err != nil {
		return fmt.Errorf("listen for admins: %w", err)
	}
	if cfg.Server.TLSCert != "" {
		s.callbacks.listener = tls.NewListener(s.callbacks.listener, &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
		})
	}
	return nil
}

// public answers on the callbacks' listener: links, and callbacks as if there
// were no links.
func (s *Service) public() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, player.Path) {
			s.player.ServeHTTP(w, r)
			return
		}
		s.intake.ServeHTTP(w, r)
	})
}

// newServer bounds what a client may take: senders of callbacks connect within
// two seconds and read within five.
func newServer(h http.Handler, log *slog.Logger) server {
	return server{Server: http.Server{
		Handler: h,
		// OPTIONS * is a wrong path like any other.
		DisableGeneralOptionsHandler: true,

		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

func adminUsers(cfg *config.Config) []admin.User {
	var users []admin.User
	for _, u := range cfg.Admin.Users {
		users = append(users, admin.User{Name: u.Name, PasswordHash: string(u.PasswordHash)})
	}
	return users
}

// CallbacksAddr is the address where callbacks are received.
func (s *Service) CallbacksAddr() string { return s.callbacks.listener.Addr().String() }

// AdminAddr is the address of the admin listener.
func (s *Service) AdminAddr() string { return s.admin.listener.Addr().String() }

// Run serves until ctx ends, or a listener fails. Then it drains: no more
// callbacks are received, what is being sent is finished, within twenty
// seconds, and the rest is given back to the store.
func (s *Service) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	for _, srv := range []*server{&s.callbacks, &s.admin} {
		go func() { failed <- srv.Serve(srv.listener) }()
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.router.Run(background) })
	running.Go(func() { s.router.RunDigests(background) })
	running.Go(func() { s.sweep(background) })
	running.Go(func() { s.fileCalls(background) })
	running.Go(func() { s.answerRings(background) })
	running.Go(func() { s.history.Run(background) })
	running.Go(func() { s.watch.Run(background) })
	running.Go(func() { s.lookups.Run(background) })
	running.Go(func() { s.dead.Run(background) })
	s.log.Info("serving", "callbacks", s.CallbacksAddr(), "admin", s.AdminAddr(), "version", s.options.Version)

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.log.Info("draining")
	s.draining.Store(true)
	s.page.Close()
	s.player.Close()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err = errors.Join(err, s.callbacks.Shutdown(closing))
	stop()
	running.Wait()
	return errors.Join(err, s.close())
}

// close stops sending, writes down what was counted meanwhile, and closes what New
// has opened.
func (s *Service) close() error {
	if s.deliverer != nil {
		s.stopSending()
		s.deliverer.Drain()
	}
	if s.history != nil {
		s.writeHistory()
	}
	for _, srv := range []*server{&s.callbacks, &s.admin} {
		if srv.listener != nil {
			srv.Close()
			srv.listener.Close()
		}
	}
	err := s.store.Close()
	s.log.Info("stopped")
	return err
}

// writeHistory writes down what has happened since that was done last.
func (s *Service) writeHistory() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := s.history.Write(ctx); err != nil {
		s.log.Error("what happened in the last seconds is missing in the counts", "err", err)
	}
}

// Ready returns nil, or why no callbacks are to be sent here.
func (s *Service) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("draining: the service is about to stop")
	}
	return s.store.Healthy(ctx)
}

// answerRings looks for what other nodes leave to this one, until ctx ends.
func (s *Service) answerRings(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case channel := <-s.store.Rung():
			s.deliverer.Wake(channel)
		case <-s.store.RungPauses():
			s.followPauses(ctx)
		}
	}
}

// sweep removes old history until ctx ends, and keeps what it uses itself.
func (s *Service) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		s.reloading.Lock()
		keep := s.config.Store.Keep
		s.reloading.Unlock()
		if err := s.keepPlan(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("the plan in force is not kept", "err", err)
		}
		n, err := s.store.Remove(ctx, s.store.Now().Add(-keep))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("old history not removed", "err", err)
		case n > 0:
			s.log.Info("old history removed", "callbacks", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fileCalls has the store file calls until ctx ends: at first, after an upgrade,
// as fast as it can.
func (s *Service) fileCalls(ctx context.Context) {
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	for pause := time.Duration(0); ; pause = filePause {
		if err := s.store.FileCalls(ctx, pause); err != nil && ctx.Err() == nil {
			s.log.Warn("calls are not filed yet: until they are, they are found more slowly", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) countQueue() (metrics.Queue, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	q, err := s.store.Queue(ctx)
	if err != nil {
		return metrics.Queue{}, err
	}
	out := metrics.Queue{Depth: make(map[string]int)}
	for state, n := range q.Depth {
		out.Depth[string(state)] = n
	}
	if !q.Oldest.IsZero() {
		out.Oldest = s.store.Now().Sub(q.Oldest)
	}
	return out, nil
}

// senders says whose callbacks cfg accepts.
func senders(cfg *config.Config) intake.Senders {
	in := intake.Senders{Space: cfg.SignalWire.Space}
	if !cfg.SignalWire.Unsigned {
		to := receiver(cfg)
		in.Verifier = callback.NewVerifier(to.PublicURL, to.Keys)
	}
	return in
}
