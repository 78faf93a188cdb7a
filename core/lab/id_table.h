// What is known of live things with ids that only grow: a sorted array. New ones come at the end and few live
// at a time, so this costs a fraction of a map, and the order is that of the ids.
//
// Pointers into it are valid until the next add() or remove().
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace aspen::lab {

template <typename T>
class IdTable {
 public:
  using Entry = std::pair<uint64_t, T>;

  // Null when there is none.
  T* find(uint64_t id) {
    auto it = place(id);
    return it != entries_.end() && it->first == id ? &it->second : nullptr;
  }
  // False when it is there already.
  bool add(uint64_t id, T value) {
    auto it = place(id);
    if (it != entries_.end() && it->first == id) return false;
    entries_.emplace(it, id, std::move(value));
    return true;
  }
  void remove(uint64_t id) {
    auto it = place(id);
    if (it != entries_.end() && it->first == id) entries_.erase(it);
  }
  void clear() { entries_.clear(); }
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }

 private:
  typename std::vector<Entry>::iterator place(uint64_t id) {
    if (entries_.empty() || entries_.back().first < id) return entries_.end();
    return std::ranges::lower_bound(entries_, id, {}, &Entry::first);
  }

  std::vector<Entry> entries_;
};

}  // namespace aspen::lab
