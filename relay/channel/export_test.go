package channel

// Compose makes m an email, ready to be handed over, and forgets it.
func (e *Email) Compose(m *Message) error {
	l, err := e.compose(m)
	if err == nil {
		e.release(l)
	}
	return err
}
