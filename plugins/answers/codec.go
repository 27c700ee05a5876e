package answers

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"fleet/plugins/plugin"
)

// Time is a moment as answers tell it: RFC 3339, UTC, whole seconds.
type Time struct{ time.Time }

// At returns t as answers tell it.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Second)}
}

// String is the empty string for the zero time.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// OK is the result of an action that succeeded with this answer, which must be a struct of this package.
func OK(message string, answer any) plugin.Result {
	return plugin.Result{State: plugin.OK, Message: message, Data: Data(answer)}
}

// Data returns an answer as a reply carries it. The maps in it are shared with the answer.
func Data(answer any) map[string]any {
	v := reflect.ValueOf(answer)
	data := map[string]any{}
	for _, f := range outputsOf(v.Type()) {
		if x := v.FieldByIndex(f.index); !f.optional || !x.IsZero() {
			data[f.name] = encode(x)
		}
	}
	return data
}

// From reads an answer. T is a struct of this package.
func From[T any](data map[string]any) (T, error) {
	var answer T
	err := decodeStruct(reflect.ValueOf(&answer).Elem(), data)
	if err != nil {
		return *new(T), err
	}
	return answer, nil
}

// Outputs declares the outputs of an action that answers with a T.
func Outputs[T any]() []plugin.Output {
	var list []plugin.Output
	for _, f := range outputsOf(reflect.TypeFor[T]()) {
		list = append(list, plugin.Output{Name: f.name, Label: f.label, Description: f.says})
	}
	return list
}

// output is a field of an answer: `output:"name" label:"Name" says:"What it is"`. A name that ends in ",optional" is left
// out where the field is zero. The fields of an embedded struct count as the answer's own.
type output struct {
	index             []int
	name, label, says string
	optional          bool
}

func outputsOf(t reflect.Type) []output {
	var list []output
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		name, optional := strings.CutSuffix(f.Tag.Get("output"), ",optional")
		list = append(list, output{f.Index, name, f.Tag.Get("label"), f.Tag.Get("says"), optional})
	}
	return list
}

// encode panics for a type that no answer may have; the tests go through all answers.
func encode(v reflect.Value) any {
	if t, ok := v.Interface().(Time); ok {
		return t.String()
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int64:
		return v.Int()
	case reflect.Uint64:
		return int64(v.Uint())
	case reflect.Interface:
		return v.Interface()
	case reflect.Struct:
		return Data(v.Interface())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = encode(v.Index(i))
		}
		return list
	case reflect.Map:
		if m, ok := v.Interface().(map[string]any); ok && m != nil {
			return m
		}
		m := make(map[string]any, v.Len())
		for _, key := range v.MapKeys() {
			m[key.String()] = encode(v.MapIndex(key))
		}
		return m
	}
	panic(fmt.Sprintf("an answer cannot have a %s", v.Type()))
}

func decodeStruct(v reflect.Value, data map[string]any) error {
	for _, f := range outputsOf(v.Type()) {
		raw, ok := data[f.name]
		if !ok || raw == nil {
			continue
		}
		if err := decode(v.FieldByIndex(f.index), raw); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func decode(v reflect.Value, raw any) error {
	if t, ok := v.Addr().Interface().(*Time); ok {
		return decodeTime(t, raw)
	}
	fits := false
	switch v.Kind() {
	case reflect.Bool:
		var x bool
		if x, fits = raw.(bool); fits {
			v.SetBool(x)
		}
	case reflect.String:
		var x string
		if x, fits = raw.(string); fits {
			v.SetString(x)
		}
	case reflect.Int, reflect.Int64:
		var x int64
		if x, fits = raw.(int64); fits {
			v.SetInt(x)
		}
	case reflect.Uint64:
		var x int64
		if x, fits = raw.(int64); fits && x < 0 {
			return fmt.Errorf("is %d, which is negative", x)
		}
		v.SetUint(uint64(x))
	case reflect.Interface:
		fits = true
		v.Set(reflect.ValueOf(raw))
	case reflect.Struct:
		if x, ok := raw.(map[string]any); ok {
			return decodeStruct(v, x)
		}
	case reflect.Slice:
		if x, ok := raw.([]any); ok {
			return decodeList(v, x)
		}
	case reflect.Map:
		if x, ok := raw.(map[string]any); ok {
			return decodeMap(v, x)
		}
	}
	if !fits {
		return fmt.Errorf("is a %T, not a %s", raw, v.Kind())
	}
	return nil
}

func decodeTime(t *Time, raw any) error {
	text, ok := raw.(string)
	if !ok {
		return fmt.Errorf("is a %T, not a time", raw)
	}
	if text == "" {
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if year := parsed.UTC().Year(); err != nil || year < 1 || year > 9999 {
		return fmt.Errorf("%.40q is not a time", text)
	}
	*t = At(parsed)
	return nil
}

func decodeList(v reflect.Value, raw []any) error {
	v.Set(reflect.MakeSlice(v.Type(), len(raw), len(raw)))
	for i, x := range raw {
		if err := decode(v.Index(i), x); err != nil {
			return fmt.Errorf("entry %d %w", i+1, err)
		}
	}
	return nil
}

func decodeMap(v reflect.Value, raw map[string]any) error {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(raw)))
	for key, x := range raw {
		value := reflect.New(v.Type().Elem()).Elem()
		if x != nil {
			if err := decode(value, x); err != nil {
				return fmt.Errorf("%.40q %w", key, err)
			}
		}
		v.SetMapIndex(reflect.ValueOf(key), value)
	}
	return nil
}
