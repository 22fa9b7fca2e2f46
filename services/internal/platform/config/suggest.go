package config

import (
	"maps"
	"slices"
	"strings"
)

// suggest gives the way out of an unknown key: the key that was probably
// meant, else those that exist.
func suggest(key string, fields map[string][]int) string {
	known := slices.Sorted(maps.Keys(fields))
	best, bestDistance := "", 3
	for _, name := range known {
		if d := distance(key, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(known) == 0:
		return "no keys are known here"
	}
	return "known here: " + strings.Join(known, ", ")
}

// distance is the Levenshtein distance, by bytes; long keys count as far.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost = 1 + min(previous, row[j], row[j+1])
			}
			previous, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
