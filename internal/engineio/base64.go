package engineio

import (
	"encoding/base64"
	"unicode/utf16"
)

// decodeBase64 decodes text as the reference does, by Node's Buffer.from(text, "base64"), because clients rely on it:
// the official Java client breaks lines. Both alphabets are read, padding may be missing and ends the data, what is
// of neither alphabet is dropped, and so is a last character that makes no byte. It never fails and makes at most
// three quarters of the bytes of text.
func decodeBase64(text string) []byte {
	out := make([]byte, 0, base64.StdEncoding.DecodedLen(len(text)))
	if strict, err := base64.StdEncoding.AppendDecode(out, []byte(text)); err == nil {
		return strict // line breaks are skipped here as well
	}
	var bits, have uint32
	for _, r := range text {
		for _, unit := range codeUnits(r) {
			if unit == '=' {
				return out
			}
			v := sextets[unit]
			if v == noSextet {
				continue
			}
			bits, have = bits<<6|uint32(v), have+6
			if have >= 8 {
				have -= 8
				out = append(out, byte(bits>>have))
			}
		}
	}
	return out
}

// codeUnits is the low byte of each UTF-16 unit of r, all that Node looks at.
func codeUnits(r rune) []byte {
	if r < 1<<16 {
		return []byte{byte(r)}
	}
	high, low := utf16.EncodeRune(r)
	return []byte{byte(high), byte(low)}
}

const noSextet = 0xff

// sextets is the value of each character, in both alphabets.
var sextets = func() (table [256]byte) {
	for i := range table {
		table[i] = noSextet
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i, c := range []byte(letters) {
		table[c] = byte(i)
	}
	table['+'], table['/'], table['-'], table['_'] = 62, 63, 62, 63
	return table
}()
