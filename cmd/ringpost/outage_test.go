package main_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/peers"
)

var long = flag.Bool("long", os.Getenv("CI") != "", "let outages last as long as they promise to be survived; on in CI")

// TestAMailServerThatIsDownDelaysNoOtherChannelAndLosesNothing shuts the mail
// server's port for a while. SMS go on, and all emails arrive once it is back.
func TestAMailServerThatIsDownDelaysNoOtherChannelAndLosesNothing(t *testing.T) {
	outage := 8 * time.Second
	if *long {
		outage = time.Minute
	}
	var down atomic.Bool
	down.Store(true)
	mail, box := newMailbox(t, func(_ context.Context, step peers.Step, _ string) error {
		if down.Load() {
			return peers.ErrCut
		}
		return nil
	})
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	s := newServer(t, t.TempDir(), fmt.Sprintf(`
[signalwire]
space = "example.signalwire.com"
project = "p"
token = "t"
api_url = %q
signing_keys = [%q]
[delivery]
first_retry = "1s"
[channel.email]
host = %q
port = %d
tls = "none"
from = "recordings@example.com"
[channel.sms]
from = "+15550100000"
[[rule]]
name = "finished"
status = "completed"
send = [
  { via = "email", to = ["alice@example.com"], template = "recording" },
  { via = "sms", to = ["+15550100001"], template = "recording" },
]
`, api.URL, signingKey, mail.Host, mail.Port))
	s.start()
	const n = 50
	for i := range n {
		s.mustPost(completed(fmt.Sprintf("recording-%d", i)), "")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := api.Wait(ctx, n); err != nil {
		t.Errorf("%d of %d SMS were sent while the mail server was down: %v", len(api.Messages()), n, err)
	}
	<-time.After(outage)
	if got := len(s.deliveries("state=dead")); got != 0 {
		t.Errorf("%d deliveries were given up, want 0", got)
	}
	if got := len(mail.Emails()); got != 0 {
		t.Fatalf("%d emails during the outage, want 0", got)
	}
	down.Store(false)
	eventually(t, "all emails arrive once the server is back", 30*time.Second, func() bool {
		return len(s.deliveries("state=delivered&channel=email")) == n
	})
	for i := range n {
		if got := len(box.of(fmt.Sprintf("recording-%d", i))); got != 1 {
			t.Errorf("recording %d arrived %d times, want once", i, got)
		}
	}
}

func TestOneRefusedRecipientOfThreeIsDeadWithTheServersWords(t *testing.T) {
	mail, _ := newMailbox(t, func(_ context.Context, step peers.Step, subject string) error {
		if step == peers.RcptTo && subject == "bob@example.com" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox here"}
		}
		return nil
	})
	s := newServer(t, t.TempDir(), toMail(mail, 4)+`
[group]
managers = ["alice@example.com", "bob@example.com", "carol@example.com"]
[[rule]]
name = "finished"
status = "completed"
send = [{ via = "email", to = ["managers"], template = "recording" }]
`)
	s.start()
	s.mustPost(completed(""), "")
	eventually(t, "all three are finished", 10*time.Second, func() bool {
		return len(s.deliveries("state=delivered"))+len(s.deliveries("state=dead")) == 3
	})
	dead := s.deliveries("state=dead")
	if len(dead) != 1 || dead[0].To != "bob@example.com" || dead[0].Attempts != 1 {
		t.Fatalf("dead deliveries = %+v, want bob's after one attempt", dead)
	}
	if want := "no such mailbox here"; !strings.Contains(dead[0].LastError, want) {
		t.Errorf("last error = %q, want the server's words %q", dead[0].LastError, want)
	}
}

// TestAFullDiskIsA503AndHealsByItself runs the store on a tiny file system.
func TestAFullDiskIsA503AndHealsByItself(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a tiny file system cannot be mounted here, which takes root: %s", out)
	}
	defer func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	}()
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, dir, oneEmail(mail))
	s.start()
	acknowledged := 0
	status := 0
	for status != http.StatusServiceUnavailable {
		var err error
		if status, err = s.post(completed(fmt.Sprintf("recording-%d", acknowledged)), ""); err != nil {
			t.Fatal(err)
		}
		if status == http.StatusOK {
			acknowledged++
		}
		if acknowledged > 5000 {
			t.Fatal("the disk does not fill up")
		}
	}
	if status, err := s.post(completed("one more"), ""); err == nil && status/100 == 2 {
		t.Errorf("POST with a full disk = %d, want 503", status)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	eventually(t, "callbacks are stored again", 10*time.Second, func() bool {
		status, err := s.post(completed("after"), "")
		return err == nil && status == http.StatusOK
	})
	eventually(t, "all that was acknowledged is delivered", 60*time.Second, func() bool {
		return len(s.deliveries("state=delivered")) >= acknowledged+1
	})
	t.Logf("acknowledged %d before the disk was full, delivered all", acknowledged)
}

func TestASecondProcessOnTheSameStoreIsRefused(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	s := newServer(t, t.TempDir(), oneEmail(mail))
	s.start()
	first := *s
	s.callbacks, s.admin = freeAddress(t), freeAddress(t)
	s.writeConfig(oneEmail(mail))
	out, err := exec.Command(binary, "serve", "-c", filepath.Join(s.dir, "ringpost.toml")).CombinedOutput()
	s.callbacks, s.admin = first.callbacks, first.admin
	if err == nil || !strings.Contains(string(out), "in use by another process") {
		t.Errorf("a second serve = %v, %s; want it to say that the store is in use", err, out)
	}
	s.mustPost(completed(""), "")
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newServer(t, t.TempDir(), "")
	s.callbacks = l.Addr().String()
	s.writeConfig(oneEmail(mail))
	out, err := exec.Command(binary, "serve", "-c", filepath.Join(s.dir, "ringpost.toml")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "listen for callbacks: ") {
		t.Errorf("serve on a taken port = %v, %s; want the reason", err, out)
	}
}
