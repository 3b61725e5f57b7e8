package main

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"irisops/cmd/irisops/config"
)

// Whatever the config keeps secret is hidden in what people type: none is
// forgotten, also of those to come.
func TestEverySecretOfTheConfigIsHidden(t *testing.T) {
	cfg := config.Config{
		People: make([]config.Person, 1), Clusters: make([]config.Cluster, 1), Webhooks: map[string]config.Webhook{},
		Mail: &config.Mail{}, PagerDuty: &config.PagerDuty{}, Heartbeat: &config.Heartbeat{URLFrom: "/etc/irisops/heartbeat"}, Alerts: &config.Alerts{},
	}
	w := config.Webhook{URLFrom: "/etc/irisops/phone"}
	var planted []string
	plant(reflect.ValueOf(&w), &planted)
	cfg.Webhooks["phone"] = w
	plant(reflect.ValueOf(&cfg), &planted)
	if len(planted) < 12 {
		t.Fatalf("only %d secrets were found in the config", len(planted))
	}
	for _, s := range planted {
		if !slices.Contains(secretsOf(cfg), s) {
			t.Errorf("%s is not hidden", s)
		}
		if got := masked(secretsOf(cfg))("look: " + s); got != "look: [secret]" {
			t.Errorf("%q", got)
		}
	}
}

// plant makes every Secret in v one of its own.
func plant(v reflect.Value, planted *[]string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			plant(v.Elem(), planted)
		}
	case reflect.Slice:
		for i := range v.Len() {
			plant(v.Index(i), planted)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[config.Secret]() {
			if v.CanSet() {
				s := fmt.Sprintf("planted-%02d-secret", len(*planted))
				v.Set(reflect.ValueOf(config.NewSecret(s)))
				*planted = append(*planted, s)
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				plant(v.Field(i), planted)
			}
		}
	}
}
