#include "core/store/store.h"

namespace aspen::store {

void Batch::put(BytesView key, BytesView value) {
  changes_.push_back({Change::Kind::put, Bytes(key), Bytes(value)});
  size_bytes_ += key.size() + value.size();
}

void Batch::erase(BytesView key) {
  changes_.push_back({Change::Kind::erase, Bytes(key), {}});
  size_bytes_ += key.size();
}

void Batch::erase_range(BytesView start, BytesView end) {
  changes_.push_back({Change::Kind::erase_range, Bytes(start), Bytes(end)});
  size_bytes_ += start.size() + end.size();
}

void Batch::clear() {
  changes_.clear();
  size_bytes_ = 0;
}

}  // namespace aspen::store
