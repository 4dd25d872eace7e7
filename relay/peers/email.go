package peers

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
)

// Email is one message that a mail server accepted.
type Email struct {
	From string   // the envelope's sender
	To   []string // the envelope's recipients
	User string   // who had logged in; empty for nobody
	TLS  bool     // whether it came over TLS

	Declared int64 // how large the client said it would be; 0 where it did not

	At  time.Time
	Raw []byte
}

// Content is what a mail program shows of an [Email].
type Content struct {
	Header    mail.Header
	Subject   string
	MessageID string // without angle brackets
	Text      string // the plain text part; empty where there is none
	HTML      string // the HTML part; empty where there is none
	Files     []File // what is attached
}

// File is one attachment of an [Email].
type File struct {
	Name string
	Type string
	Data []byte
}

// Content reads the message.
func (e *Email) Content() (*Content, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(e.Raw))
	if err != nil {
		return nil, fmt.Errorf("read an email: %w", err)
	}
	c := &Content{Header: msg.Header, MessageID: strings.Trim(msg.Header.Get("Message-ID"), "<>")}
	if c.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return nil, fmt.Errorf("read an email's subject: %w", err)
	}
	if err := c.read(textproto.MIMEHeader(msg.Header), msg.Body); err != nil {
		return nil, fmt.Errorf("read an email's content: %w", err)
	}
	return c, nil
}

// read takes in one part, or all parts of a multipart.
func (c *Content) read(header textproto.MIMEHeader, body io.Reader) error {
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		return c.readPart(mediaType, header, body)
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.read(part.Header, part); err != nil {
			return err
		}
	}
}

func (c *Content) readPart(mediaType string, header textproto.MIMEHeader, body io.Reader) error {
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	decoded, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if disposition, params, _ := mime.ParseMediaType(header.Get("Content-Disposition")); disposition == "attachment" {
		c.Files = append(c.Files, File{Name: params["filename"], Type: mediaType, Data: decoded})
		return nil
	}
	switch text := strings.ReplaceAll(string(decoded), "\r\n", "\n"); mediaType {
	case "text/plain":
		c.Text = text
	case "text/html":
		c.HTML = text
	}
	return nil
}
