package expr

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // rules name time zones, and a container from scratch has none

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// zoned are the functions of a timestamp that take a time zone. CEL's own load
// the zone from disk at each call, which costs more than the rest of a decision:
// these remember it.
var zoned = []struct {
	function, overload string
	of                 func(time.Time) int
}{
	{overloads.TimeGetFullYear, overloads.TimestampToYearWithTz, time.Time.Year},
	{overloads.TimeGetMonth, overloads.TimestampToMonthWithTz, func(t time.Time) int { return int(t.Month()) - 1 }},
	{overloads.TimeGetDayOfYear, overloads.TimestampToDayOfYearWithTz, func(t time.Time) int { return t.YearDay() - 1 }},
	{overloads.TimeGetDayOfMonth, overloads.TimestampToDayOfMonthZeroBasedWithTz, func(t time.Time) int { return t.Day() - 1 }},
	{overloads.TimeGetDate, overloads.TimestampToDayOfMonthOneBasedWithTz, time.Time.Day},
	{overloads.TimeGetDayOfWeek, overloads.TimestampToDayOfWeekWithTz, func(t time.Time) int { return int(t.Weekday()) }},
	{overloads.TimeGetHours, overloads.TimestampToHoursWithTz, time.Time.Hour},
	{overloads.TimeGetMinutes, overloads.TimestampToMinutesWithTz, time.Time.Minute},
	{overloads.TimeGetSeconds, overloads.TimestampToSecondsWithTz, time.Time.Second},
	{overloads.TimeGetMilliseconds, overloads.TimestampToMillisecondsWithTz, func(t time.Time) int { return t.Nanosecond() / int(time.Millisecond) }},
}

// standard is CEL's library with these functions in place of its own.
func standard() []cel.EnvOption {
	without := &env.LibrarySubset{}
	var own []cel.EnvOption
	for _, z := range zoned {
		without.ExcludeFunctions = append(without.ExcludeFunctions, &env.Function{
			Name: z.function, Overloads: []*env.Overload{{ID: z.overload}},
		})
		own = append(own, cel.Function(z.function, cel.MemberOverload(z.overload,
			[]*cel.Type{cel.TimestampType, cel.StringType}, cel.IntType,
			cel.BinaryBinding(func(at, zone ref.Val) ref.Val {
				t, ok := at.(types.Timestamp)
				name, isText := zone.(types.String)
				if !ok || !isText {
					return types.MaybeNoSuchOverloadErr(at)
				}
				place, err := location(string(name))
				if err != nil {
					return types.WrapErr(err)
				}
				return types.Int(z.of(t.In(place)))
			}))))
	}
	return append([]cel.EnvOption{cel.StdLib(cel.StdLibSubset(without))}, own...)
}

// maxZones bounds how many zones are remembered: there are some 600, and a name
// may come from a client's label.
const maxZones = 1024

var (
	zones     sync.Map // name → *time.Location
	zoneCount atomic.Int64
)

// location finds a time zone: a name such as Europe/Berlin, or an offset such
// as +02:00.
func location(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	place, err := load(name)
	if err != nil {
		return nil, err
	}
	if zoneCount.Load() < maxZones {
		if _, known := zones.LoadOrStore(strings.Clone(name), place); !known {
			zoneCount.Add(1)
		}
	}
	return place, nil
}

func load(name string) (*time.Location, error) {
	if strings.Contains(name, ":") {
		signed := name
		if signed[0] != '+' && signed[0] != '-' {
			signed = "+" + signed
		}
		at, err := time.Parse("-07:00", signed)
		if err != nil {
			return nil, fmt.Errorf("%q is not an offset such as +02:00", name)
		}
		_, offset := at.Zone()
		return time.FixedZone("", offset), nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	place, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	return place, nil
}
