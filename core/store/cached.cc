// A store with the rows that were read from it in memory.
//
// A row comes in when it is read and changes with the writes; what is only written, as in a bulk load,
// displaces nothing. So a hit is what the store below would say. Two things could break that, and neither is
// left to chance:
//
//   a read and a write at the same time    the read may see the row as it was before and bring it in
//                                          afterwards, for good. Reads pass the cache by while a write is
//                                          under way, and bring in nothing when one has begun since they
//                                          looked.
//   two writes at the same time            which of them is the later one only the store below knows. The
//                                          one that began second takes its rows out instead of changing
//                                          them.
//
// After a failed write nobody knows, so everything is dropped. A row that the store below has left out,
// because it is obsolete, may stay.
#include <mutex>

#include "core/base/mutant.h"
#include "core/store/row_cache.h"
#include "core/store/store.h"

namespace aspen::store {
namespace {

class CachedStore final : public Store {
 public:
  CachedStore(std::unique_ptr<Store> store, size_t bytes_max) : store_(std::move(store)), cache_(bytes_max) {}

  Result<std::optional<Bytes>> get(BytesView key) const override {
    uint64_t began = 0;
    {
      std::lock_guard lock(mutex_);
      if (writing_ == 0 || ASPEN_MUTANT("store-cache-read-during-write")) {
        if (const Bytes* value = cache_.find(key)) return *value;
      }
      began = writes_begun_;
    }
    ASPEN_TRY(std::optional<Bytes> value, store_->get(key));
    if (value) {
      std::lock_guard lock(mutex_);
      bool same = writing_ == 0 && writes_begun_ == began;
      if (same || ASPEN_MUTANT("store-cache-keeps-old-row")) cache_.put(key, *value);
    }
    return value;
  }

  std::unique_ptr<Iterator> iterate() const override { return store_->iterate(); }
  std::unique_ptr<Reader> snapshot() const override { return store_->snapshot(); }
  Result<> flush() override { return store_->flush(); }
  void drop(Obsolete obsolete) override { store_->drop(std::move(obsolete)); }

  Result<> write(Batch batch, Sync sync) override {
    begin_write(batch);
    Result<> written = store_->write(std::move(batch), sync);
    std::lock_guard lock(mutex_);
    --writing_;
    if (!written && !ASPEN_MUTANT("store-cache-kept-after-failure")) cache_.clear();
    return written;
  }

 private:
  void begin_write(const Batch& batch) {
    std::lock_guard lock(mutex_);
    ++writes_begun_;
    const bool alone = writing_++ == 0 || ASPEN_MUTANT("store-cache-second-writer-updates");
    for (const Batch::Change& change : batch.changes()) {
      switch (change.kind) {
        case Batch::Change::Kind::put:
          alone ? cache_.update(change.key, change.value) : cache_.erase(change.key);
          break;
        case Batch::Change::Kind::erase:
          if (!ASPEN_MUTANT("store-cache-misses-erase")) cache_.erase(change.key);
          break;
        case Batch::Change::Kind::erase_range:  // rare: it is how whole generations go
          if (!ASPEN_MUTANT("store-cache-misses-erase")) cache_.clear();
          break;
      }
    }
  }

  const std::unique_ptr<Store> store_;
  mutable std::mutex mutex_;
  mutable RowCache cache_;  // what it has is as the store below has it, when nothing is being written
  size_t writing_ = 0;      // writes under way
  uint64_t writes_begun_ = 0;
};

}  // namespace

std::unique_ptr<Store> open_cached(std::unique_ptr<Store> store, size_t bytes_max) {
  return std::make_unique<CachedStore>(std::move(store), bytes_max);
}

}  // namespace aspen::store
