// Package intake is where alerts from outside become incidents: it reads what
// Alertmanager sends, says which incident an alert belongs to and how urgent it
// is, and answers over HTTP. It is pure: the bot declares and recovers, the store
// remembers which alerts are firing.
package intake

import "time"

// Alert is one alert that is firing, and the incident that it belongs to.
type Alert struct {
	Key      string // source and fingerprint: the same alert again has the same
	Incident string // "INC-7"
	Cluster  string
	Title    string // what people read
	Priority string
	Started  time.Time // as the source says
	Seen     time.Time // when it was last told
	Over     bool      // it fires no more: forget it
}
