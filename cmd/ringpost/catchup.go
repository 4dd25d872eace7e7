package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) catchUp() *cobra.Command {
	var since string
	cmd := p.withServer(&cobra.Command{
		Use:   "catch-up --since 24h",
		Short: "Ask SignalWire for recordings of which no callback came",
		Long: `Catch-up asks SignalWire for the recordings that ended since a time, or so long
ago, and treats those of which no callback came as received late: the rules say
who is told. Nobody is told again of what a callback, or an earlier catch-up, has
told. It is done every few minutes by itself for what ended since the service was
first started ([watch] catch_up); this is for more than that.` + serverHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since == "" {
				return &usageError{"--since: missing: want a duration such as 24h, or a time such as 2006-01-02T15:04:05Z"}
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			found, err := c.CatchUp(cmd.Context(), since)
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.printJSON(found)
			}
			_, err = fmt.Fprintf(p.stdout, "found %s that ended since then, of which %d had no callback: %s\n",
				count(found.Found, "recordings"), found.New, outcome(found.New))
			return err
		},
	})
	cmd.Flags().StringVar(&since, "since", "", "`time`, or how long ago, from which on recordings are asked for")
	return cmd
}

// outcome says what becomes of recordings that were found late.
func outcome(n int) string {
	if n == 0 {
		return "there is nothing to tell"
	}
	return "they are received late, and the rules say who is told"
}
