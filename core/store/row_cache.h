// Rows in memory by key, at most so many bytes of them; the least recently used go first.
//
// A search in a table that many writes went to touches a new cache line at every step of its skip list. The
// rows that are read again and again are few: one step finds them here. Where they are not few, rows would
// push each other out before they are read again, and bringing one in costs more than it saves: a full cache
// takes one of a few.
//
// Invariants: size_bytes() <= bytes_max. A row is counted with what the cache itself keeps for it.
// Thread safety: none.
#pragma once

#include <list>
#include <unordered_map>

#include "core/base/bytes.h"

namespace aspen::store {

class RowCache {
 public:
  explicit RowCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Null when it is not here; borrowed until the next change.
  const Bytes* find(BytesView key);
  // Replaces a row, or adds it: not when it is too large to be worth others' places, and not always when
  // full.
  void put(BytesView key, BytesView value);
  // Replaces a row that is here.
  void update(BytesView key, BytesView value);
  void erase(BytesView key);
  void clear();

  size_t size() const { return rows_.size(); }
  size_t size_bytes() const { return size_bytes_; }

 private:
  struct Row {
    Bytes key;
    Bytes value;
  };
  using Rows = std::list<Row>;  // the most recently used first

  static size_t cost(BytesView key, BytesView value);
  void replace(Rows::iterator row, BytesView value);
  void remove(Rows::iterator row);
  void evict();

  const size_t bytes_max_;
  size_t size_bytes_ = 0;
  uint64_t offered_when_full_ = 0;
  Rows rows_;
  std::unordered_map<BytesView, Rows::iterator> by_key_;  // the keys are the rows'
};

}  // namespace aspen::store
