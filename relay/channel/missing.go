package channel

import (
	"context"
	"fmt"
)

// Missing stands in for a channel that deliveries wait for and that the
// configuration no longer has: it is down.
type Missing string

// Send fails with [ChannelDown].
func (name Missing) Send(context.Context, *Message) (string, error) {
	return "", Down(fmt.Errorf("the configuration has no channel %q", string(name)))
}

// Close does nothing.
func (Missing) Close() error { return nil }
