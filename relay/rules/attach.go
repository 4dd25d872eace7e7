package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ringpost/relay/render"
)

const (
	// DefaultAttachMax is how large a recording may be to go with an email where
	// the rule does not say, in bytes.
	DefaultAttachMax = 10 * megabyte
	// MaxAttachMax is how large it may be at most: base64 makes 34 MB of it, and the
	// large providers take 35.
	MaxAttachMax = 25 * megabyte

	kilobyte = 1000
	megabyte = 1000 * kilobyte
)

// Formats are those in which recordings come.
var Formats = []string{"mp3", "wav"}

// Attach says that the recording is to go with an email.
type Attach struct {
	Format   string // one of Formats, where the recording comes in both
	MaxBytes int64
}

// ParseSize reads 500kB or 10MB, in capitals or not. A kB is 1000 bytes, as in what mail providers
// say of their limits.
func ParseSize(s string) (int64, error) {
	fault := errors.New("want a size like 500kB or 10MB")
	for unit, bytes := range map[string]int64{"KB": kilobyte, "MB": megabyte} {
		if number, ok := strings.CutSuffix(strings.ToUpper(s), unit); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 20)
			if err != nil || n == 0 {
				return 0, fault
			}
			return int64(n) * bytes, nil
		}
	}
	return 0, fault
}

// Size writes bytes as people read them: 830 kB, 4.2 MB, 10 MB.
func Size(bytes int64) string {
	if bytes < megabyte {
		return fmt.Sprintf("%d kB", (bytes+kilobyte-1)/kilobyte)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(bytes)/megabyte), ".0") + " MB"
}

// compileAttach returns what goes with the messages of a send; nil for nothing.
func (c *compiler) compileAttach(path string, d *Send, kind string) *Attach {
	if d.Attach == "" {
		if d.AttachMax != "" {
			c.fail(path+".attach_max", `nothing is attached: want attach = "mp3" too`)
		}
		return nil
	}
	a := &Attach{Format: d.Attach, MaxBytes: DefaultAttachMax}
	if !slices.Contains(Formats, d.Attach) {
		c.fail(path+".attach", "want %s", strings.Join(Formats, " or "))
	}
	if kind != render.Email && kind != "" { // else there is no such channel, which is reported already
		c.fail(path+".attach", "a recording can go with an email only, and channel %q is of kind %s", d.Via, kind)
	}
	if d.AttachMax == "" {
		return a
	}
	var err error
	switch a.MaxBytes, err = ParseSize(d.AttachMax); {
	case err != nil:
		c.fail(path+".attach_max", "%v", err)
	case a.MaxBytes > MaxAttachMax:
		c.fail(path+".attach_max", "want at most %s: mail servers take no larger messages", strings.ReplaceAll(Size(MaxAttachMax), " ", ""))
	}
	return a
}

// also has a delivery that was asked for before carry what d does, unless it
// carries something itself.
func (w *walk) also(d *Delivery) {
	id := d.identity()
	for i := range w.deliveries {
		if first := &w.deliveries[i]; first.Attach == nil && first.identity() == id {
			first.Attach = d.Attach
		}
	}
}
