#include "core/lab/explore.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/rt/env.h"

namespace aspen::lab {
namespace {

constexpr size_t kSlotsFirst = 1u << 12;

}  // namespace

Fingerprint fingerprint(BytesView state) {
  Hash full = hash("aspen lab state", {state});
  Fingerprint out;
  std::memcpy(&out, full.data(), sizeof out);
  return out;
}

TimeNs explore_clock() {
  return rt::system_env().now();
}

FingerprintSet::FingerprintSet() : slots_(kSlotsFirst) {}

// The slot that holds `fingerprint`, or the free one where it belongs.
Fingerprint* FingerprintSet::find(const Fingerprint& fingerprint) {
  size_t mask = slots_.size() - 1;
  for (size_t at = fingerprint.low & mask;; at = (at + 1) & mask) {
    if (slots_[at] == fingerprint || slots_[at] == Fingerprint{}) return &slots_[at];
  }
}

bool FingerprintSet::insert(const Fingerprint& fingerprint) {
  ASPEN_ASSERT(fingerprint != Fingerprint{});
  Fingerprint* slot = find(fingerprint);
  if (*slot == fingerprint) return false;
  *slot = fingerprint;
  if (++size_ * 3 < slots_.size() * 2) return true;
  std::vector<Fingerprint> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Fingerprint& moved : old) {
    if (moved != Fingerprint{}) *find(moved) = moved;
  }
  return true;
}

std::string ExploreReport::summary() const {
  std::string counted = runs == 0 ? "" : fmt::format("{} runs, ", runs);
  return fmt::format("explore {}: {}{} states, {} transitions, depth {}, {:.1f} s, {} violations{}", name,
                     counted, states, transitions, depth, static_cast<double>(elapsed_ns) / kSecond,
                     violation.empty() ? 0 : 1,
                     complete || !violation.empty() ? "" : ", NOT COMPLETE: a limit was met");
}

std::string ExploreReport::text() const {
  std::string out = summary();
  if (violation.empty()) return out;
  out += fmt::format("\n  {}\n", violation);
  for (const std::string& step : steps) out += fmt::format("    {}\n", step);
  return out + fmt::format("  choices: {}", fmt::join(choices, " "));
}

size_t Choices::choose(size_t count, const char* what) {
  ASPEN_ASSERT(count > 0);
  uint32_t chosen = made_.size() < script_.size() ? script_[made_.size()] : 0;
  // A script that is being shrunk may meet other questions than the run it is from.
  chosen = std::min(chosen, static_cast<uint32_t>(count - 1));
  made_.push_back({chosen, static_cast<uint32_t>(count)});
  if (describe_ && *what != 0) notes_.push_back(fmt::format("{}: {} of {}", what, chosen + 1, count));
  return chosen;
}

void Choices::note(std::string text) {
  if (describe_) notes_.push_back(std::move(text));
}

class RunSearch {
 public:
  RunSearch(std::string name, const Scenario& scenario, ExploreLimits limits)
      : scenario_(scenario), limits_(limits) {
    report_.name = std::move(name);
  }

  ExploreReport run() {
    TimeNs began = explore_clock();
    std::vector<uint32_t> script;
    do {
      Choices choices = attempt(script);
      report_.depth = std::max(report_.depth, static_cast<uint32_t>(choices.made().size()));
      report_.states += choices.made().size() + 1 - script.size();  // those not seen in an earlier run
      ++report_.runs;
      if (!report_.violation.empty() || report_.depth > limits_.depth_max) break;
      report_.complete = !next(choices, script);
    } while (!report_.complete && report_.runs < limits_.states_max);
    report_.transitions = report_.states - 1;
    if (!report_.violation.empty()) shrink(script);
    report_.elapsed_ns = explore_clock() - began;
    return std::move(report_);
  }

  Choices attempt(const std::vector<uint32_t>& script, bool describe = false) {
    Choices choices;
    choices.script_ = script;
    choices.describe_ = describe;
    report_.violation = scenario_(choices);
    if (describe) report_.steps = std::move(choices.notes_);
    return choices;
  }

  const std::string& violation() const { return report_.violation; }

 private:
  // The next list of decisions, in lexical order; false after the last.
  static bool next(const Choices& choices, std::vector<uint32_t>& script) {
    const auto& made = choices.made();
    size_t size = made.size();
    while (size > 0 && made[size - 1].chosen + 1 == made[size - 1].count) --size;
    if (size == 0) return false;
    script.resize(size);
    for (size_t i = 0; i < size; ++i) script[i] = made[i].chosen;
    ++script.back();
    return true;
  }

  // Fewer interferences, as long as something stays wrong.
  void shrink(std::vector<uint32_t> script) {
    for (bool better = true; better;) {
      better = false;
      for (size_t i = script.size(); i-- > 0;) {
        if (script[i] == 0) continue;
        std::vector<uint32_t> simpler = script;
        simpler[i] = 0;
        attempt(simpler);
        if (report_.violation.empty()) continue;
        script = std::move(simpler);
        better = true;
      }
      while (!script.empty() && script.back() == 0) script.pop_back();
    }
    attempt(script, true);
    report_.choices = std::move(script);
  }

  const Scenario& scenario_;
  ExploreLimits limits_;
  ExploreReport report_;
};

ExploreReport explore_runs(std::string name, const Scenario& scenario, ExploreLimits limits) {
  return RunSearch(std::move(name), scenario, limits).run();
}

std::string replay_run(const Scenario& scenario, const std::vector<uint32_t>& choices) {
  RunSearch search("replay", scenario, {});
  search.attempt(choices);
  return search.violation();
}

}  // namespace aspen::lab
