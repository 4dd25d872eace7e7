package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringpost/relay/api"
	"ringpost/relay/rules"
)

func (p *program) deliveries() *cobra.Command {
	cmd := p.listDeliveries("deliveries")
	cmd.Short = "List, show, retry, cancel and revoke the deliveries of a running service"
	cmd.AddCommand(p.listDeliveries("list"), p.showDelivery(), p.retryDeliveries(), p.cancelDeliveries(), p.revokeDeliveries())
	return cmd
}

// filter is what narrows a list of deliveries, as the API has it.
type filter struct{ recording, state, channel, to, since string }

// flags adds the filter's flags.
func (f *filter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.recording, "recording", "", "of the recording with that `id`")
	cmd.Flags().StringVar(&f.state, "state", "", "in that `state`: queued, sending, retrying, delivered, dead, cancelled, unknown, shadow")
	cmd.Flags().StringVar(&f.channel, "channel", "", "through the channel of that `name`")
	cmd.Flags().StringVar(&f.to, "to", "", "to that `address`")
	cmd.Flags().StringVar(&f.since, "since", "", "made since that `time`, such as 24h, 7d or 2006-01-02T15:04:05Z")
}

func (f *filter) query() url.Values {
	query := make(url.Values)
	for name, value := range map[string]string{
		"recording": f.recording, "state": f.state, "channel": f.channel, "to": f.to, "since": f.since,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

func (p *program) listDeliveries(name string) *cobra.Command {
	var f filter
	var limit int
	var after string
	cmd := &cobra.Command{
		Use:   name,
		Short: "List deliveries, newest first",
		Long:  "List deliveries, newest first, with what is to be known about those that did not arrive." + serverHelp,
		Example: `  ringpost deliveries list --state dead --since 24h
  ringpost deliveries list --to alice@example.com -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			query := f.query()
			query.Set("limit", strconv.Itoa(limit))
			if after != "" {
				query.Set("after", after)
			}
			page, err := c.Deliveries(cmd.Context(), query)
			if err != nil {
				return err
			}
			return p.printDeliveries(page)
		},
	}
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "at most that `many`, up to 1000")
	cmd.Flags().StringVar(&after, "after", "", "those that follow a page: the `number` that it ends with")
	return p.withServer(cmd)
}

func (p *program) printDeliveries(page api.Deliveries) error {
	if p.output == "json" {
		return p.printJSON(page)
	}
	if len(page.Deliveries) == 0 {
		_, err := fmt.Fprintln(p.stdout, "no deliveries")
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tMADE\tSTATE\tCHANNEL\tTO\tRECORDING\tRULE\tWHY")
	for _, d := range page.Deliveries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.ID, moment(d.CreatedAt), d.State, printable(d.Channel), cmp.Or(printable(d.To), "-"),
			printable(d.Recording), printable(d.Rule), printable(d.Why))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if page.Next != "" {
		fmt.Fprintf(p.stdout, "There are more: --after %s\n", page.Next)
	}
	return nil
}

// moment writes a time by this machine's clock.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func (p *program) showDelivery() *cobra.Command {
	return p.withServer(&cobra.Command{
		Use:   "show ID",
		Short: "Show one delivery with its attempts",
		Long:  "Show one delivery, each attempt at it, and what people have done to it." + serverHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := deliveryIDs(args)
			if err != nil {
				return err
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			d, err := c.Delivery(cmd.Context(), ids[0])
			if err != nil {
				return err
			}
			return p.printDelivery(d)
		},
	})
}

func (p *program) printDelivery(d api.Delivery) error {
	if p.output == "json" {
		return p.printJSON(d)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", name, printable(value))
		}
	}
	row("delivery", strconv.FormatInt(d.ID, 10))
	row("state", d.State)
	row("why", d.Why)
	row("to", d.To)
	row("channel", d.Channel+" ("+d.Kind+")")
	row("rule", d.Rule)
	row("subject", d.Subject)
	row("recording", fmt.Sprintf("%s (callback %d)", d.Recording, d.Callback))
	if d.Recordings > 0 {
		row("digest", fmt.Sprintf("of %d recordings, that one is the newest", d.Recordings))
	}
	row("made", moment(d.CreatedAt))
	if d.NextAttemptAt != nil {
		row("next attempt", moment(*d.NextAttemptAt))
	}
	if d.FinishedAt != nil {
		row("finished", moment(*d.FinishedAt))
	}
	row("link", linkInWords(d.Link))
	row("attachment", attachmentInWords(d.Attachment))
	row("provider's id", d.ProviderID)
	if d.ReceiptAt != nil {
		row("receipt", moment(*d.ReceiptAt)+": "+d.Receipt)
	}
	row("last error", d.LastError)
	for _, a := range d.History {
		outcome := a.Error
		if outcome == "" {
			outcome = "accepted"
		}
		row(fmt.Sprintf("attempt %d", a.Number), fmt.Sprintf("%s, %.1f s: %s", moment(a.StartedAt), a.Seconds, outcome))
	}
	for _, o := range d.Operations {
		row("by "+o.By, moment(o.At)+": "+o.What)
	}
	return w.Flush()
}

// linkInWords says how a link stands; empty where there is none.
func linkInWords(l *api.Link) string {
	if l == nil {
		return ""
	}
	text := "not opened"
	if l.OpenedAt != nil {
		text = fmt.Sprintf("opened %d times, last %s", l.Opens, moment(*l.OpenedAt))
		if l.Opens == 1 {
			text = "opened once, " + moment(*l.OpenedAt)
		}
	}
	if l.RevokedAt != nil {
		return text + ", revoked " + moment(*l.RevokedAt)
	}
	return text + ", until " + moment(l.ExpiresAt)
}

// attachmentInWords says what goes with a message; empty for nothing.
func attachmentInWords(a *api.Attachment) string {
	switch {
	case a == nil:
		return ""
	case a.Bytes > 0:
		return fmt.Sprintf("the recording, %s", rules.Size(a.Bytes))
	case a.LeftOut != "":
		return "a link in place of the recording: " + a.LeftOut
	}
	return fmt.Sprintf("the recording as %s, if it has at most %s", strings.ToUpper(a.Format), rules.Size(a.MaxBytes))
}

func (p *program) retryDeliveries() *cobra.Command {
	var f filter
	var all bool
	cmd := &cobra.Command{
		Use:   "retry [ID...]",
		Short: "Send deliveries again that are dead, cancelled or unknown, or wait",
		Long: `Retry makes deliveries due at once: those of these ids or, with --all, those
that a filter finds, dead ones unless --state says otherwise.` + serverHelp,
		Example: `  ringpost deliveries retry 17 18
  ringpost deliveries retry --all --channel email --since 1h`,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := f.query()
			switch {
			case all && len(args) > 0:
				return &usageError{"retry: want either ids or --all"}
			case all && len(query) == 0:
				return &usageError{"retry --all: want a filter, such as --channel email or --since 1h"}
			case !all && len(query) > 0:
				return &usageError{"retry: want --all with a filter"}
			}
			if !all {
				return p.operate(cmd.Context(), args, (*api.Client).Retry, "is due at once")
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			done, err := c.RetryAll(cmd.Context(), query)
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.printJSON(done)
			}
			what := "deliveries are"
			if done.Retried == 1 {
				what = "delivery is"
			}
			_, err = fmt.Fprintf(p.stdout, "%d %s due at once\n", done.Retried, what)
			return err
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all that the filter finds")
	return p.withServer(cmd)
}

func (p *program) cancelDeliveries() *cobra.Command {
	return p.withServer(&cobra.Command{
		Use:   "cancel ID...",
		Short: "End deliveries that wait, without sending them",
		Long:  "Cancel ends deliveries that wait for their time, or for a person, without sending them." + serverHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.operate(cmd.Context(), args, (*api.Client).Cancel, "is cancelled")
		},
	})
}

func (p *program) revokeDeliveries() *cobra.Command {
	return p.withServer(&cobra.Command{
		Use:   "revoke ID...",
		Short: "Make the links in messages open nothing any more",
		Long: `Revoke makes the link in what a delivery says open nothing any more, at once and
for good. Whoever is sent the recording again gets a new one.` + serverHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.operate(cmd.Context(), args, (*api.Client).Revoke, "opens nothing any more")
		},
	})
}

// operate does op to each delivery, and says what has become of it. One that
// cannot be operated does not keep the others from it.
func (p *program) operate(ctx context.Context, args []string, op func(*api.Client, context.Context, int64) (api.Delivery, error), done string) error {
	ids, err := deliveryIDs(args)
	if err != nil {
		return err
	}
	c, err := p.client()
	if err != nil {
		return err
	}
	list := []api.Delivery{}
	var failed error
	for _, id := range ids {
		d, err := op(c, ctx, id)
		if _, answered := errors.AsType[*api.Error](err); err != nil && !answered {
			return err // as it would be for the others
		}
		if err != nil {
			failed = errProblems
			fmt.Fprintf(p.stderr, "ringpost: %s\n", printable(err.Error()))
			continue
		}
		list = append(list, d)
		if p.output != "json" {
			fmt.Fprintf(p.stdout, "delivery %d, %s to %s, %s\n", d.ID, printable(d.Channel), printable(d.To), done)
		}
	}
	if p.output == "json" {
		if err := p.printJSON(api.Deliveries{Deliveries: list}); err != nil {
			return err
		}
	}
	return failed
}

func deliveryIDs(args []string) (ids []int64, err error) {
	if len(args) == 0 {
		return nil, &usageError{"want the ids of deliveries, such as ringpost deliveries lists them"}
	}
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, &usageError{fmt.Sprintf("%q is no delivery's id: want a number", arg)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}
