package main

import (
	"os"

	"github.com/spf13/cobra"

	"ringpost/relay/api"
	"ringpost/relay/config"
)

// withServer adds the flag --server to a command that asks a running service.
func (p *program) withServer(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&p.server, "server", "", "`address` of the service's admin listener; without it, [server] admin of the configuration")
	return p.withOutput(cmd)
}

// serverHelp ends the long help of commands that ask a running service.
const serverHelp = `

It asks the running service: at --server, or at [server] admin of the
configuration. RINGPOST_USER and RINGPOST_PASSWORD are the name and password of
an [[admin.user]], where there are any.`

// client returns a client for the running service.
func (p *program) client() (*api.Client, error) {
	server := p.server
	if server == "" {
		cfg, err := p.load(config.Check)
		if err != nil {
			return nil, err
		}
		server = reachable(cfg.Server.Admin)
	}
	c, err := api.NewClient(server, os.Getenv("RINGPOST_USER"), os.Getenv("RINGPOST_PASSWORD"))
	if err != nil {
		return nil, &usageError{"--server: " + err.Error()}
	}
	return c, nil
}
