package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Path is where alerts are taken.
const Path = "/alerts"

// maxSkew is how far the clock of who signs may be from ours.
const maxSkew = 5 * time.Minute

// Handler takes notifications of Alertmanager's webhook from those who show the
// bearer token, or who sign with the key. It says that it has one when the
// incidents are durable, and otherwise has it sent again.
type Handler struct {
	Bearer    string // "": not taken
	Signature string // the same
	Rules     Rules
	// Take makes incidents of the alerts, and says which.
	Take func(ctx context.Context, alerts []Incoming) (incidents []string, err error)
	Log  *slog.Logger
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "That is too large: let Alertmanager send fewer at a time (max_alerts).", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "The request did not arrive whole.", http.StatusBadRequest)
		return
	case !h.allowed(r, body, time.Now()):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "Only who has the token, or signs with the key, may send alerts: see alerts: in the config of irisops.", http.StatusUnauthorized)
		return
	}
	alerts, truncated, err := Parse(body, h.Rules)
	if err != nil {
		http.Error(w, "Not taken: "+err.Error()+".", http.StatusBadRequest)
		return
	}
	if truncated > 0 {
		h.Log.Warn("Alertmanager has left out alerts of a notification (max_alerts); nothing is known of them", "alerts", truncated)
	}
	incidents, err := h.Take(r.Context(), alerts)
	if err != nil {
		h.Log.Error("alerts could not be taken; they will be sent again", "alerts", len(alerts), "err", err)
		http.Error(w, "They could not be recorded, please send them again.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if incidents == nil {
		incidents = []string{}
	}
	json.NewEncoder(w).Encode(map[string]any{"incidents": incidents})
}

func (h *Handler) allowed(r *http.Request, body []byte, now time.Time) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok && h.Bearer != "" && subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(h.Bearer)) == 1 {
		return true
	}
	if h.Signature == "" {
		return false
	}
	stamp := r.Header.Get("X-Irisops-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > maxSkew {
		return false
	}
	mac := hmac.New(sha256.New, []byte(h.Signature))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	got, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Irisops-Signature"), "v1="))
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}
