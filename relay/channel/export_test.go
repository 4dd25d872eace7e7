package channel

// Compose makes m an email, ready to be handed over, and forgets it.
func (e *Email) Compose(m *Message) error {
	_, err := e.compose(m)
	return err
}
