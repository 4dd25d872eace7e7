package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/render"
)

func (p *program) sign() *cobra.Command {
	var query string
	var public bool
	cmd := &cobra.Command{
		Use:   "sign [FIELD=VALUE...]",
		Short: "Print a curl command that posts a correctly signed callback to the running service",
		Example: `  ringpost sign | sh
  ringpost sign RecordingStatus=absent --query 'agent=alice' | sh`,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := p.load(config.Serve)
			if err != nil {
				return err
			}
			return p.printCurl(cfg, args, query, public)
		},
	}
	cmd.Flags().StringVar(&query, "query", "", "query `string` of the callback URL")
	cmd.Flags().BoolVar(&public, "public", false, "post to public_url, not straight to the listen address")
	return cmd
}

// printCurl prints a command that posts a callback with a recording id of its
// own, so that it is no repeat.
func (p *program) printCurl(cfg *config.Config, args []string, query string, public bool) error {
	if len(cfg.SignalWire.SigningKeys) == 0 {
		return errors.New("sign: [signalwire] signing_keys is empty: there is no key to sign with")
	}
	fields, err := assignments(args)
	if err != nil {
		return err
	}
	form := sampleForm(cfg.SignalWire.Space)
	for name, value := range fields {
		form.Set(name, value)
	}
	target := callback.Path
	if query != "" {
		target += "?" + query
	}
	body := form.Encode()
	publicURL := cmp.Or(cfg.Server.PublicURL, "http://"+cfg.Server.Listen)
	header, signature, err := callback.Sign(string(cfg.SignalWire.SigningKeys[0]), publicURL+target, body)
	if err != nil {
		return err
	}
	base := publicURL
	if !public {
		base = "http://" + reachable(cfg.Server.Listen)
		if cfg.Server.TLSCert != "" {
			base = "https://" + reachable(cfg.Server.Listen)
		}
	}
	_, err = fmt.Fprintf(p.stdout, "curl --fail-with-body --show-error --silent --write-out '%%{http_code}\\n' \\\n"+
		"  --header %s \\\n  --data %s \\\n  %s\n", quote(header+": "+signature), quote(body), quote(base+target))
	return err
}

// assignments reads arguments FIELD=VALUE.
func assignments(args []string) (map[string]string, error) {
	fields := make(map[string]string)
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, &usageError{fmt.Sprintf("%q: want FIELD=VALUE, such as RecordingDuration=3", arg)}
		}
		fields[name] = value
	}
	return fields, nil
}

// sampleForm returns the form of a callback for a finished call.
func sampleForm(space string) url.Values {
	sample := render.Sample()
	id := strings.ToLower(rand.Text())
	return url.Values{
		"AccountSid":      {sample.AccountSid},
		"CallSid":         {sample.CallSid},
		"RecordingSid":    {id},
		"RecordingStatus": {"completed"},
		"RecordingUrl": {fmt.Sprintf("https://%s/api/laml/2010-04-01/Accounts/%s/Recordings/%s",
			cmp.Or(space, "example.signalwire.com"), sample.AccountSid, id)},
		"RecordingDuration": {"94"},
		"RecordingChannels": {"1"},
		"RecordingSource":   {"DialVerb"},
	}
}

// reachable returns an address at which a listener on this machine is reached.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// quote quotes s for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
