package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringpost/relay"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/route"
	"ringpost/relay/rules"
)

// maxInput bounds a file that a command reads: it is more than a callback may
// have.
const maxInput = 128 << 10

func (p *program) explain() *cobra.Command {
	var query, body, recording string
	var call []string
	var late bool
	cmd := &cobra.Command{
		Use:   "explain [FIELD=VALUE...]",
		Short: "Say who would be told about a callback, and why nobody else",
		Long: `Explain takes one callback through the rules of the configuration and sends
nothing. It prints each rule in order and why it matches or not, then each
message as it would go out. Fields that are not given are those of a finished
call of a minute and a half. --call says what SignalWire knows of the call, which
it is asked for where rules want to know who called; without it, nothing.

With --recording it says instead what a running service has made of a recording:
how the rules of then decided about each of its callbacks, and what became of
each message.` + serverHelp,
		Example: `  ringpost explain RecordingSource=DialVerb RecordingDuration=3 --query 'agent=alice'
  ringpost explain --call From=+15550100099 --call To=+15550100002 --call Direction=inbound
  ringpost explain --body callback.txt -o json
  ringpost explain --recording 19e436af-5688-4307-b03b-bdb2b42b8142`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if recording != "" {
				if len(args) > 0 || query != "" || body != "" || call != nil || late {
					return &usageError{"explain: want either --recording or a callback"}
				}
				return p.explainRecording(cmd.Context(), recording)
			}
			fields, err := p.callbackFields(args, body)
			if err != nil {
				return err
			}
			inQuery, err := callback.ReadFields([]byte(strings.TrimPrefix(query, "?")))
			if err != nil {
				return &usageError{"--query: " + err.Error()}
			}
			trial := relay.Trial{Fields: fields, Query: inQuery, Late: late}
			if call != nil {
				if trial.Call, err = assignments(call); err != nil {
					return err
				}
			}
			return p.explainTrial(trial)
		},
	}
	cmd.Flags().StringArrayVar(&call, "call", nil, "`FIELD=VALUE` of the call: From, To, Direction or StartTime; may be repeated")
	cmd.Flags().BoolVar(&late, "late", false, "the callback was found by asking SignalWire")
	cmd.Flags().StringVar(&query, "query", "", "query `string` of the callback URL")
	cmd.Flags().StringVar(&body, "body", "", "`file` with the callback's body, a form or JSON; - is standard input")
	cmd.Flags().StringVar(&recording, "recording", "", "`id` of a recording that a running service knows")
	return p.withServer(cmd)
}

// explainTrial prints what the configuration makes of a callback.
func (p *program) explainTrial(trial relay.Trial) error {
	cfg, err := p.load(config.Check)
	if err != nil {
		return err
	}
	e, err := relay.Explain(cfg, trial, time.Now())
	if err != nil {
		return err
	}
	if p.output == "json" {
		return p.printJSON(e)
	}
	p.printRules(e.Rules)
	p.printMessages(e.Deliveries)
	if e.NeedsCall {
		fmt.Fprintln(p.stdout, "\nSignalWire would be asked who called first. This is what happens where it does not say in time; "+
			"--call From=+15550100002 tells otherwise.")
	}
	return nil
}

// callbackFields returns the fields of a body, if one is given, with those of the
// arguments in their place.
func (p *program) callbackFields(args []string, body string) (map[string]string, error) {
	given, err := assignments(args)
	if err != nil || body == "" {
		return given, err
	}
	text, err := p.read(body)
	if err != nil {
		return nil, err
	}
	fields, err := callback.ReadFields(text)
	if err != nil {
		return nil, fmt.Errorf("%s: want the body of a callback, a form or JSON: %w", body, err)
	}
	maps.Copy(fields, given)
	return fields, nil
}

