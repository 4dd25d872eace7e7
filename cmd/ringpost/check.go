package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ringpost/relay"
	"ringpost/relay/api"
	"ringpost/relay/config"
	"ringpost/relay/route"
)

func (p *program) check() *cobra.Command {
	var against int
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the templates, and run the configuration's own tests",
		Long: `Check loads the configuration and the templates, renders every template with
sample data, and runs the configuration's [[test]]s. It prints every problem as
FILE:LINE: what: what would be right. Warnings alone are no failure.

With --against it then takes the last callbacks of the running service through
the file, and prints what each recipient would get that the rules in force do
not send, or no longer get.` + serverHelp,
		Example: `  ringpost check
  ringpost check -c edited.toml --against 500`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("against") && (against < 1 || against > api.MaxLimit) {
				return &usageError{fmt.Sprintf("--against: want a number from 1 to %d", api.MaxLimit)}
			}
			cfg, problems := config.Load(p.config, config.Check)
			if cfg != nil {
				problems = append(problems, relay.Test(cfg)...)
				problems = append(problems, relay.Warnings(cfg)...)
			}
			if against > 0 && cfg != nil && !slices.ContainsFunc(problems, isFault) {
				return p.reportAgainst(cmd.Context(), cfg, problems, against)
			}
			return p.report(cfg, problems)
		},
	}
	cmd.Flags().IntVar(&against, "against", 0, "compare with the rules in force over the last so `many` callbacks")
	return p.withServer(cmd)
}

func isFault(p config.Problem) bool { return !p.Warning }

// found is a problem in JSON.
type found struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Warning bool   `json:"warning"`
}

func inJSON(problems []config.Problem) []found {
	list := make([]found, len(problems))
	for i, problem := range problems {
		list[i] = found(problem)
	}
	return list
}

// report prints what check has found.
func (p *program) report(cfg *config.Config, problems []config.Problem) error {
	failed := slices.ContainsFunc(problems, isFault)
	if p.output == "json" {
		if err := p.printJSON(map[string]any{"ok": !failed, "problems": inJSON(problems)}); err != nil {
			return err
		}
	} else {
		for _, problem := range problems {
			fmt.Fprintln(p.stdout, problem)
		}
	}
	if failed {
		return errProblems
	}
	if p.output != "json" {
		fmt.Fprintf(p.stdout, "%s is right: %s, %s, %s\n", p.config, count(len(cfg.RuleList), "rule"),
			count(len(cfg.Channels), "channel"), count(len(cfg.Tests), "test")+" passed")
	}
	return nil
}

// reportAgainst prints what a file without faults would do otherwise than the
// rules in force.
func (p *program) reportAgainst(ctx context.Context, cfg *config.Config, warnings []config.Problem, limit int) error {
	p.server = cmp.Or(p.server, reachable(cfg.Server.Admin))
	c, err := p.client()
	if err != nil {
		return err
	}
	replay, err := c.Replay(ctx, limit)
	if err != nil {
		return err
	}
	changes, leftOut, err := relay.Against(cfg, replay)
	if err != nil {
		return err
	}
	if p.output == "json" {
		return p.printJSON(map[string]any{"ok": true, "problems": inJSON(warnings), "callbacks": len(replay.Callbacks) - leftOut,
			"left_out": leftOut, "changes": changes})
	}
	for _, warning := range warnings {
		fmt.Fprintln(p.stderr, warning)
	}
	if leftOut > 0 {
		fmt.Fprintf(p.stdout, "left out: %s that the file takes who called for, which was not asked then\n", count(leftOut, "callback"))
	}
	callbacks := count(len(replay.Callbacks)-leftOut, "callback")
	if len(changes) == 0 {
		fmt.Fprintf(p.stdout, "no difference over the last %s\n", callbacks)
		return nil
	}
	fmt.Fprintf(p.stdout, "over the last %s:\n", callbacks)
	for _, change := range changes {
		p.printChange(change)
	}
	return nil
}

func (p *program) printChange(c route.Change) {
	sign, what := "+", "more"
	switch c.Change {
	case route.Lost:
		sign, what = "-", "fewer"
	case route.Changed:
		sign, what = "~", "in other words"
	}
	messages := count(c.Messages, "message")
	if c.Shadow {
		messages = count(c.Messages, "trial") + " (shadow, not sent)"
	}
	to := printable(c.To)
	if c.To == "" {
		to = "nobody"
	}
	fmt.Fprintf(p.stdout, "%s %s by %s: %s %s, by rule %q, as for recording %s\n", sign, to, printable(c.Channel), messages, what,
		c.Rule, printable(c.Recording))
	if c.Problem != "" {
		fmt.Fprintf(p.stdout, "    %s\n", printable(c.Problem))
	}
}
