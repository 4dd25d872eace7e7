package store

// Attachment is the recording that is to go with an email, and what came of that.
// The zero value is none.
type Attachment struct {
	Format   string // mp3 or wav, where the recording comes in both; empty where nothing is attached
	MaxBytes int64  // a larger one is left out
	Link     string // to the recording: what the email has in its place

	// Of one that was delivered.
	Bytes   int64  // how large the recording was that went with it; 0 where it did not
	LeftOut string // why it did not
}

// again is what another delivery of the same is to have.
func (a Attachment) again() Attachment {
	return Attachment{Format: a.Format, MaxBytes: a.MaxBytes, Link: a.Link}
}

// attachmentColumns are what [scanWhole] reads of the attachment.
const attachmentColumns = `coalesce(a.format, ''), coalesce(a.max_bytes, 0), coalesce(a.link, ''), coalesce(a.bytes, 0),
	coalesce(a.left_out, '')`

func (a *Attachment) columns() []any {
	return []any{&a.Format, &a.MaxBytes, &a.Link, &a.Bytes, &a.LeftOut}
}

// attach writes the attachments of new deliveries. Most have none.
func (t *tx) attach(deliveries []*Delivery) error {
	var attached []*Delivery
	for _, d := range deliveries {
		if d.Attach.Format != "" {
			attached = append(attached, d)
		}
	}
	if len(attached) == 0 {
		return nil
	}
	return t.engine.attach(t, attached)
}

// noteAttachments writes down what came of the attachments.
func (t *tx) noteAttachments(endings []*ending) error {
	for _, e := range endings {
		if !e.hasAttachment() {
			continue
		}
		_, err := t.exec(`UPDATE attachments SET bytes = ?, left_out = ? WHERE delivery_id = ?`, e.Attached, storable(e.LeftOut), e.id)
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *ending) hasAttachment() bool { return e.Attached > 0 || e.LeftOut != "" }
