// Timers by time: insert and remove in constant time without allocation, whatever their number.
//
// The problem: most timers are deadlines and time-outs that are moved or dropped before they fire. A heap
// pays for each of them with its height; a wheel only links them into a slot (Varghese and Lauck, "Hashed and
// hierarchical timing wheels", SOSP 1987, scheme 7).
//
// The idea: a time is seven digits of nine bits, and each digit has a wheel of 512 slots. An entry stands at
// the highest digit in which its time differs from the present. When the present reaches a slot, its entries
// go down to lower wheels; the slots of the lowest hold one nanosecond each. All of time is covered, so there
// is no overflow, and no tick that would round or reorder.
//
// What it costs: 86 KB; an entry that fires went down once per digit at most. A slot goes down as a whole,
// which takes as long as it has entries: of timers some seconds ahead those of 134 ms, with a million of them
// some milliseconds. Smaller digits take less memory but make fuller slots.
//
// Invariants: at any present, equal times stand in the same slot, in the order inserted, and every entry of a
// wheel comes before every entry of a higher one. So entries become due by time, then by order of insertion.
// Lifetime: entries may go at any time through remove(), also when they are due; not by their destructor
// alone.
// Thread safety: none; owned by one Executor.
#pragma once

#include <array>

#include "core/base/time.h"
#include "core/rt/list.h"

namespace aspen::rt {

class TimerWheel {
 public:
  class Entry : public ListNode<Entry> {
   public:
    bool armed() const { return linked(); }

   private:
    friend class TimerWheel;
    TimeNs at_ = 0;
    uint16_t slot_ = 0;
  };
  using Due = List<Entry, Entry>;

  // Requires: the time is not negative.
  explicit TimerWheel(TimeNs now);

  // A time that has passed counts as the present. Requires: not armed; `at` is not kNever.
  void insert(Entry& entry, TimeNs at);
  // Requires: armed.
  void remove(Entry& entry);
  // Moves the present to `now` and what is due then to the end of `due`. Those stay armed until they are
  // taken from there. A `now` before the present counts as the present.
  void advance(TimeNs now, Due& due);
  // When the first entry is due, or a time before that and after the present: by going there, again if need
  // be, one gets to every entry at its time. Exact unless the first of more than kLookMax entries in its slot
  // was removed. kNever when there is none.
  TimeNs next() const;

 private:
  static constexpr int kDigitBits = 9;
  static constexpr size_t kSlots = size_t{1} << kDigitBits;
  static constexpr size_t kWheels = 7;  // 63 bits
  static constexpr uint16_t kDue = kWheels * kSlots;
  static constexpr size_t kLookMax = 16;

  struct Slot {
    Due entries;
    TimeNs first = kNever;  // no entry is earlier
  };

  void place(Entry& entry);
  void look_for_first(Slot& slot);
  void take(size_t slot, Due& out);
  // Requires: not empty.
  size_t first_slot() const;

  TimeNs present_;
  uint32_t wheels_used_ = 0;  // a bit for each wheel with an entry
  using Bits = std::array<uint64_t, kSlots / 64>;
  std::array<Bits, kWheels> slots_used_{};
  std::array<Slot, kWheels * kSlots> slots_;
};

}  // namespace aspen::rt
