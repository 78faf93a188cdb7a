// Command rt_bench is what rt_bench.cc measures, done with goroutines, for bench/rt. It takes the number of
// rounds, and prints the samples as bench/micro.h says, without allocations. One processor, as the others.
//
// There is no row for the await of a child: a call of a function is none.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// As in bench/micro.h.
const (
	operations      = 5_000
	warmUp          = 500
	channelCapacity = 64
	timersPending   = 1_000_000
	timersAtOnce    = 100
	together        = 100
)

type row struct {
	NS []float64 `json:"ns"`
}

type samples map[string]*row

func (s samples) add(name string, took time.Duration, count int) {
	if s[name] == nil {
		s[name] = &row{}
	}
	s[name].NS = append(s[name].NS, float64(took.Nanoseconds())/float64(count))
}

func measureSpawn(s samples) {
	done := make(chan int)
	start := time.Now()
	for i := 0; i < operations; i++ {
		go func() { done <- 1 }()
		<-done
	}
	s.add("spawn", time.Since(start), operations)
}

func measureSpawnMany(s samples) {
	done := make(chan int, together)
	start := time.Now()
	for i := 0; i < operations; i += together {
		for k := 0; k < together; k++ {
			go func() { done <- 1 }()
		}
		for k := 0; k < together; k++ {
			<-done
		}
	}
	s.add("spawn_many", time.Since(start), operations)
}

func measureReschedule(s samples) {
	start := time.Now()
	for i := 0; i < operations; i++ {
		runtime.Gosched()
	}
	s.add("reschedule", time.Since(start), operations)
}

func measureRescheduleMany(s samples) {
	var group sync.WaitGroup
	group.Add(together)
	start := time.Now()
	for i := 0; i < together; i++ {
		go func() {
			defer group.Done()
			for k := 0; k < operations/together; k++ {
				runtime.Gosched()
			}
		}()
	}
	group.Wait()
	s.add("reschedule_many", time.Since(start), operations)
}

func measureChannel(s samples) {
	channel := make(chan int, channelCapacity)
	go func() {
		for i := 0; i < warmUp+operations; i++ {
			channel <- i
		}
	}()
	for i := 0; i < warmUp; i++ {
		<-channel
	}
	start := time.Now()
	for i := 0; i < operations; i++ {
		<-channel
	}
	s.add("channel", time.Since(start), operations)
}

func measureCancel(s samples) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for i := 0; i < together; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			timer := time.NewTimer(time.Hour)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}()
	}
	runtime.Gosched()
	runtime.Gosched() // all of them wait
	start := time.Now()
	cancel()
	group.Wait()
	s.add("cancel", time.Since(start), 1)
}

type timers struct {
	delays  []time.Duration
	next    int
	pending []*time.Timer
}

func newTimers() *timers {
	t := &timers{}
	random := rand.New(rand.NewSource(1))
	for i := 0; i < timersPending; i++ {
		delay := time.Second + time.Duration(random.Int63n(int64(time.Hour-time.Second)))
		t.delays = append(t.delays, delay)
		t.pending = append(t.pending, time.AfterFunc(delay, func() {}))
	}
	return t
}

func (t *timers) measure(s samples) {
	measured := make([]*time.Timer, timersAtOnce)
	start := time.Now()
	for done := 0; done < operations; done += timersAtOnce {
		for i := range measured {
			measured[i] = time.AfterFunc(t.delays[t.next%len(t.delays)], func() {})
			t.next++
		}
		for _, timer := range measured {
			timer.Stop()
		}
	}
	s.add("timer", time.Since(start), operations)
}

func main() {
	rounds := 0
	if len(os.Args) == 2 {
		rounds, _ = strconv.Atoi(os.Args[1])
	}
	if rounds <= 0 || rounds > 1000 {
		fmt.Fprintf(os.Stderr, "usage: %s ROUNDS\n", os.Args[0])
		os.Exit(2)
	}
	runtime.GOMAXPROCS(1)
	s := samples{}
	// First all of the others: a heap with a million timers in it would make the collector slow them down.
	for i := 0; i < rounds; i++ {
		measureSpawn(s)
		measureSpawnMany(s)
		measureReschedule(s)
		measureRescheduleMany(s)
		measureChannel(s)
		measureCancel(s)
	}
	pending := newTimers()
	for i := 0; i < rounds; i++ {
		pending.measure(s)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": s})
	runtime.KeepAlive(pending)
}
