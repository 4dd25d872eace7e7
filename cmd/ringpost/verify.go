package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"ringpost/relay"
	"ringpost/relay/callback"
	"ringpost/relay/config"
)

func (p *program) verify() *cobra.Command {
	return p.withOutput(&cobra.Command{
		Use:   "verify FILE",
		Short: "Say what verifies the signature of a raw HTTP request, or what would",
		Long: `Verify reads a raw HTTP request, as a proxy or a log has it: its first line, its
headers, an empty line and its body; - is standard input. It says by which
spelling of the address, which scheme and which key of signing_keys the
signature verifies or, where it does not, which single change would let it. It
exits with 0 where the signature verifies and with 1 where it does not. It
never shows a key, nor a signature.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := p.read(args[0])
			if err != nil {
				return err
			}
			r, err := callback.ReadRaw(bytes.NewReader(text))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			cfg, err := p.load(config.Check)
			if err != nil {
				return err
			}
			d, err := relay.Diagnose(cfg, r)
			if err != nil {
				return err
			}
			return p.printDiagnosis(d)
		},
	})
}

func (p *program) printDiagnosis(d callback.Diagnosis) error {
	if p.output == "json" {
		if err := p.printJSON(d); err != nil {
			return err
		}
	} else {
		verdict := "does not verify"
		if d.Verifies {
			verdict = fmt.Sprintf("verifies, by key %d of signing_keys (%s)", d.Key, d.Scheme)
		}
		fmt.Fprintf(p.stdout, "%s the signature %s\n    over %s\n", mark(d.Verifies), verdict, printable(d.URL))
		for _, f := range d.Findings {
			fmt.Fprintf(p.stdout, "  - %s\n", printable(f))
		}
	}
	if !d.Verifies {
		return errProblems
	}
	return nil
}
