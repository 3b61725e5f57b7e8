package pagerduty

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// Acknowledgement is what somebody did in PagerDuty.
type Acknowledgement struct {
	Event    string // PagerDuty's id of it: the same again is the same
	DedupKey string
	User     string // PagerDuty's id of who it was; "" if no user
}

// Hook answers PagerDuty's V3 webhooks. Who signs with the secret of the
// subscription is believed, nobody else.
type Hook struct {
	Secret string
	// Take is told that a page was acknowledged; it returns when that is durable.
	Take func(ctx context.Context, a Acknowledgement) error
	Log  *slog.Logger
}

// maxHook bounds what PagerDuty sends.
const maxHook = 1 << 20

type hookBody struct {
	Event struct {
		ID           string `json:"id"`
		EventType    string `json:"event_type"`
		ResourceType string `json:"resource_type"`
		Agent        *struct {
			ID   string `json:"id"`
			Type string `json:"type"`
		} `json:"agent"`
		Data struct {
			IncidentKey string `json:"incident_key"`
		} `json:"data"`
	} `json:"event"`
}

func (h *Hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the request did not arrive whole", http.StatusBadRequest)
		return
	case !h.signed(r.Header.Values("X-PagerDuty-Signature"), body):
		http.Error(w, "the signature is not right: is this the secret of that webhook subscription?", http.StatusUnauthorized)
		return
	}
	var b hookBody
	if err := json.Unmarshal(body, &b); err != nil || b.Event.ID == "" {
		http.Error(w, "this is no V3 webhook", http.StatusBadRequest)
		return
	}
	if b.Event.EventType != "incident.acknowledged" || b.Event.Data.IncidentKey == "" {
		w.WriteHeader(http.StatusAccepted) // nothing for us
		return
	}
	a := Acknowledgement{Event: b.Event.ID, DedupKey: b.Event.Data.IncidentKey}
	if agent := b.Event.Agent; agent != nil && strings.HasPrefix(agent.Type, "user") {
		a.User = agent.ID
	}
	if err := h.Take(r.Context(), a); err != nil {
		h.Log.Error("an acknowledgement from PagerDuty could not be kept; it will send it again", "err", err)
		http.Error(w, "it could not be kept, please send it again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// signed looks for a signature of the body among those of the header, of which
// there are several while the secret is changed.
func (h *Hook) signed(headers []string, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(h.Secret))
	mac.Write(body)
	want := mac.Sum(nil)
	for _, one := range strings.Split(strings.Join(headers, ","), ",") {
		digits, ok := strings.CutPrefix(strings.TrimSpace(one), "v1=")
		got, err := hex.DecodeString(digits)
		if ok && err == nil && h.Secret != "" && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}
