package store

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/pager"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Every field of what is kept comes back. A field that is added to one of those
// types and forgotten here fails this test.
func TestRecordsKeepEveryField(t *testing.T) {
	n := 0
	var inc incident.Incident
	fill(reflect.ValueOf(&inc).Elem(), &n)
	keeps(t, recordIncident(inc, inc.Version, "key"), inc, incidentRecord.incident)
	var entry incident.Entry
	fill(reflect.ValueOf(&entry).Elem(), &n)
	keeps(t, recordEntry(entry), entry, entryRecord.entry)
	var page pager.Page
	fill(reflect.ValueOf(&page).Elem(), &n)
	keeps(t, recordPage(page), page, pageRecord.page)
	var run runbook.Run
	fill(reflect.ValueOf(&run).Elem(), &n)
	keeps(t, recordRun(run, run.Version), run, runRecord.run)
	var d inbox.Delivery
	fill(reflect.ValueOf(&d).Elem(), &n)
	keeps(t, recordDelivery(d), d, deliveryRecord.delivery)

	keeps(t, recordIncident(incident.Incident{}, 0, ""), incident.Incident{}, incidentRecord.incident)
	keeps(t, recordEntry(incident.Entry{}), incident.Entry{}, entryRecord.entry)
	keeps(t, recordPage(pager.Page{}), pager.Page{}, pageRecord.page)
	keeps(t, recordRun(runbook.Run{}, 0), runbook.Run{}, runRecord.run)
	keeps(t, recordDelivery(inbox.Delivery{}), inbox.Delivery{}, deliveryRecord.delivery)
}

func keeps[R, T any](t *testing.T, rec R, want T, back func(R) T) {
	t.Helper()
	body, err := json.Marshal(rec)
	must(t, err)
	var read R
	must(t, json.Unmarshal(body, &read))
	if diff := cmp.Diff(want, back(read)); diff != "" {
		t.Errorf("%T changed on its way (-before +after):\n%s\n%s", want, diff, body)
	}
}

// A record may have fields of a later irisops, but not another version.
func TestRecordVersions(t *testing.T) {
	var rec haltRecord
	must(t, decode(bMeta, []byte(`{"v":1,"by":"operator","later":7}`), &rec))
	for _, body := range []string{`{"v":2}`, `{}`, `{"v":1`, ``} {
		if err := decode(bMeta, []byte(body), &rec); err == nil {
			t.Errorf("%q was read", body)
		}
	}
}

func TestDeliveryKeepsEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := inbox.Delivery{ID: "d1", Text: string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))}
		body := encode(recordDelivery(d))
		var rec deliveryRecord
		if err := decode(bDeliveries, body, &rec); err != nil {
			t.Fatal(err)
		}
		if got := rec.delivery(); got != d {
			t.Fatalf("got %q, want %q", got.Text, d.Text)
		}
	})
}

func TestTimeKeysSortAsTimes(t *testing.T) {
	times := []time.Time{
		{}, time.Unix(0, math.MinInt64), time.Unix(-5, 0), time.Unix(0, -1), time.Unix(0, 0), time.Unix(0, 1),
		t0, t0.Add(1), time.Unix(0, math.MaxInt64),
	}
	for i, at := range times {
		if i > 1 && slices.Compare(timeKey(times[i-1]), timeKey(at)) >= 0 {
			t.Errorf("%v does not come after %v", at, times[i-1])
		}
		if i > 0 && !keyTime(timeKey(at)).Equal(at) {
			t.Errorf("%v came back as %v", at, keyTime(timeKey(at)))
		}
	}
	if got := timeKey(time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)); slices.Compare(got, timeKey(t0)) <= 0 {
		t.Error("the far future comes before today")
	}
}

func TestSealNoticesEveryBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "key")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		value := seal("pages/outbox", key, body)
		if got, err := unseal("pages/outbox", key, value); err != nil || got == nil || !slices.Equal(got, body) {
			t.Fatalf("got %x, %v", got, err)
		}
		if _, err := unseal("pages/sending", key, value); err == nil {
			t.Fatal("read in the wrong bucket")
		}
		at := rapid.IntRange(0, len(value)-1).Draw(t, "at")
		value[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := unseal("pages/outbox", key, value); err == nil {
			t.Fatal("a flipped bit was not noticed")
		}
	})
}
