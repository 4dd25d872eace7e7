package channel

import "time"

// SetPatience bounds one Send. It must not run at the same time as one.
func (e *Email) SetPatience(d time.Duration) { e.patience = d }

// Compose makes m an email, ready to be handed over, and forgets it.
func (e *Email) Compose(m *Message) error {
	l, err := e.compose(m)
	if err == nil {
		e.release(l)
	}
	return err
}

// Stuff returns the message as DATA takes it.
func Stuff(message []byte) []byte { return append(stuff(nil, message), endOfData...) }
