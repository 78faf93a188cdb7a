// What happened in a run, in order: one event a line, and one hash over all of them.
//
// A run is its seed: run twice, it must do the same things in the same order at the same virtual times. The
// hash costs little and is always kept, so a difference is always noticed; the lines cost memory and are
// kept on request, so that first_divergence() can say where two runs parted.
//
//   Trace a(Trace::Recording::on);
//   a.add(1'000, 2, "deliver", "append 3 -> 2");     // line: 1000 2 "deliver" "append 3 -> 2"
//   if (a.hash() != b.hash()) print(first_divergence(a.lines(), b.lines()));
//
// The hash is BLAKE2b of the events with every field's length, so it is the same on every machine. Of what
// happens so often that this would slow a run down (packets), numbers only are mixed into one word, which is
// hashed at the end; their text is made for the lines alone.
//
// Limits: kTraceLinesMax lines are kept; later events are counted and hashed only (truncated()).
// Thread safety: none.
#pragma once

#include <sodium.h>

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"

namespace aspen::lab {

inline constexpr size_t kTraceLinesMax = 4'000'000;

struct TraceEvent {
  TimeNs time = 0;    // virtual
  uint64_t node = 0;  // by the lab's numbering
  std::string kind;
  Bytes detail;

  bool operator==(const TraceEvent&) const = default;
};

using TraceHash = std::array<uint8_t, 16>;
std::string to_hex(const TraceHash& hash);

std::string format(const TraceEvent& event);
// Errors: INVALID_ARGUMENT.
Result<TraceEvent> parse_trace_event(std::string_view line);

class Trace {
 public:
  enum class Recording { off, on };
  explicit Trace(Recording recording = Recording::off, size_t lines_max = kTraceLinesMax);

  void add(TimeNs time, uint64_t node, std::string_view kind, BytesView detail);
  // `numbers` tell the event from others; `detail()` is called when the line is kept.
  template <typename Detail>
  void add_often(TimeNs time, uint64_t node, std::string_view kind, std::initializer_list<uint64_t> numbers,
                 const Detail& detail) {
    mix(static_cast<uint64_t>(time));
    mix(node);
    mix(kind.size() << 8 | static_cast<uint8_t>(kind.front()));
    for (uint64_t number : numbers) mix(number);
    mix(count_++);  // its place among the others
    if (keeps_line()) keep_line(time, node, kind, detail());
  }

  uint64_t count() const { return count_; }
  // Of the events so far. Events may follow.
  TraceHash hash() const;
  const std::vector<std::string>& lines() const { return lines_; }
  bool truncated() const { return recording_ == Recording::on && lines_.size() < count_; }
  // The lines, each with a line end.
  std::string text() const;

 private:
  bool keeps_line() const { return recording_ == Recording::on && lines_.size() < lines_max_; }
  void keep_line(TimeNs time, uint64_t node, std::string_view kind, BytesView detail);
  // After splitmix64's steps: every bit of what came before counts.
  void mix(uint64_t number) {
    often_ = (often_ ^ number) * 0xbf58476d1ce4e5b9;
    often_ ^= often_ >> 31;
  }

  Recording recording_;
  size_t lines_max_;
  uint64_t count_ = 0;
  uint64_t often_ = 0;
  crypto_generichash_state state_;
  std::vector<std::string> lines_;
};

// Lines of Trace::text(), checked. Errors: INVALID_ARGUMENT with the line's number; LIMIT_EXCEEDED over
// kTraceLinesMax.
Result<std::vector<std::string>> parse_trace(std::string_view text);

struct Divergence {
  size_t line = 0;   // from 0: the first that differs, or that only one of them has
  std::string text;  // for people, lines counted from 1: what both did before, and what each did then
};
// nullopt when they are equal.
std::optional<Divergence> first_divergence(const std::vector<std::string>& a,
                                           const std::vector<std::string>& b);

}  // namespace aspen::lab
