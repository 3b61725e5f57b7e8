package slacktest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// SigningSecret is what requests are signed with.
const SigningSecret = "8f742231b10e8888abcd99yyyzzz85a5"

// PostTo has everything delivered by signed requests to that address, instead of
// by Socket Mode.
func (s *Slack) PostTo(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = base
}

// Sign makes the headers of a request:
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func Sign(body []byte, at time.Time, secret string) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return http.Header{"X-Slack-Request-Timestamp": {stamp}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(mac.Sum(nil))}}
}

// request is the body of a delivery, and where it goes.
func (d *Delivery) request(again bool) (path, contentType string, body []byte) {
	payload, err := json.Marshal(d.payload)
	if err != nil {
		panic(err)
	}
	switch d.kind {
	case "slash_commands":
		form := url.Values{}
		for name, value := range d.payload {
			form.Set(name, fmt.Sprint(value))
		}
		return "/slack/commands", "application/x-www-form-urlencoded", []byte(form.Encode())
	case "interactive":
		return "/slack/interactions", "application/x-www-form-urlencoded", []byte(url.Values{"payload": {string(payload)}}.Encode())
	}
	if again { // as if another event id would be signed
		payload = append(payload, ' ')
	}
	return "/slack/events", "application/json", payload
}

// post delivers once by HTTP.
func (d *Delivery) post(attempt int, reason string) {
	s := d.slack
	path, contentType, body := d.request(attempt > 0)
	s.mu.Lock()
	s.clock++
	at := time.Now().Add(-time.Duration(attempt) * time.Second) // another signature
	target := s.posts + path
	s.mu.Unlock()
	r, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header = Sign(body, at, SigningSecret)
	r.Header.Set("Content-Type", contentType)
	if attempt > 0 {
		r.Header.Set("X-Slack-Retry-Num", fmt.Sprint(attempt))
		r.Header.Set("X-Slack-Retry-Reason", reason)
	}
	sent := time.Now()
	resp, err := (&http.Client{Timeout: ackWithin}).Do(r)
	if err != nil {
		s.mu.Lock()
		d.disturbed = true
		s.mu.Unlock()
		return
	}
	answer, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	frame := map[string]any{}
	var shown map[string]any
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &shown); err != nil {
			s.wrong("an answer that is no JSON: %s", answer)
		}
		frame["payload"] = shown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tooLate(d, sent) {
		s.answered(d, frame)
	}
}
