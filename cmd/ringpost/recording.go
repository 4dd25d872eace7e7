package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"ringpost/relay/api"
	"ringpost/relay/callback"
)

const (
	// maxTraces bounds the callbacks about one recording: a sender has few statuses,
	// but there may be one for each message that could not be delivered.
	maxTraces = "1000"
	// maxUndelivered bounds those of the latter that are told of.
	maxUndelivered = 20
)

// explainRecording says what the running service has made of a recording.
func (p *program) explainRecording(ctx context.Context, recording string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	page, err := c.Callbacks(ctx, url.Values{"recording": {recording}, "limit": {maxTraces}})
	if err != nil {
		return err
	}
	if len(page.Callbacks) == 0 {
		return fmt.Errorf("no callback about recording %q is stored: none has arrived, it was refused, or it is older than [store] keep", recording)
	}
	slices.Reverse(page.Callbacks)
	var traces []api.Trace
	more := -maxUndelivered
	for _, cb := range page.Callbacks {
		if cb.Status == callback.Undelivered {
			if more++; more > 0 {
				continue
			}
		}
		trace, err := c.Trace(ctx, cb.ID)
		if err != nil {
			return err
		}
		traces = append(traces, trace)
	}
	if p.output == "json" {
		return p.printJSON(map[string]any{"callbacks": traces})
	}
	for i := range traces {
		p.printTrace(&traces[i])
	}
	if more > 0 {
		fmt.Fprintf(p.stdout, "And %s about deliveries that failed.\n", count(more, "more callback"))
	}
	return nil
}

func (p *program) printTrace(t *api.Trace) {
	facts := []string{t.Status, fmt.Sprintf("%d s", t.Duration)}
	if t.Source != "" {
		facts = append(facts, "by "+t.Source)
	}
	fmt.Fprintf(p.stdout, "callback %d (%s), received %s\n", t.ID, printable(strings.Join(facts, ", ")), moment(t.ReceivedAt))
	if t.Status == callback.Undelivered {
		fmt.Fprintf(p.stdout, "    delivery %s failed for good, and the rules are asked who is to know\n", printable(t.Fields["DeliveryId"]))
	}
	if t.Late {
		fmt.Fprintln(p.stdout, "    received late: found by asking SignalWire, no callback had come")
	}
	if c := t.CallDetails; c != nil {
		fmt.Fprintf(p.stdout, "    %s\n", printable(callInWords(c)))
	}
	if t.Note != "" {
		fmt.Fprintf(p.stdout, "    %s\n", printable(t.Note))
	}
	p.printRules(t.Rules)
	fmt.Fprintln(p.stdout)
	for _, d := range t.Digests {
		fmt.Fprintf(p.stdout, "%s collected for %s (channel %s, rule %q)\n    %s\n", mark(false), printable(d.To), printable(d.Channel),
			d.Rule, printable(d.Why))
	}
	if len(t.Deliveries)+len(t.Digests) == 0 && t.RoutedAt != nil {
		fmt.Fprintln(p.stdout, "Nothing was sent.")
	}
	for _, d := range t.Deliveries {
		to := d.To
		if to == "" {
			to = "nobody"
		}
		fmt.Fprintf(p.stdout, "%s %s to %s (channel %s, rule %q, delivery %d)\n    %s\n", mark(d.State == "delivered"), d.State, printable(to),
			printable(d.Channel), d.Rule, d.ID, printable(d.Why))
	}
}

// callInWords says what the provider has said of a call.
func callInWords(c *api.Call) string {
	if !c.Known {
		return "who called is not known, and it went on without: " + cmp.Or(c.Problem, "SignalWire did not say")
	}
	text := fmt.Sprintf("%s called %s", cmp.Or(c.From, "somebody"), cmp.Or(c.To, "somebody"))
	if c.Direction != "" {
		text += " (" + c.Direction + ")"
	}
	if c.StartTime != nil {
		text += ", " + moment(*c.StartTime)
	}
	return text
}
