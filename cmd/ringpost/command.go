package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"ringpost/relay/config"
)

// version is set when a release is linked.
var version = ""

// The exit codes: see the README.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errProblems means that problems were found, and printed.
var errProblems = errors.New("problems were found")

// program is what the commands share.
type program struct {
	config         string
	output         string
	server         string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs the command that args name and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr}
	began := false
	root := p.root()
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		began = true // what fails from here on is no wrong usage
		return p.checkOutput()
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errProblems):
		return exitFailed
	}
	fmt.Fprintf(stderr, "ringpost: %v\n", err)
	if _, usage := errors.AsType[*usageError](err); usage || !began {
		fmt.Fprintln(stderr, `See "ringpost --help".`)
		return exitUsage
	}
	return exitFailed
}

// usageError is a command line that cannot be followed.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "ringpost",
		Short:         "Tell people about call recordings, by email and SMS, and lose nothing",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVarP(&p.config, "config", "c", cmp.Or(os.Getenv("RINGPOST_CONFIG"), "ringpost.toml"),
		"configuration `file`; also RINGPOST_CONFIG")
	root.AddCommand(p.serve(), p.demo(), p.check(), p.explain(), p.sendTest(), p.sign(), p.verify(), p.deliveries(), p.channels(), p.catchUp(), p.health(), p.version())
	return root
}

// withOutput adds the flag -o to a command that has a result.
func (p *program) withOutput(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&p.output, "output", "o", "text", "`form` of the result: text or json")
	return cmd
}

func (p *program) checkOutput() error {
	switch p.output {
	case "", "text", "json":
		return nil
	}
	return &usageError{fmt.Sprintf("-o %s: want text or json", p.output)}
}

// load loads the configuration for a command that works with it. Its problems
// are printed; what is but a warning is for those that serve or check it.
func (p *program) load(mode config.Mode) (*config.Config, error) {
	cfg, problems := config.Load(p.config, mode)
	for _, problem := range problems {
		if mode == config.Serve || !problem.Warning {
			fmt.Fprintln(p.stderr, problem)
		}
	}
	if cfg == nil {
		return nil, errProblems
	}
	return cfg, nil
}

func (p *program) version() *cobra.Command {
	return p.withOutput(&cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			if p.output == "json" {
				return p.printJSON(map[string]string{"version": versionName(), "go": info.GoVersion})
			}
			_, err := fmt.Fprintf(p.stdout, "ringpost %s %s\n", versionName(), info.GoVersion)
			return err
		},
	})
}

// versionName is the release, or the commit that was built.
func versionName() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return cmp.Or(info.Main.Version, "unknown")
}
