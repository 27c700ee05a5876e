package identity

import (
	"encoding/base64"
	"errors"
	"strings"
)

// DecodeText reads base64url without padding, strictly. Go's decoder skips line breaks, so that two texts would be one thing; a key, a
// token or an introduction has one text.
func DecodeText(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("a line break within it")
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}
