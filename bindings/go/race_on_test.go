//go:build race

package aspen

const raceDetector = true
