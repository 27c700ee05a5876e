package answers

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

// check says about one type of answer what must hold of all.
type check struct {
	name string
	full func(seed int64) error                  // a filled-in answer survives Data and From
	read func(data map[string]any) (bool, error) // what From took, Data and From keep
	odd  []string                                // outputs without a name
}

func checkOf[T any](name string) check {
	c := check{name: name}
	again := func(answer T) error {
		back, err := From[T](Data(answer))
		if err == nil && !reflect.DeepEqual(Data(back), Data(answer)) {
			err = fmt.Errorf("%+v became %+v", answer, back)
		}
		return err
	}
	c.full = func(seed int64) error {
		v := reflect.New(reflect.TypeFor[T]()).Elem()
		fill(v, seed)
		return again(v.Interface().(T))
	}
	c.read = func(data map[string]any) (bool, error) {
		answer, err := From[T](data)
		if err != nil {
			return false, nil
		}
		return true, again(answer)
	}
	for _, o := range Outputs[T]() {
		if o.Name == "" {
			c.odd = append(c.odd, o.Description)
		}
	}
	return c
}

func checks() []check {
	return []check{
		checkOf[About]("about"), checkOf[Inventory]("inventory"), checkOf[Status]("status"), checkOf[Names]("names"), checkOf[Statistics]("statistics"), checkOf[View]("view"), checkOf[Decision]("decision"),
		checkOf[AuditPage]("audit page"), checkOf[Job]("job"), checkOf[Jobs]("jobs"), checkOf[Output]("output"),
	}
}

// fill sets every field, so that one which gets lost on the way is noticed.
func fill(v reflect.Value, seed int64) {
	if t, ok := v.Addr().Interface().(*Time); ok {
		*t = At(time.Unix(1_700_000_000+seed%1000, 0))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("text " + strings.Repeat("x", int(seed%5+1)))
	case reflect.Int64:
		v.SetInt(seed | 1)
	case reflect.Uint64:
		v.SetUint(uint64(seed)>>1 | 1)
	case reflect.Interface:
		v.Set(reflect.ValueOf(seed))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), seed+int64(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), seed)
		fill(v.Index(1), seed+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		x := reflect.New(v.Type().Elem()).Elem()
		fill(x, seed)
		v.SetMapIndex(reflect.ValueOf("key"), x)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, c := range checks() {
		if err := quick.Check(func(seed int64) bool {
			if err := c.full(seed >> 1 & 0xffffffffffff); err != nil {
				t.Errorf("%s: %v", c.name, err)
				return false
			}
			return true
		}, &quick.Config{MaxCount: 50}); err != nil {
			t.Error(err)
		}
		if ok, err := c.read(map[string]any{}); !ok || err != nil {
			t.Errorf("%s: an empty answer is refused or changed: %v", c.name, err)
		}
		if c.odd != nil {
			t.Errorf("%s: outputs without a name: %q", c.name, c.odd)
		}
	}
}

func TestFromAnotherRelease(t *testing.T) {
	got, err := From[Document](map[string]any{"name": "roster/roster", "signed_by": "new in a later release"})
	if err != nil || got != (Document{Name: "roster/roster"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWrongTypesAreErrors(t *testing.T) {
	for want, data := range map[string]map[string]any{
		"clients: is a string, not a int64":                     {"clients": "4"},
		"roster: is -1, which is negative":                      {"roster": int64(-1)},
		"documents: is a string, not a slice":                   {"documents": "roster 3"},
		"documents: entry 2 is a string, not a struct":          {"documents": []any{map[string]any{}, "roster 3"}},
		"documents: entry 1 version: is a string, not a uint64": {"documents": []any{map[string]any{"version": "3"}}},
		`expires: "tomorrow" is not a time`:                     {"expires": "tomorrow"},
		"expires: is a int64, not a time":                       {"expires": int64(4)},
		"broker: is a string, not a bool":                       {"broker": "yes"},
	} {
		if got, err := From[Status](data); err == nil || err.Error() != want || got.Clients != 0 {
			t.Errorf("%v: got %v, want %s", data, err, want)
		}
	}
	if _, err := From[Inventory](map[string]any{"labels": map[string]any{"a": int64(1)}}); err == nil || err.Error() != `labels: "a" is a int64, not a string` {
		t.Errorf("got %v", err)
	}
}

func FuzzFrom(f *testing.F) {
	f.Add(`{"documents": [{"name": "roster/roster", "version": 3, "hash": "ab"}], "expires": "2026-01-02T03:04:05Z", "labels": {"a": "b"}, "args": {"x": null}}`)
	f.Add(`{"jobs": [{"id": 1}], "facts": null, "started": "0000-01-01T00:00:00+23:59"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var data map[string]any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&data) != nil {
			return
		}
		data, _ = whole(data).(map[string]any)
		for _, c := range checks() {
			if _, err := c.read(data); err != nil {
				t.Errorf("%s of %s: %v", c.name, text, err)
			}
		}
	})
}

// whole has numbers as replies have them.
func whole(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for key, e := range x {
			x[key] = whole(e)
		}
	case []any:
		for i, e := range x {
			x[i] = whole(e)
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64()
		return f
	}
	return v
}
