package channel

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Attachment is a file that goes with an email. It is read from where it is
// while it is sent, as often as that takes, and is never in memory as a whole.
type Attachment struct {
	Name        string // of ASCII letters, digits, dots, hyphens and underscores
	ContentType string // such as audio/mpeg, without parameters
	Size        int64
	File        io.ReaderAt

	// Without returns what the email says instead where the mail server does not
	// take it with the file. It is called once at most in a Send, and then the
	// file is not sent.
	Without func(reason string) (text, html string)
}

const (
	// fileLine is how many bytes of a file are on one line of base64, which has 76
	// characters (RFC 2045, section 6.8).
	fileLine = 57
	// fileBlock is how many lines are read and written at once.
	fileBlock = 512
)

var (
	safeName = regexp.MustCompile(`^[\w-][\w.-]{0,99}$`)
	safeType = regexp.MustCompile(`^[a-z]{1,20}/[a-z0-9.+-]{1,50}$`)

	aboutSize = regexp.MustCompile(`\b5\.(3\.4|2\.3)\b`)

	// errUnreadable is a file that cannot be read, for which no mail server can be
	// blamed.
	errUnreadable = errors.New("read the attachment")
)

// check returns why the file cannot be described in a header.
func (a *Attachment) check() error {
	if !safeName.MatchString(a.Name) || !safeType.MatchString(a.ContentType) || a.Size <= 0 {
		return errors.New("the attachment's name, type or size is none")
	}
	return nil
}

// describe appends the header of the part that the file is.
func (a *Attachment) describe(to *bytes.Buffer) {
	to.WriteString("Content-Type: " + a.ContentType + "; name=\"" + a.Name + "\"\r\n")
	to.WriteString("Content-Disposition: attachment; filename=\"" + a.Name + "\"\r\n")
	to.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
}

// encodedSize is how many bytes write writes.
func (a *Attachment) encodedSize() int64 {
	lines := (a.Size + fileLine - 1) / fileLine
	return (a.Size+2)/3*4 + lines*int64(len("\r\n"))
}

// write writes the file as base64, in lines of which none begins with a dot.
// Before each block it calls next.
func (a *Attachment) write(to io.Writer, next func()) error {
	file := io.NewSectionReader(a.File, 0, a.Size)
	block := make([]byte, fileBlock*fileLine)
	text := make([]byte, 0, fileBlock*(base64.StdEncoding.EncodedLen(fileLine)+len("\r\n")))
	for left := a.Size; left > 0; left -= int64(len(block)) {
		block = block[:min(int64(len(block)), left)]
		if _, err := io.ReadFull(file, block); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		text = text[:0]
		for begin := 0; begin < len(block); begin += fileLine {
			text = base64.StdEncoding.AppendEncode(text, block[begin:min(begin+fileLine, len(block))])
			text = append(text, "\r\n"...)
		}
		next()
		if _, err := to.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// tooLarge reports whether a mail server refused a message for its size: by what
// it announces (RFC 1870), or in its answer, in one code or the other (RFC 5321,
// section 4.2.3; RFC 3463, sections 3.3 and 3.4).
func tooLarge(err error) bool {
	f, ok := errors.AsType[*failure](err)
	if !ok || !f.connected || f.code/100 != 5 {
		return false
	}
	return f.code == codeTooLarge || aboutSize.MatchString(f.err.Error())
}
