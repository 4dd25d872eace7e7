package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"ringpost/relay"
	"ringpost/relay/config"
)

// gcPercent lets more garbage wait than Go does by itself. What lives is a few
// megabytes: under load it would be collected twenty times a second, which cost
// a twenty-fifth of the throughput. GOGC says otherwise where it is set.
const gcPercent = 400

func (p *program) serve() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: `Run the service until SIGTERM or SIGINT: then it stops receiving, finishes what
is being sent, and exits. SIGHUP reloads the configuration.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load(config.Serve)
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			level := new(slog.LevelVar)
			log := newLogger(p.stderr, cfg.Log.Format, level)
			s, err := relay.New(cmd.Context(), cfg, relay.Options{
				Load:    func() (*config.Config, []config.Problem) { return config.Load(p.config, config.Serve) },
				Log:     log,
				Level:   level,
				Version: versionName(),
			})
			if err != nil && cmd.Context().Err() != nil {
				log.Info("stopped before it was started", "err", err)
				return nil
			}
			if err != nil {
				return err
			}
			defer reloadOnHangup(cmd.Context(), s)()
			return s.Run(cmd.Context())
		},
	}
}

// reloadOnHangup reloads s at every SIGHUP until stop is called.
func reloadOnHangup(ctx context.Context, s *relay.Service) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			s.Reload(ctx)
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
	}
}

// newLogger writes text for people, and JSON for whatever collects logs.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); format == "text" || format == "" && ok && isatty.IsTerminal(f.Fd()) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func (p *program) health() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Ask the running service whether it is ready; for containers without a shell",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load(config.Check)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(cfg.Server.Admin)+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return errors.New("not ready")
			}
			return nil
		},
	}
}
