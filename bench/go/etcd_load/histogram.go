package main

import "math/bits"

// Latencies in the buckets of tools/histogram.h, so that percentiles of the two programs mean the same.
type histogram struct {
	buckets [powers << subBits]uint64
	count   uint64
}

const (
	subBits = 7
	powers  = 34
)

func (h *histogram) add(valueNs int64) {
	value := uint64(max(valueNs, 0))
	bucket := value
	if power := bits.Len64(value >> subBits); power > 0 {
		sub := (value >> (power - 1)) & (1<<subBits - 1)
		bucket = min(uint64(power)<<subBits+sub, uint64(len(h.buckets)-1))
	}
	h.buckets[bucket]++
	h.count++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
}

// The value in microseconds that `fraction` of all values do not exceed, 0 when there are none.
func (h *histogram) percentileUs(fraction float64) float64 {
	if h.count == 0 {
		return 0
	}
	rank := max(uint64(fraction*float64(h.count)+0.999999), 1)
	seen := uint64(0)
	for bucket, n := range h.buckets {
		if seen += n; seen >= rank {
			return float64(highestIn(uint64(bucket))) / 1000
		}
	}
	return float64(highestIn(uint64(len(h.buckets)-1))) / 1000
}

func highestIn(bucket uint64) uint64 {
	power, sub := bucket>>subBits, bucket&(1<<subBits-1)
	if power == 0 {
		return sub
	}
	return (1<<subBits+sub+1)<<(power-1) - 1
}
