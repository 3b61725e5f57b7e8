package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Incoming is one alert as it comes in.
type Incoming struct {
	Key      string
	Firing   bool
	Title    string
	Cluster  string // "": the only one, or the first
	Priority string // "P0" to "P3"
	Started  time.Time
}

// Rules say what an alert's labels mean.
type Rules struct {
	Label      string            // whose value says how urgent it is
	Priorities map[string]string // value -> "P0" to "P3", or Ignore
	Otherwise  string
}

// Ignore is what an alert can be instead of having a priority.
const Ignore = "ignore"

// payload is what Alertmanager's webhook sends, version 4:
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
type payload struct {
	Version         string  `json:"version"`
	TruncatedAlerts int     `json:"truncatedAlerts"`
	Alerts          []alert `json:"alerts"`
}

type alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// Labels that go before the rules.
const (
	labelPriority = "irisops_priority"
	labelCluster  = "cluster"
)

// Parse reads a notification. Alerts that the rules ignore are left out;
// truncated is how many the sender has left out.
func Parse(body []byte, r Rules) (list []Incoming, truncated int, err error) {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, 0, errors.New("this is no JSON of Alertmanager's webhook")
	}
	if p.Version != "4" {
		return nil, 0, fmt.Errorf("this is version %q of Alertmanager's webhook; only 4 is read here", p.Version)
	}
	for i, a := range p.Alerts {
		if a.Status != "firing" && a.Status != "resolved" {
			return nil, 0, fmt.Errorf("alert %d is %q, neither firing nor resolved", i+1, a.Status)
		}
		priority := r.priority(a.Labels)
		if priority == Ignore {
			continue
		}
		list = append(list, Incoming{Key: "alertmanager/" + a.fingerprint(), Firing: a.Status == "firing", Title: a.title(),
			Cluster: a.Labels[labelCluster], Priority: priority, Started: a.StartsAt.UTC()})
	}
	return list, p.TruncatedAlerts, nil
}

func (r Rules) priority(labels map[string]string) string {
	if p := strings.ToUpper(labels[labelPriority]); slices.Contains([]string{"P0", "P1", "P2", "P3"}, p) {
		return p
	}
	if p, ok := r.Priorities[strings.ToLower(labels[r.Label])]; ok {
		return p
	}
	return r.Otherwise
}

// fingerprint is Alertmanager's own, or, from what does not send one, made of the
// labels.
func (a alert) fingerprint() string {
	if f := clean(a.Fingerprint, 64); f != "" && !strings.Contains(f, " ") {
		return f
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		fmt.Fprintf(sum, "%q=%q\n", name, a.Labels[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

const maxTitle = 200

func (a alert) title() string {
	name, where := a.Labels["alertname"], a.Labels["instance"]
	text := a.Annotations["summary"]
	switch {
	case text == "" && where != "":
		text = name + " on " + where
	case text == "":
		text = name
	case name != "":
		text = name + ": " + text
	}
	if text = clean(text, maxTitle); text == "" {
		return "an alert without a name"
	}
	return text
}

// clean makes one line of printable text of what came from outside.
func clean(text string, most int) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, " "))), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "..."
	}
	return text
}
