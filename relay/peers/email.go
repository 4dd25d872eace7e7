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
	"strings"
	"time"
)

// Email is one message that a mail server accepted.
type Email struct {
	From string   // the envelope's sender
	To   []string // the envelope's recipients
	User string   // who had logged in; empty for nobody
	TLS  bool     // whether it came over TLS
	At   time.Time
	Raw  []byte
}

// Content is what a mail program shows of an [Email].
type Content struct {
	Header    mail.Header
	Subject   string
	MessageID string // without angle brackets
	Text      string // the plain text part; empty where there is none
	HTML      string // the HTML part; empty where there is none
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
	if err := c.read(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body); err != nil {
		return nil, fmt.Errorf("read an email's content: %w", err)
	}
	return c, nil
}

// read takes in one part, or all parts of a multipart of one level.
func (c *Content) read(contentType, encoding string, body io.Reader) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		return c.readPart(mediaType, encoding, body)
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		mediaType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		if err := c.readPart(mediaType, part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
			return err
		}
	}
}

func (c *Content) readPart(mediaType, encoding string, body io.Reader) error {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	decoded, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch text := strings.ReplaceAll(string(decoded), "\r\n", "\n"); mediaType {
	case "text/plain":
		c.Text = text
	case "text/html":
		c.HTML = text
	}
	return nil
}
