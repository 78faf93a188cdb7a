#include "core/rt/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "core/base/mutant.h"

namespace aspen::rt {

TimerWheel::TimerWheel(TimeNs now) : present_(now) {
  ASPEN_ASSERT(now >= 0);
}

void TimerWheel::insert(Entry& entry, TimeNs at) {
  entry.at_ = std::max(at, present_);
  place(entry);
}

void TimerWheel::place(Entry& entry) {
  uint64_t at = static_cast<uint64_t>(entry.at_);
  uint64_t differs = at ^ static_cast<uint64_t>(present_);
  size_t wheel = static_cast<size_t>(std::bit_width(differs | 1) - 1) / kDigitBits;
  size_t digit = at >> (wheel * kDigitBits) & (kSlots - 1);
  size_t index = wheel * kSlots + digit;
  Slot& slot = slots_[index];
  entry.slot_ = static_cast<uint16_t>(index);
  slot.entries.push_back(entry);
  if (!ASPEN_MUTANT("rt-timer-next-late") || slot.first == kNever)
    slot.first = std::min(slot.first, entry.at_);
  slots_used_[wheel][digit / 64] |= uint64_t{1} << digit % 64;
  wheels_used_ |= 1u << wheel;
}

void TimerWheel::remove(Entry& entry) {
  size_t index = entry.slot_;
  if (index == kDue && ASPEN_MUTANT("rt-timer-due-fires-anyway")) return;
  entry.unlink();
  if (index == kDue) return;
  Slot& slot = slots_[index];
  if (slot.entries.empty()) {
    Due none;
    take(index, none);
  } else if (entry.at_ == slot.first && index >= kSlots) {
    look_for_first(slot);
  }
}

// A longer look would make removing the first entries of a full slot, one after the other, quadratic.
void TimerWheel::look_for_first(Slot& slot) {
  TimeNs first = kNever;
  size_t looked = 0;
  for (Entry* entry = slot.entries.front(); entry != nullptr; entry = slot.entries.next(*entry)) {
    if (++looked > kLookMax) return;
    first = std::min(first, entry->at_);
  }
  slot.first = first;
}

// Empties a slot into `out`.
void TimerWheel::take(size_t index, Due& out) {
  Slot& slot = slots_[index];
  out.append(slot.entries);
  slot.first = kNever;
  size_t wheel = index / kSlots;
  size_t digit = index % kSlots;
  Bits& used = slots_used_[wheel];
  used[digit / 64] &= ~(uint64_t{1} << digit % 64);
  if (used == Bits{}) wheels_used_ &= ~(1u << wheel);
}

size_t TimerWheel::first_slot() const {
  size_t wheel = static_cast<size_t>(std::countr_zero(wheels_used_));
  const Bits& used = slots_used_[wheel];
  size_t word = 0;
  while (used[word] == 0) ++word;
  return wheel * kSlots + word * 64 + static_cast<size_t>(std::countr_zero(used[word]));
}

void TimerWheel::advance(TimeNs now, Due& due) {
  while (wheels_used_ != 0) {
    size_t index = first_slot();
    size_t low_bits = index / kSlots * kDigitBits;
    TimeNs begin = slots_[index].first >> low_bits << low_bits;
    if (begin > now) break;
    // The present goes through the beginning of every slot that is used, or entries would be in wrong wheels.
    present_ = begin;
    Due entries;
    take(index, entries);
    if (low_bits == 0) {
      for (Entry* it = entries.front(); it != nullptr; it = entries.next(*it)) it->slot_ = kDue;
      due.append(entries);
      continue;
    }
    while (Entry* entry = ASPEN_MUTANT("rt-timer-order-lost") ? entries.back() : entries.front()) {
      entry->unlink();
      place(*entry);
    }
  }
  present_ = std::max(present_, now);
}

TimeNs TimerWheel::next() const {
  return wheels_used_ == 0 ? kNever : slots_[first_slot()].first;
}

}  // namespace aspen::rt
