package intake_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot/intake"
)

var rules = intake.Rules{Label: "severity", Priorities: map[string]string{"critical": "P1", "warning": "P2", "none": intake.Ignore}, Otherwise: "P3"}

// notification is what Alertmanager sends.
func notification(alerts ...string) string {
	return `{"version":"4","groupKey":"{}:{}","truncatedAlerts":0,"status":"firing","receiver":"irisops","groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am","alerts":[` + strings.Join(alerts, ",") + `]}`
}

func alert(status, fingerprint, labels, annotations string) string {
	return fmt.Sprintf(`{"status":%q,"labels":{%s},"annotations":{%s},"startsAt":"2026-03-01T03:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":%q}`, status, labels, annotations, fingerprint)
}

func TestParse(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	got, _, err := intake.Parse([]byte(notification(
		alert("firing", "aa", `"alertname":"EdgeDown","severity":"critical","instance":"edge1"`, ""),
		alert("firing", "bb", `"alertname":"Disk","severity":"warning","cluster":"main"`, `"summary":"disk nearly\n full \u0000"`),
		alert("resolved", "cc", `"severity":"unheard of"`, ""),
		alert("firing", "dd", `"alertname":"Watchdog","severity":"none"`, ""),
		alert("firing", "ee", `"alertname":"Mine","severity":"none","irisops_priority":"p0"`, ""),
	)), rules)
	if err != nil {
		t.Fatal(err)
	}
	want := []intake.Incoming{
		{Key: "alertmanager/aa", Firing: true, Title: "EdgeDown on edge1", Priority: "P1", Started: at},
		{Key: "alertmanager/bb", Firing: true, Title: "Disk: disk nearly full", Cluster: "main", Priority: "P2", Started: at},
		{Key: "alertmanager/cc", Title: "an alert without a name", Priority: "P3", Started: at},
		{Key: "alertmanager/ee", Firing: true, Title: "Mine", Priority: "P0", Started: at},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	one, _, _ := intake.Parse([]byte(notification(alert("firing", "", `"a":"1","b":"2"`, ""))), rules)
	two, _, _ := intake.Parse([]byte(notification(alert("resolved", "", `"b":"2","a":"1"`, ""))), rules)
	if len(one) != 1 || len(two) != 1 || one[0].Key != two[0].Key || one[0].Key == "alertmanager/" {
		t.Errorf("without a fingerprint: %v %v", one, two)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(notification(alert("firing", "aa", `"alertname":"EdgeDown"`, "")))
	f.Fuzz(func(t *testing.T, body string) {
		list, _, err := intake.Parse([]byte(body), rules)
		for _, a := range list {
			if err != nil || a.Title == "" || strings.ContainsAny(a.Title, "\n\x00") || len([]rune(a.Title)) > 203 || len(a.Key) > 400 {
				t.Errorf("%+v %v", a, err)
			}
		}
	})
}

func TestHandler(t *testing.T) {
	const bearer, key = "a_planted_token", "a_planted_key"
	body := notification(alert("firing", "aa", `"alertname":"EdgeDown","severity":"critical"`, ""))
	sign := func(key string, at time.Time, body string) [4]string {
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(mac, "%s.%s", stamp, body)
		return [4]string{"X-Irisops-Timestamp", stamp, "X-Irisops-Signature", "v1=" + hex.EncodeToString(mac.Sum(nil))}
	}
	for _, tt := range []struct {
		name, body string
		header     [4]string
		fails      error
		want       int
		taken      int
	}{
		{"bearer", body, [4]string{"Authorization", "Bearer " + bearer}, nil, 200, 1},
		{"signed", body, sign(key, time.Now(), body), nil, 200, 1},
		{"nobody in particular", body, [4]string{}, nil, 401, 0},
		{"another bearer", body, [4]string{"Authorization", "Bearer x"}, nil, 401, 0},
		{"an empty bearer", body, [4]string{"Authorization", "Bearer "}, nil, 401, 0},
		{"another key", body, sign("other", time.Now(), body), nil, 401, 0},
		{"another body", body, sign(key, time.Now(), body+" "), nil, 401, 0},
		{"signed long ago", body, sign(key, time.Now().Add(-time.Hour), body), nil, 401, 0},
		{"no JSON", "nonsense", [4]string{"Authorization", "Bearer " + bearer}, nil, 400, 0},
		{"another version", `{"version":"5"}`, [4]string{"Authorization", "Bearer " + bearer}, nil, 400, 0},
		{"a status that is none", notification(alert("odd", "aa", "", "")), [4]string{"Authorization", "Bearer " + bearer}, nil, 400, 0},
		{"nothing in it", notification(), [4]string{"Authorization", "Bearer " + bearer}, nil, 200, 0},
		{"the disk is full", body, [4]string{"Authorization", "Bearer " + bearer}, errors.New("disk full"), 503, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			taken := 0
			h := &intake.Handler{Bearer: bearer, Signature: key, Rules: rules, Log: slog.New(slog.DiscardHandler), Take: func(_ context.Context, alerts []intake.Incoming) ([]string, error) {
				taken += len(alerts)
				return []string{"INC-1"}, tt.fails
			}}
			r := httptest.NewRequest(http.MethodPost, intake.Path, strings.NewReader(tt.body))
			for i := 0; i < 4; i += 2 {
				if tt.header[i] != "" {
					r.Header.Set(tt.header[i], tt.header[i+1])
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want || taken != tt.taken || strings.Contains(w.Body.String(), "planted") {
				t.Errorf("%d %s, %d taken", w.Code, w.Body, taken)
			}
		})
	}
	open := &intake.Handler{Take: func(context.Context, []intake.Incoming) ([]string, error) { t.Error("taken"); return nil, nil }}
	r := httptest.NewRequest(http.MethodPost, intake.Path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	if open.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("without a secret everybody is believed: %d", w.Code)
	}
}
