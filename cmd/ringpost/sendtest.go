package main

import (
	"cmp"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"ringpost/relay"
	"ringpost/relay/config"
)

func (p *program) sendTest() *cobra.Command {
	return p.withOutput(&cobra.Command{
		Use:   "send-test CHANNEL TO",
		Short: "Send one real test message through a channel",
		Long: `Send-test sends a message that says what it is through a channel of the
configuration, to a contact or an address. No running service is needed. It
prints what the provider calls the message, or what the provider said and what
to do about it.`,
		Example: `  ringpost send-test email alice
  ringpost send-test sms +15550100001`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.load(config.Serve)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(p.stderr, nil))
			id, err := relay.SendTest(cmd.Context(), cfg, args[0], args[1], log)
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.printJSON(map[string]string{"channel": args[0], "to": args[1], "provider_id": id})
			}
			_, err = fmt.Fprintf(p.stdout, "sent through %s to %s; the provider says: %s\n", args[0], args[1], printable(cmp.Or(id, "nothing")))
			return err
		},
	})
}
