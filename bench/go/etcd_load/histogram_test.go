package main

import "testing"

// As tools/histogram_test.cc asks of its own: at most 0.8% off at any magnitude.
func TestPercentilesAreClose(t *testing.T) {
	for _, value := range []int64{1, 127, 128, 999, 123_456, 9_999_999_999} {
		var h histogram
		h.add(value)
		got := h.percentileUs(0.5) * 1000
		if got < float64(value) || got > float64(value)*1.008 {
			t.Errorf("the median of %d is %f", value, got)
		}
	}
}

func TestPercentilesCount(t *testing.T) {
	var h, half histogram
	for value := int64(1); value <= 50; value++ {
		h.add(value)
		half.add(value + 50)
	}
	h.merge(&half)
	for fraction, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := h.percentileUs(fraction) * 1000; got != want {
			t.Errorf("percentile %f is %f ns, not %f", fraction, got, want)
		}
	}
}