// read reads a file, or standard input where its name is -.
func (p *program) read(name string) ([]byte, error) {
	in := p.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("longer than %d KiB, which is more than a callback may have", maxInput>>10)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// printRules prints how each rule decided, and the conditions of those that do
// not match.
func (p *program) printRules(traces []rules.RuleTrace) {
	for _, r := range traces {
		where := ""
		if r.Line > 0 {
			where = fmt.Sprintf(" (line %d)", r.Line)
		}
		fmt.Fprintf(p.stdout, "%s %s%s\n    %s\n", mark(r.Matched), printable(r.Name), where, printable(r.Reason))
		if r.Matched {
			continue
		}
		for _, c := range r.Conditions {
			p.printCondition(c)
		}
	}
}

func (p *program) printCondition(c rules.ConditionTrace) {
	at, end := mark(c.OK), ""
	if strings.HasPrefix(c.Key, "unless.") { // one that holds need not be enough
		at, end = "-", " (does not hold)"
		if c.OK {
			end = " (holds)"
		}
	}
	fmt.Fprintf(p.stdout, "      %s %s: wanted %s, got %s%s\n",
		at, printable(c.Key), printable(c.Wanted), printable(cmp.Or(c.Actual, "nothing")), end)
}

// mark tells yes from no without a colour.
func mark(yes bool) string {
	if yes {
		return "✓"
	}
	return "✗"
}

// printMessages prints what would go out: the same words to several people once.
func (p *program) printMessages(messages []route.Message) {
	var sent, problems, trials []route.Message
	recipients := make(map[route.Message][]string) // by the message without its recipient
	for _, m := range messages {
		list := &sent
		switch {
		case m.Shadow:
			list = &trials
		case m.Problem != "":
			list = &problems
		}
		to := m.To
		m.To = ""
		if recipients[m] == nil {
			*list = append(*list, m)
		}
		recipients[m] = append(recipients[m], cmp.Or(printable(to), "nobody"))
	}
	n := 0
	for _, m := range sent {
		n += len(recipients[m])
	}
	if n == 0 {
		fmt.Fprintln(p.stdout, "\nNothing would be sent.")
	} else {
		fmt.Fprintf(p.stdout, "\n%s would be sent.\n", count(n, "message"))
	}
	for _, m := range slices.Concat(sent, problems, trials) {
		p.printMessage(m, strings.Join(recipients[m], ", "))
	}
}

func (p *program) printMessage(m route.Message, to string) {
	verdict := "✓"
	switch {
	case m.Shadow:
		verdict = "✗ trial only, not sent:"
	case m.Problem != "":
		verdict = "✗ cannot be sent:"
	}
	via := fmt.Sprintf("channel %s, rule %q", printable(m.Channel), m.Rule)
	if m.Segments > 0 {
		via += ", " + count(m.Segments, "segment")
	}
	if m.Digest != "" {
		via += ", in a digest of " + m.Digest
	}
	if m.Quiet != "" {
		via += ", quiet " + string(m.Quiet)
	}
	fmt.Fprintf(p.stdout, "\n%s to %s (%s)\n", verdict, to, via)
	if until := m.HeldUntil; !until.IsZero() && m.Problem == "" {
		fmt.Fprintf(p.stdout, "    waits for the end of quiet hours, %s %s\n", until.Format("15:04"), until.Location())
	}
	if m.Problem != "" {
		fmt.Fprintf(p.stdout, "    %s\n", printable(m.Problem))
		p.printFallback(m)
		return
	}
	defer p.printFallback(m)
	text := strings.TrimSpace(m.Text)
	if m.Subject != "" {
		text = "Subject: " + m.Subject + "\n\n" + text
	}
	for line := range strings.Lines(text) {
		fmt.Fprintln(p.stdout, strings.TrimRight("    │ "+printable(strings.TrimRight(line, "\r\n")), " "))
	}
	if m.HTML != "" {
		fmt.Fprintf(p.stdout, "    and as HTML (%d bytes)\n", len(m.HTML))
	}
	if m.Attach != "" {
		fmt.Fprintf(p.stdout, "    with the recording as %s, if it has at most %s\n", strings.ToUpper(m.Attach), rules.Size(m.AttachMax))
	}
}

// printFallback prints what would take the place of a message.
func (p *program) printFallback(m route.Message) {
	if m.Fallback != "" {
		fmt.Fprintf(p.stdout, "    where it is not delivered: %s\n", printable(m.Fallback))
	}
	if m.FallbackProblem != "" {
		fmt.Fprintf(p.stdout, "    ✗ the fallback cannot be sent %s\n", printable(m.FallbackProblem))
	}
}
