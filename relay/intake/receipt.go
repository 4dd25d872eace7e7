package intake

import (
	"context"
	"net/http"

	"ringpost/relay/callback"
)

// Receipts keeps what becomes of text messages.
type Receipts interface {
	// Receive notes r durably. One that concerns nobody is no error. It returns
	// when ctx ends.
	Receive(ctx context.Context, r *callback.Receipt) error
}

// TakeReceipts has receipts answered at [callback.ReceiptPath], by the same
// measures as callbacks. It must be called before anything is served, at most
// once.
func (in *Intake) TakeReceipts(to Receipts) {
	in.receipts = to
	in.routes.HandlerFunc(http.MethodPost, callback.ReceiptPath, in.receive)
	in.routes.HandlerFunc(http.MethodGet, callback.ReceiptPath, in.receive)
}

// note has the receipt stored and answers.
func (in *Intake) note(w http.ResponseWriter, r *http.Request, receipt *callback.Receipt) {
	if !receipt.Known() {
		if in.statuses.isNew(receipt.Status) {
			in.log.Info("receipt has a status that Ringpost does not know: it is ignored", "status", receipt.Status)
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTime)
	defer cancel()
	if err := in.receipts.Receive(ctx, receipt); err != nil {
		in.log.Error("receipt not stored", "delivery", receipt.Delivery, "err", err)
		tryAgain(w)
		return
	}
	w.WriteHeader(http.StatusOK)
}
