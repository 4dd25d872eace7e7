package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"ringpost/relay/demo"
)

func (p *program) demo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole thing on this machine, with nothing to set up",
		Long: `Demo runs the service on a temporary store between a mail server and a SignalWire
API of its own, posts signed callbacks to it, and prints what was delivered. It
then goes on running until ctrl-c.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
			return demo.Run(cmd.Context(), p.stdout, log, versionName(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "exit with 0 when everything has arrived, with 1 when it has not")
	return cmd
}
