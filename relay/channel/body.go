package channel

import (
	"bytes"
	"crypto/rand"
	"mime/quotedprintable"
	"strings"

	"github.com/wneessen/go-mail"
)

// maxLine is how long a line may be, in bytes, without its end (RFC 5322,
// section 2.1.1).
const maxLine = 998

// body is what follows an email's header: a text, and beside it the same as
// HTML, unless that is empty. A file may come after both.
//
// It is not left to go-mail, which knows no way to write a text as it is and to
// say so: what it declares as 7bit it encodes as quoted-printable.
type body struct {
	text, html part
	boundary   string // between the two; empty where there is one

	file  *Attachment // nil where there is none
	mixed string      // the boundary before and after it
}

func newBody(text, html string, file *Attachment) *body {
	b := &body{text: newPart(mail.TypeTextPlain, text), file: file}
	if file != nil {
		b.mixed = rand.Text()
	}
	if html != "" {
		// The words come from outside, and must not be able to contain it.
		b.boundary = rand.Text()
		b.html = newPart(mail.TypeTextHTML, html)
	}
	return b
}

// describe writes into the message's header how to read the body. It sets the
// same fields, whatever the body is.
func (b *body) describe(header *mail.Msg) {
	encoding, contentType := b.words()
	if b.file != nil {
		encoding, contentType = mail.EncodingUSASCII, "multipart/mixed; boundary="+b.mixed
	}
	header.SetGenHeader(mail.HeaderContentTransferEnc, string(encoding))
	header.SetGenHeader(mail.HeaderContentType, contentType)
}

// words returns how to read the text and the HTML.
func (b *body) words() (encoding mail.Encoding, contentType string) {
	if b.boundary == "" {
		return b.text.encoding, b.text.contentType()
	}
	// Encoded or not, the parts are 7bit together (RFC 2045, section 6.4).
	return mail.EncodingUSASCII, "multipart/alternative; boundary=" + b.boundary
}

// write appends the body, with CRLF at the end of each line, up to where the file
// follows, if there is one.
func (b *body) write(to *bytes.Buffer) {
	if b.file == nil {
		b.writeWords(to)
		return
	}
	encoding, contentType := b.words()
	to.WriteString("--" + b.mixed + "\r\n")
	to.WriteString("Content-Transfer-Encoding: " + string(encoding) + "\r\n")
	to.WriteString("Content-Type: " + contentType + "\r\n\r\n")
	b.writeWords(to)
	to.WriteString("\r\n--" + b.mixed + "\r\n")
	b.file.describe(to)
}

// end returns what follows the file.
func (b *body) end() string { return "--" + b.mixed + "--\r\n" }

func (b *body) writeWords(to *bytes.Buffer) {
	if b.boundary == "" {
		b.text.write(to)
		return
	}
	for _, p := range []*part{&b.text, &b.html} {
		to.WriteString("--" + b.boundary + "\r\n")
		to.WriteString("Content-Transfer-Encoding: " + string(p.encoding) + "\r\n")
		to.WriteString("Content-Type: " + p.contentType() + "\r\n\r\n")
		p.write(to)
		to.WriteString("\r\n") // belongs to what follows (RFC 2046, section 5.1.1)
	}
	to.WriteString("--" + b.boundary + "--\r\n")
}

// part is one way to show a message.
type part struct {
	kind     mail.ContentType
	content  string
	encoding mail.Encoding
}

func newPart(kind mail.ContentType, content string) part {
	if strings.Contains(content, "\r") {
		content = strings.ReplaceAll(content, "\r\n", "\n")
	}
	if sevenBit(content) {
		return part{kind, content, mail.EncodingUSASCII}
	}
	return part{kind, content, mail.EncodingQP}
}

func (p *part) contentType() string { return string(p.kind) + "; charset=UTF-8" }

func (p *part) write(to *bytes.Buffer) {
	if p.encoding == mail.EncodingQP {
		w := quotedprintable.NewWriter(to)
		_, _ = w.Write([]byte(p.content)) // a buffer takes everything
		_ = w.Close()
		return
	}
	for rest, more := p.content, true; more; {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		to.WriteString(line)
		if more {
			to.WriteString("\r\n")
		}
	}
}

// sevenBit reports whether s can be sent as it is (RFC 2045, section 2.7): short
// lines of ASCII that end with LF, and nothing that a mail server might take
// for something else, such as a lone CR.
func sevenBit(s string) bool {
	begin := 0 // of the line
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c <= '~' {
			continue
		}
		switch {
		case c == '\n' && i-begin <= maxLine:
			begin = i + 1
		case c != '\t':
			return false
		}
	}
	return len(s)-begin <= maxLine
}

// endOfData is the line that ends a message for DATA.
const endOfData = ".\r\n"

// stuff appends the message to wire as DATA takes it (RFC 5321, section 4.5.2):
// a dot before each line that begins with one. Every line end becomes CRLF, whatever it was: servers disagree on what a lone CR or
// LF is, which could end the message for one and not for another.
func stuff(wire, message []byte) []byte {
	appendLine := func(line []byte) {
		if len(line) > 0 && line[0] == '.' {
			wire = append(wire, '.')
		}
		wire = append(append(wire, line...), "\r\n"...)
	}
	for len(message) > 0 {
		var line []byte
		line, message, _ = bytes.Cut(message, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		for more := true; more; {
			var first []byte
			first, line, more = bytes.Cut(line, []byte("\r"))
			appendLine(first)
		}
	}
	return wire
}
