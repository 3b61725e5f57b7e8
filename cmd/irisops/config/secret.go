package config

import (
	"fmt"
	"log/slog"
)

// Secret is text that is never shown. However it is printed, logged or encoded,
// it reads "[secret]"; only Reveal gives it out. It is kept behind a pointer, so
// that even a print that bypasses these methods, because the Secret stands in an
// unexported field, shows an address.
type Secret struct{ value *string }

const masked = "[secret]"

// NewSecret keeps value secret.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal gives the secret itself, for whoever has to use it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s Secret) String() string               { return masked }
func (s Secret) GoString() string             { return masked }
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(masked) }

// Format covers the verbs that do not ask String, such as %d.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(masked)) }
