package render

import (
	"strings"
	"unicode/utf16"
)

// gsm is the default alphabet of GSM 03.38 (3GPP TS 23.038, 6.2.1), and
// gsmExtension what takes an escape and a second septet (6.2.1.1).
const (
	gsm = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// encoding is how an SMS travels.
type encoding struct {
	name          string
	single, multi int // units in the only segment, and in each of several
	width         func(rune) int
}

// The two encodings of 3GPP TS 23.040: several segments lose six octets each to
// a header that puts them together again.
var (
	gsm7 = &encoding{"GSM-7", 160, 153, func(r rune) int {
		if strings.ContainsRune(gsmExtension, r) {
			return 2
		}
		return 1
	}}
	ucs2 = &encoding{"UCS-2", 70, 67, utf16.RuneLen}
)

// Segments returns how many messages the carriers make of text, and in which
// encoding: one character outside GSM-7 makes it UCS-2. An escape and its
// character, or a surrogate pair, are never parted. No text is one segment.
func Segments(text string) (n int, name string) {
	e := gsm7
	for _, r := range text {
		if !strings.ContainsRune(gsm, r) && !strings.ContainsRune(gsmExtension, r) {
			e = ucs2
			break
		}
	}
	total, used := 0, 0
	n = 1
	for _, r := range text {
		w := e.width(r)
		total += w
		if used+w > e.multi {
			n++
			used = 0
		}
		used += w
	}
	if total <= e.single {
		n = 1
	}
	return n, e.name
}
