// Package process reads what a running process costs, from /proc. It works on Linux only.
package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ, which is 100 on
// every architecture that Linux runs Go on.
const tick = time.Second / 100

// Usage is what processes have used so far.
type Usage struct {
	User, System time.Duration
	RSSBytes     int64 // resident now
	PeakBytes    int64 // most resident ever
}

// CPU is user and system time together.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// Read sums over the processes; threads that have ended are counted, child
// processes are not: name them too.
func Read(pids []int) (Usage, error) {
	var sum Usage
	for _, pid := range pids {
		u, err := read(pid)
		if err != nil {
			return Usage{}, err
		}
		sum.User += u.User
		sum.System += u.System
		sum.RSSBytes += u.RSSBytes
		sum.PeakBytes += u.PeakBytes
	}
	return sum, nil
}

func read(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	u, err := parseStat(stat)
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	u.RSSBytes, u.PeakBytes = parseStatus(status)
	return u, nil
}

// parseStat reads fields 14 and 15 (proc(5)). The name in field 2 may hold
// spaces and brackets, so that counting begins after the last bracket.
func parseStat(stat []byte) (Usage, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return Usage{}, fmt.Errorf("stat has no name")
	}
	fields := bytes.Fields(stat[end+1:]) // the first is field 3
	if len(fields) < 13 {
		return Usage{}, fmt.Errorf("stat has %d fields", len(fields)+2)
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("read user time: %w", err)
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("read system time: %w", err)
	}
	return Usage{User: time.Duration(user) * tick, System: time.Duration(system) * tick}, nil
}

// parseStatus reads VmRSS and VmHWM; a zombie has neither.
func parseStatus(status []byte) (rss, peak int64) {
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch string(fields[0]) {
		case "VmRSS:":
			rss = kilobytes(fields[1])
		case "VmHWM:":
			peak = kilobytes(fields[1])
		}
	}
	return rss, peak
}

func kilobytes(digits []byte) int64 {
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return 0
	}
	return n * 1024
}
