package deliver

import (
	"context"
	"log/slog"

	"ringpost/relay/callback"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

// Receive notes what a provider says of a message that it accepted. What does not
// concern any delivery is no error: the sender is not to try again, nor to learn
// which deliveries there are.
func (d *Deliverer) Receive(ctx context.Context, r *callback.Receipt) error {
	reason := ""
	if r.Lost() {
		reason = signalwire.Undelivered(r.Status, r.ErrorCode)
	}
	delivery, was, err := d.store.Receive(ctx, r, reason)
	if err != nil {
		return err
	}
	d.log.Debug("receipt", "delivery", r.Delivery, "status", r.Status, "news", delivery != nil)
	if delivery != nil {
		d.countReceipt(delivery, was)
	}
	return nil
}

// countReceipt notes in metrics and log what a receipt has made of a delivery that
// was in another state, or was about to be.
func (d *Deliverer) countReceipt(delivery *store.Delivery, was store.State) {
	if delivery.Receipt == "" || delivery.State == was || !delivery.State.Finished() {
		return
	}
	attrs := []slog.Attr{slog.Int64("delivery", delivery.ID), slog.String("recording", delivery.Recording),
		slog.String("rule", delivery.Rule), slog.String("receipt", delivery.Receipt)}
	d.metrics.Deliveries.WithLabelValues(delivery.Channel, string(delivery.State)).Inc()
	if delivery.State == store.Dead {
		d.log.LogAttrs(d.abort, slog.LevelError, "delivery is dead", append(attrs, slog.String("err", delivery.LastError))...)
		return
	}
	d.log.LogAttrs(d.abort, slog.LevelInfo, "delivered", attrs...)
}
