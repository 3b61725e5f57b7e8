// Package link is the way to acknowledge from a mail: a signed link to a page
// with one button. Looking at it changes nothing, because mail scanners look at
// every link; the button acknowledges as the person whom the page called, once.
// A link is good for three days.
package link

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"irisops/bot/pager"
)

// Lasts is how long a link is good for after its page was queued.
const Lasts = 72 * time.Hour

// Key signs links. It is made once and kept in a file that only irisops reads:
// links outlive a restart.
type Key []byte

const keySize = 32

// Load reads the key, or makes it if there is none yet.
func Load(path string) (Key, error) {
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return made(path)
	case err != nil:
		return nil, fmt.Errorf("the key of the links cannot be read: %w", err)
	case len(key) != keySize:
		return nil, fmt.Errorf("the key of the links in %s is damaged: it has %d bytes, not %d; take the file away, and links from before stop working", path, len(key), keySize)
	}
	return key, nil
}

func made(path string) (Key, error) {
	key := make([]byte, keySize)
	rand.Read(key)                                                // never fails
	temp, err := os.CreateTemp(filepath.Dir(path), ".link-key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("a key for the links cannot be made: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(key)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("a key for the links cannot be kept: %w", err)
	}
	return key, nil
}

// Claim is what a link says.
type Claim struct {
	Page    string // the key of the page
	Person  string // whom it called
	Expires time.Time
	ID      string // of this very link
}

// Why a link is not good.
var (
	ErrUnknown = errors.New("irisops did not make this link")
	ErrExpired = errors.New("this link is too old")
)

const macSize = 16

// Token is the link's last part: the claim of the page for its person, signed.
// The same page has always the same, however often it is sent.
func (k Key) Token(p pager.Page) string {
	claim := binary.BigEndian.AppendUint64(nil, uint64(p.Queued.Add(Lasts).Unix()))
	claim = append(claim, byte(len(p.Person)))
	claim = append(append(claim, p.Person...), pager.KeyOf(p.Reference())...)
	return base64.RawURLEncoding.EncodeToString(append(k.mac(claim), claim...))
}

func (k Key) mac(claim []byte) []byte {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte("irisops link 1\x00"))
	mac.Write(claim)
	return mac.Sum(nil)[:macSize]
}

// Read is what the token says; with ErrExpired too.
func (k Key) Read(token string, now time.Time) (Claim, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < macSize+9 || !hmac.Equal(raw[:macSize], k.mac(raw[macSize:])) {
		return Claim{}, ErrUnknown
	}
	claim := raw[macSize:]
	name := int(claim[8])
	if len(claim) < 9+name {
		return Claim{}, ErrUnknown
	}
	sum := sha256.Sum256([]byte(token))
	c := Claim{
		Page: string(claim[9+name:]), Person: string(claim[9 : 9+name]),
		Expires: time.Unix(int64(binary.BigEndian.Uint64(claim)), 0).UTC(), ID: hex.EncodeToString(sum[:8]),
	}
	if now.After(c.Expires) {
		return c, ErrExpired
	}
	return c, nil
}
