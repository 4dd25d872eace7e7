package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ringpost/relay"
	"ringpost/relay/config"
)

func (p *program) check() *cobra.Command {
	return p.withOutput(&cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the templates, and run the configuration's own tests",
		Long: `Check loads the configuration and the templates, renders every template with
sample data, and runs the configuration's [[test]]s. It prints every problem as
FILE:LINE: what: what would be right. Warnings alone are no failure.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, problems := config.Load(p.config, config.Check)
			if cfg != nil {
				problems = append(problems, relay.Test(cfg)...)
				problems = append(problems, relay.Warnings(cfg)...)
			}
			return p.report(cfg, problems)
		},
	})
}

// report prints what check has found.
func (p *program) report(cfg *config.Config, problems []config.Problem) error {
	type line struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Text    string `json:"text"`
		Warning bool   `json:"warning"`
	}
	lines, failed := []line{}, false
	for _, problem := range problems {
		lines = append(lines, line(problem))
		failed = failed || !problem.Warning
		if p.output != "json" {
			fmt.Fprintln(p.stdout, problem)
		}
	}
	if p.output == "json" {
		if err := p.printJSON(map[string]any{"ok": !failed, "problems": lines}); err != nil {
			return err
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
