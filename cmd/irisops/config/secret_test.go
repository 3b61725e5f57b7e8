package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A planted secret, printed in every way there is, shows nowhere.
func TestSecretIsNeverShown(t *testing.T) {
	s := NewSecret(cookie)
	type inside struct {
		Open   Secret
		closed Secret
		deep   *Secret
	}
	values := []any{
		s, &s, []Secret{s}, map[string]Secret{"a": s}, inside{s, s, &s}, &inside{s, s, &s}, [1]any{s},
		Cluster{Name: "main", Cookie: s}, Config{Clusters: []Cluster{{Cookie: s}}},
	}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range "vsqxXdtbcoOUeEfFgGpT" {
			for _, flags := range []string{"", "+", "#", " ", "-30", "010"} {
				fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
			}
		}
		fmt.Fprintln(&out, v, errors.New(fmt.Sprint(v)))
		slog.New(slog.NewTextHandler(&out, nil)).Info("a", "b", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("a", "b", v)
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
		if text, err := yaml.Marshal(v); err == nil {
			out.Write(text)
		}
	}
	hex := fmt.Sprintf("%x", cookie)
	for _, form := range []string{cookie, hex, strings.ToUpper(hex), cookie[:8]} {
		if strings.Contains(out.String(), form) {
			t.Errorf("it is shown as %q", form)
		}
	}
	if fmt.Sprint(s) != masked || fmt.Sprintf("%#v", s) != masked || fmt.Sprintf("%d", s) != masked {
		t.Errorf("it reads %v", s)
	}
	if s.Reveal() != cookie || (Secret{}).Reveal() != "" {
		t.Error("it is not revealed where it should be")
	}
}
