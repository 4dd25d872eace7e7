package rules

import (
	"fmt"

	"ringpost/relay/quiet"
)

// compileQuiet reads the quiet hours of a send.
func (c *compiler) compileQuiet(path string, d *Send, s *send) {
	var err error
	if s.quiet, err = quiet.Parse(d.Quiet); err != nil {
		c.fail(path+".quiet", "%v", err)
		return
	}
	for i, r := range s.recipients {
		for _, f := range r.fixed {
			if hours := s.quiet.And(c.set.book.quiet[fold(f.to)]); f.to != "" && hours.Endless() {
				c.fail(fmt.Sprintf("%s.to[%d]", path, i), "%s: its own and those of the send", endless(hours))
				break
			}
		}
	}
}

// compileHush reads the quiet hours of a contact, which are those of its
// addresses, however a rule comes to them.
func (c *compiler) compileHush(contact Contact) {
	hours, err := quiet.Parse(contact.Quiet)
	if err != nil {
		c.fail("quiet", "%v", err)
		return
	}
	if hours == "" {
		return
	}
	b := &c.set.book
	if b.quiet == nil {
		b.quiet = make(map[string]quiet.Hours)
	}
	for _, address := range []string{contact.Email, contact.Phone} {
		if address == "" {
			continue
		}
		b.quiet[fold(address)] = b.quiet[fold(address)].And(hours)
		if all := b.quiet[fold(address)]; all.Endless() {
			c.fail("quiet", "%s: its own and those of another contact with that address", endless(all))
		}
	}
}

// hush gives a delivery the quiet hours of its send and of its recipient.
func (b *book) hush(d *Delivery, ofSend quiet.Hours) {
	if ofSend == "" && len(b.quiet) == 0 || d.Problem != "" {
		return
	}
	d.Quiet = ofSend.And(b.quiet[fold(d.To)])
	if d.Quiet.Endless() {
		d.Problem = endless(d.Quiet)
	}
}

func endless(hours quiet.Hours) string {
	return fmt.Sprintf("quiet hours leave no time to tell anybody anything (%s)", hours)
}

// hurry lets a delivery that is asked for again go out without the quiet hours of
// the send that asked first, where this one has none of its own, and by itself
// where this one does not collect: what may go out at once does.
func (w *walk) hurry(again *Delivery) {
	aloud := again.Quiet == w.set.book.quiet[fold(again.To)]
	id := again.identity()
	for i := range w.deliveries {
		first := &w.deliveries[i]
		if first.Quiet == again.Quiet && first.Digest == again.Digest || first.identity() != id {
			continue
		}
		if aloud {
			first.Quiet = again.Quiet
		}
		first.Digest = min(first.Digest, again.Digest)
	}
}
