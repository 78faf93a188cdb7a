#include "core/journal/spare_pool.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/journal/names.h"

namespace aspen::journal {

Result<> SparePool::adopt(const std::vector<std::string>& names) {
  bool removed = false;
  for (const std::string& name : names) {
    std::optional<uint64_t> slot = number_of(name, kSpareSuffix);
    if (!slot && name != kNewSpare) continue;
    if (slot && slots_.size() < spares_max_) {
      ASPEN_TRY(auto file, directory_.open(name));
      ASPEN_TRY(uint64_t size, file->size());
      if (size == segment_bytes_) {
        slots_.insert(*slot);
        continue;
      }
    }
    ASPEN_CHECK(directory_.remove(name));
    removed = true;
  }
  if (!removed) return {};
  return directory_.sync();
}

Result<SparePool::Spare> SparePool::take() {
  while (slots_.empty()) ASPEN_CHECK(make_slice());
  std::string name = file_name(*slots_.begin(), kSpareSuffix);
  ASPEN_TRY(auto file, directory_.open(name));
  slots_.erase(slots_.begin());
  return Spare{.name = std::move(name), .file = std::move(file), .bytes = segment_bytes_};
}

Result<SparePool::Spare> SparePool::take_first() {
  const std::string name(kNewSpare);
  size_t bytes = std::min(limits::kJournalZeroBytes, segment_bytes_);
  ASPEN_TRY(auto file, directory_.create(name));
  ASPEN_CHECK(file->write(0, Bytes(bytes, '\0')));
  ASPEN_CHECK(file->sync());
  return Spare{.name = name, .file = std::move(file), .bytes = bytes};
}

Result<> SparePool::give(const std::string& name) {
  if (slots_.size() >= spares_max_) {
    ASPEN_CHECK(directory_.remove(name));
    return directory_.sync();
  }
  // Another size: made under other options.
  ASPEN_TRY(auto file, directory_.open(name));
  ASPEN_TRY(uint64_t size, file->size());
  if (size != segment_bytes_) {
    ASPEN_CHECK(directory_.remove(name));
    return directory_.sync();
  }
  uint64_t slot = free_slot();
  ASPEN_CHECK(directory_.rename(name, file_name(slot, kSpareSuffix)));
  // Before its header may be overwritten: else, after a crash, it could be a segment again, of another
  // number.
  if (!ASPEN_MUTANT("journal-give-up-not-synced")) ASPEN_CHECK(directory_.sync());
  slots_.insert(slot);
  return {};
}

Result<bool> SparePool::make_slice() {
  if (!slots_.empty()) return false;
  if (auto result = make_slice_of_new(); !result) {
    // What is left of it only takes room from others. If it cannot be removed, the next attempt begins with
    // it.
    if (making_ != nullptr && directory_.remove(std::string(kNewSpare))) making_.reset();
    zeroed_ = 0;
    return forward_error(std::move(result));
  }
  return slots_.empty();
}

Result<> SparePool::make_slice_of_new() {
  const std::string name(kNewSpare);
  if (making_ == nullptr) {
    ASPEN_TRY(making_, directory_.create(name));
    zeroed_ = 0;
  }
  static const Bytes zeroes(limits::kJournalZeroBytes, '\0');
  auto slice = BytesView(zeroes).substr(0, std::min<size_t>(zeroes.size(), segment_bytes_ - zeroed_));
  ASPEN_CHECK(making_->write(zeroed_, slice));
  // Each slice, so that the last one, and syncs of others meanwhile, need not wait for all of them.
  ASPEN_CHECK(making_->sync());
  zeroed_ += slice.size();
  if (zeroed_ < segment_bytes_) return {};
  uint64_t slot = free_slot();
  // Durable with the name it gets when it is used; lost before, nothing is.
  ASPEN_CHECK(directory_.rename(name, file_name(slot, kSpareSuffix)));
  making_.reset();
  slots_.insert(slot);
  return {};
}

uint64_t SparePool::free_slot() const {
  uint64_t slot = 0;
  while (slots_.contains(slot)) ++slot;
  return slot;
}

}  // namespace aspen::journal
