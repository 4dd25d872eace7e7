package main

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ringpost/relay/api"
)

func (p *program) channels() *cobra.Command {
	cmd := p.listChannels("channels")
	cmd.Short = "List, pause and resume the channels of a running service"
	cmd.AddCommand(p.listChannels("list"),
		p.switchChannel("pause", "Have a channel send nothing until it is resumed",
			"Pause has a channel send nothing, on all nodes, until it is resumed. What comes for it\nwaits, and nothing is given up for that.", (*api.Client).Pause),
		p.switchChannel("resume", "End a channel's pause", "Resume ends a channel's pause: what waits for it goes out.", (*api.Client).Resume))
	return cmd
}

func (p *program) listChannels(name string) *cobra.Command {
	return p.withServer(&cobra.Command{
		Use:   name,
		Short: "List the channels: up, down or paused, and what waits for them",
		Long:  "List the channels: whether they are up, down or paused, and how many deliveries wait for them." + serverHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			list, err := c.Channels(cmd.Context())
			if err != nil {
				return err
			}
			return p.printChannels(list)
		},
	})
}

func (p *program) printChannels(list api.Channels) error {
	if p.output == "json" {
		return p.printJSON(list)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANNEL\tKIND\tSTATE\tWAITING\tOLDEST\tWHY")
	for _, c := range list.Channels {
		waiting, oldest := strconv.Itoa(c.Waiting), "-"
		if c.Waiting >= api.MaxWaiting {
			waiting += "+"
		}
		if c.OldestAt != nil {
			oldest = moment(*c.OldestAt)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(c.Name), c.Kind, c.State, waiting, oldest, printable(c.Why))
	}
	return w.Flush()
}

// switchChannel is pause or resume.
func (p *program) switchChannel(name, short, long string, do func(*api.Client, context.Context, string) (api.Channel, error)) *cobra.Command {
	return p.withServer(&cobra.Command{
		Use:   name + " CHANNEL",
		Short: short,
		Long:  long + serverHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			ch, err := do(c, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.printJSON(ch)
			}
			_, err = fmt.Fprintf(p.stdout, "channel %s is %s; %s\n", printable(ch.Name), printable(ch.Why), waits(ch.Waiting))
			return err
		},
	})
}

// waits says how many deliveries wait.
func waits(n int) string {
	switch n {
	case 0:
		return "nothing waits for it"
	case 1:
		return "1 delivery waits for it"
	}
	return fmt.Sprintf("%d deliveries wait for it", n)
}
