#include "core/store/row_cache.h"

#include "core/base/assert.h"

namespace aspen::store {
namespace {

constexpr size_t kRowOverheadBytes = 160;  // the list's node, the map's node, their allocations
constexpr uint64_t kFullTakesOneOf = 8;
constexpr size_t kRowsMin = 64;  // a row that leaves room for fewer is too large

}  // namespace

size_t RowCache::cost(BytesView key, BytesView value) {
  return key.size() + value.size() + kRowOverheadBytes;
}

const Bytes* RowCache::find(BytesView key) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  rows_.splice(rows_.begin(), rows_, found->second);
  return &found->second->value;
}

void RowCache::put(BytesView key, BytesView value) {
  if (auto found = by_key_.find(key); found != by_key_.end()) return replace(found->second, value);
  if (cost(key, value) > bytes_max_ / kRowsMin) return;
  bool full = size_bytes_ + cost(key, value) > bytes_max_;
  if (full && ++offered_when_full_ % kFullTakesOneOf != 0) return;
  rows_.push_front({Bytes(key), Bytes(value)});
  by_key_.emplace(rows_.front().key, rows_.begin());
  size_bytes_ += cost(key, value);
  evict();
}

void RowCache::update(BytesView key, BytesView value) {
  if (auto found = by_key_.find(key); found != by_key_.end()) replace(found->second, value);
}

void RowCache::erase(BytesView key) {
  if (auto found = by_key_.find(key); found != by_key_.end()) remove(found->second);
}

void RowCache::clear() {
  by_key_.clear();
  rows_.clear();
  size_bytes_ = 0;
}

void RowCache::replace(Rows::iterator row, BytesView value) {
  if (cost(row->key, value) > bytes_max_ / kRowsMin) return remove(row);
  size_bytes_ += value.size();
  size_bytes_ -= row->value.size();
  row->value = value;
  rows_.splice(rows_.begin(), rows_, row);
  evict();
}

void RowCache::remove(Rows::iterator row) {
  size_bytes_ -= cost(row->key, row->value);
  by_key_.erase(row->key);
  rows_.erase(row);
}

void RowCache::evict() {
  while (size_bytes_ > bytes_max_) remove(std::prev(rows_.end()));
  ASPEN_ASSERT(rows_.size() == by_key_.size());
}

}  // namespace aspen::store
