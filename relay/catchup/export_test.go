package catchup

import "context"

// Look looks once, at all that there is to look at.
func (w *Watch) Look(ctx context.Context) error { return w.look(ctx, w.config.Load(), 0) }
