// Package wire is the one encoding of everything that fleet signs or sends: CBOR (RFC 8949), core deterministic when
// writing and strict when reading.
//
// Strict means that each of these is an error, because each has been used to make two readers see two messages: a
// duplicate map key, an unknown field, trailing bytes, invalid UTF-8, an indefinite length, a tag, NaN and infinity.
// Depth and counts are bounded before anything is allocated; the caller bounds the size in bytes.
package wire

import (
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

const (
	maxDepth    = 16     // facts nest about 6 deep; a bomb nests thousands
	maxElements = 16_384 // one array or map; the longest real one is a package list
)

// Raw is a value that is kept encoded, to be decoded later or never.
type Raw = cbor.RawMessage

var encoder = must(cbor.EncOptions{
	Sort: cbor.SortCoreDeterministic, ShortestFloat: cbor.ShortestFloat16,
	NaNConvert: cbor.NaNConvertReject, InfConvert: cbor.InfConvertReject,
	IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
	Time: cbor.TimeUnix, NilContainers: cbor.NilContainerAsNull,
}.EncMode())

var (
	decoder = decoderWith(cbor.ExtraDecErrorUnknownField)
	peeker  = decoderWith(cbor.ExtraDecErrorNone)
)

func decoderWith(extra cbor.ExtraDecErrorCond) cbor.DecMode {
	return must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, ExtraReturnErrors: extra,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		UTF8: cbor.UTF8RejectInvalid, NaN: cbor.NaNDecodeForbidden, Inf: cbor.InfDecodeForbidden,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		IntDec:            cbor.IntDecConvertSignedOrFail,
		DefaultMapType:    reflect.TypeFor[map[string]any](),
		MaxNestedLevels:   maxDepth, MaxArrayElements: maxElements, MaxMapPairs: maxElements,
	}.DecMode())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options above are constants: a failure is a bug that every test finds
	}
	return v
}

// Marshal encodes v. It fails only for values that have no place on the wire, such as channels or NaN.
func Marshal(v any) ([]byte, error) { return encoder.Marshal(v) }

// UnmarshalFirst decodes the value at the beginning of data and returns what follows it. Otherwise it is Unmarshal.
func UnmarshalFirst(data []byte, v any) (rest []byte, err error) {
	if rest, err = decoder.UnmarshalFirst(data, v); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return rest, nil
}

// Peek decodes of data only what v names, and is as strict about the rest as Unmarshal but for that it may be there. It is
// for saying why something does not decode; what it reads is not to be acted upon.
func Peek(data []byte, v any) error {
	if _, err := peeker.UnmarshalFirst(data, v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}

// Unmarshal decodes all of data into v, or fails. v may be partly filled after an error and must then be thrown away.
func Unmarshal(data []byte, v any) error {
	if err := decoder.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
