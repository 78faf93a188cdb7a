module aspen/bench/rt_bench

go 1.21
