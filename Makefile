# Shortcuts; the work is done by CMake (CMakePresets.json) and scripts/.
.DEFAULT_GOAL := help
SEEDS ?= 10000..1000000000
.PHONY: help setup build test demo torture soak mutants asan tsan fuzz bench bench-etcd format clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## install what is missing (apt packages, Python packages in build/venv)
	@scripts/setup

build: setup ## build release: build/release/bin/aspen, build/release/lib/libaspen.so
	@echo "build: release into build/release"
	@cmake --preset release >build/cmake.log 2>&1 || { cat build/cmake.log; exit 1; }
	@cmake --build --preset release --target product

test: setup ## build and run every test in every language
	@scripts/test

demo: build ## three nodes, five languages, a killed leader, and no lost write
	@scripts/demo

torture: build ## real processes under kills, partitions, full disks, clock jumps (TORTURE_SECONDS=600); needs root
	@cmake --build --preset release --target torture_tools >build/torture.log 2>&1 || { cat build/torture.log; exit 1; }
	@scripts/torture

soak: build ## simulate clusters under faults until interrupted or a seed fails (SEEDS=A..B)
	@build/release/bin/aspen sim --scenario all --seeds $(SEEDS) --faults all --stop

mutants: setup ## plant known bugs one at a time; every one must be caught
	@scripts/mutants

asan: setup ## build and run the C++ tests under ASan and UBSan
	@scripts/sanitize asan

tsan: setup ## build and run the C++ tests under TSan
	@scripts/sanitize tsan

fuzz: setup ## fuzz every decoder, 60 seconds each
	@scripts/fuzz

bench: build ## measure, beside what bounds it
	@bench/kv
	@bench/rt
	@bench/groups

bench-etcd: build ## measure beside etcd, which is fetched for it
	@scripts/setup --bench
	@bench/vs_etcd

format: ## format C and C++ sources
	@scripts/format

clean: ## remove everything that was built
	rm -rf build
