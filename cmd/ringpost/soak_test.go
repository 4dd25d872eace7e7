package main_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/peers"
)

var (
	soak    = flag.Bool("soak", false, "run the service under load through mixed faults")
	soakFor = flag.Duration("soak-for", 10*time.Minute, "how long -soak lasts")
)

// soakRate is how many callbacks a second come in, each for an email and an SMS.
const soakRate = 100

// soakRetries keeps the waits short, so that faults meet attempts.
const soakRetries = "first_retry = \"500ms\"\nmax_retry = \"5s\""

// TestSoak runs the service under a steady load while the mail server and the SMS
// API go from one trouble to the next, the configuration is reloaded, and the
// process is killed about once a minute. In the last third nothing is killed, so
// that what one process takes in memory, files and goroutines can be compared.
// Then all heals. Nothing may be lost, no SMS repeated, and nothing have grown.
func TestSoak(t *testing.T) {
	if !*soak {
		t.Skip("takes ten minutes: run it with -soak")
	}
	s := newScenario(t, fmt.Sprintf("soak: mixed faults for %v", *soakFor), settings{delivery: soakRetries})
	s.afterwards = time.Millisecond
	s.start()
	began := time.Now()
	stop := s.load(soakRate)
	faults, heal := context.WithCancel(t.Context())
	mail, sms := make(chan struct{}), make(chan struct{})
	go s.alternate(faults, &s.mailServer, s.mailTroubles(), mail)
	go s.alternate(faults, &s.smsAPI, smsTroubles(), sms)

	pause := min(10*time.Second, *soakFor/6)
	<-time.After(pause)
	samples := []sample{s.sample("start")}
	s.disturb(began.Add(*soakFor * 2 / 3))
	<-time.After(pause)
	samples = append(samples, s.sample("after the last kill"))
	<-time.After(time.Until(began.Add(*soakFor)))
	heal()
	<-mail
	<-sms
	stop()
	s.settle()
	poster.CloseIdleConnections()
	samples = append(samples, s.sample("end"))
	printSamples(samples)
	compare(t, samples)
}

// disturb reloads the configuration every few seconds, with another number of
// connections each time, and kills the process about once a minute.
func (s *scenario) disturb(until time.Time) {
	s.t.Helper()
	every := min(time.Minute, time.Until(until)/2)
	killAt := time.Now().Add(every)
	for n := 0; time.Now().Before(until); n++ {
		<-time.After(time.Duration(float64(every) / 8 * (0.5 + rand.Float64())))
		if time.Now().After(killAt) {
			s.killAndStart()
			killAt = time.Now().Add(every)
			continue
		}
		s.server.writeConfig(s.config(settings{delivery: soakRetries,
			email: fmt.Sprintf("connections = %d", 1+n%workers), sms: fmt.Sprintf("connections = %d", workers-n%workers)}))
		if err := s.server.command.Process.Signal(syscall.SIGHUP); err != nil {
			s.t.Fatal(err)
		}
	}
	s.server.writeConfig(s.config(settings{delivery: soakRetries}))
	if err := s.server.command.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the last configuration is in force", patience, func() bool {
		return s.metric("ringpost_config_last_reload_successful") == 1
	})
}

// alternate puts a peer in one trouble after the other, with a rest after each,
// until ctx ends. Then it heals the peer.
func (s *scenario) alternate(ctx context.Context, peer *trouble, troubles []peers.Hook, done chan<- struct{}) {
	defer close(done)
	defer peer.heal()
	for {
		for _, at := range rand.Perm(len(troubles)) {
			peer.begin(troubles[at])
			if !wait(ctx, time.Second+rand.N(5*time.Second)) {
				return
			}
			peer.heal()
			if !wait(ctx, time.Second+rand.N(5*time.Second)) {
				return
			}
		}
	}
}

// wait reports whether d has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *scenario) mailTroubles() []peers.Hook {
	var n atomic.Int64
	return []peers.Hook{
		always(peers.Connect, peers.ErrCut),
		always(peers.Connect, peers.ErrGarbage),
		always(peers.Connect, &smtp.SMTPError{Code: 421, Message: "too many connections"}),
		always(peers.Data, peers.ErrCut),
		always(peers.RcptTo, &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again"}),
		always(peers.Auth, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password"}),
		during(peers.Data, func(context.Context, string) error {
			if n.Add(1)%10 != 0 {
				return nil
			}
			s.allowRepeats(1)
			return peers.ErrAcceptAndCut
		}),
		func(ctx context.Context, _ peers.Step, _ string) error {
			wait(ctx, 100*time.Millisecond)
			return nil
		},
	}
}

func smsTroubles() []peers.Hook {
	var n atomic.Int64
	return []peers.Hook{
		always(peers.SendSMS, &peers.APIError{Status: http.StatusTooManyRequests, Code: 20429, Message: "Too Many Requests", RetryAfter: "2"}),
		always(peers.SendSMS, &peers.APIError{Status: http.StatusInternalServerError, Code: 20500, Message: "internal error"}),
		always(peers.SendSMS, &peers.APIError{Status: http.StatusBadGateway, Code: 0, Message: "bad gateway"}),
		always(peers.SendSMS, &peers.APIError{Status: http.StatusUnauthorized, Code: 20003, Message: "Authentication Error"}),
		func(context.Context, peers.Step, string) error { return peers.ErrCut },
		during(peers.SendSMS, func(context.Context, string) error {
			if n.Add(1)%10 != 0 {
				return nil
			}
			return peers.ErrAcceptAndCut
		}),
		func(ctx context.Context, _ peers.Step, _ string) error {
			wait(ctx, 100*time.Millisecond)
			return nil
		},
	}
}

// sample is what the process takes at one moment.
type sample struct {
	when                         string
	megabytes, files, goroutines float64
}

func (s *scenario) sample(when string) sample {
	s.t.Helper()
	const mega = 1 << 20
	return sample{when, s.metric("process_resident_memory_bytes") / mega, s.metric("process_open_fds"), s.metric("go_goroutines")}
}

// metric returns the value of a metric without labels.
func (s *scenario) metric(name string) float64 {
	s.t.Helper()
	for line := range strings.Lines(s.server.read("/metrics")) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

func printSamples(samples []sample) {
	fmt.Fprintf(os.Stdout, "\n%24s%12s%12s%12s\n", "the process", "memory", "open files", "goroutines")
	for _, s := range samples {
		fmt.Fprintf(os.Stdout, "%24s%9.0f MB%12.0f%12.0f\n", s.when, s.megabytes, s.files, s.goroutines)
	}
}

// compare fails the test where the process takes more at the end than before, by
// more than what comes and goes.
func compare(t *testing.T, samples []sample) {
	t.Helper()
	end := samples[len(samples)-1]
	for _, before := range samples[:len(samples)-1] {
		if end.megabytes > 1.5*before.megabytes+64 {
			t.Errorf("memory grew from %.0f MB (%s) to %.0f MB", before.megabytes, before.when, end.megabytes)
		}
		if end.files > before.files+10 {
			t.Errorf("open files grew from %.0f (%s) to %.0f", before.files, before.when, end.files)
		}
		if end.goroutines > before.goroutines+20 {
			t.Errorf("goroutines grew from %.0f (%s) to %.0f", before.goroutines, before.when, end.goroutines)
		}
	}
}
