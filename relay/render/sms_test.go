package render_test

import (
	"strings"
	"testing"

	"ringpost/relay/render"
)

func TestSegments(t *testing.T) {
	r := strings.Repeat
	const alphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	for _, test := range []struct {
		what, text string
		n          int
		encoding   string
	}{
		{"nothing", "", 1, "GSM-7"},
		{"the whole alphabet", alphabet, 1, "GSM-7"},
		{"the whole extension table", "\f^{}\\[~]|€", 1, "GSM-7"},
		{"160 septets", r("a", 160), 1, "GSM-7"},
		{"161 septets", r("a", 161), 2, "GSM-7"},
		{"306 septets", r("a", 306), 2, "GSM-7"},
		{"307 septets", r("a", 307), 3, "GSM-7"},
		{"80 escapes", r("€", 80), 1, "GSM-7"},
		{"81 escapes", r("€", 81), 2, "GSM-7"},
		{"160 septets with an escape", r("a", 158) + "€", 1, "GSM-7"},
		{"161 septets with an escape", r("a", 159) + "€", 2, "GSM-7"},
		{"306 septets with an escape at the border", r("a", 152) + "€" + r("a", 152), 3, "GSM-7"},
		{"305 septets with an escape at the border", r("a", 152) + "€" + r("a", 151), 2, "GSM-7"},
		{"306 septets with an escape before the border", r("a", 151) + "€" + r("a", 153), 2, "GSM-7"},
		{"152 escapes, two septets lost at borders", r("€", 152), 2, "GSM-7"},
		{"153 escapes", r("€", 153), 3, "GSM-7"},
		{"one accent that is not in GSM-7", "ê", 1, "UCS-2"},
		{"a small c with a cedilla", "ç", 1, "UCS-2"},
		{"a tabulator", "\t", 1, "UCS-2"},
		{"a curly quote among 70", "’" + r("a", 69), 1, "UCS-2"},
		{"a curly quote among 71", "’" + r("a", 70), 2, "UCS-2"},
		{"134 units", r("ж", 134), 2, "UCS-2"},
		{"135 units", r("ж", 135), 3, "UCS-2"},
		{"35 pairs", r("😀", 35), 1, "UCS-2"},
		{"36 pairs", r("😀", 36), 2, "UCS-2"},
		{"133 units with a pair at the border", r("ж", 66) + "😀" + r("ж", 65), 2, "UCS-2"},
		{"134 units with a pair at the border", r("ж", 66) + "😀" + r("ж", 66), 3, "UCS-2"},
		{"134 units with a pair before the border", r("ж", 65) + "😀" + r("ж", 67), 2, "UCS-2"},
		{"66 pairs, a unit lost at each border", r("😀", 66), 2, "UCS-2"},
		{"67 pairs", r("😀", 67), 3, "UCS-2"},
		{"a curly brace is an escape in GSM-7 and one unit in UCS-2", "ж" + r("{", 69), 1, "UCS-2"},
		{"bytes that are no UTF-8", r("\xff", 70), 1, "UCS-2"},
	} {
		if n, encoding := render.Segments(test.text); n != test.n || encoding != test.encoding {
			t.Errorf("Segments(%s) = %d, %s, want %d, %s", test.what, n, encoding, test.n, test.encoding)
		}
	}
}
