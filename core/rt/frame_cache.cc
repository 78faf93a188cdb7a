#include "core/rt/frame_cache.h"

namespace aspen::rt {

// Its end is the thread's.
struct FrameCache::Owner {
  static inline thread_local bool ended = false;
  ~Owner() {
    ended = true;
    delete current_;
    current_ = nullptr;
  }
};

bool FrameCache::make_current() noexcept {
  if (Owner::ended) return false;
  static thread_local Owner owner;
  current_ = new (std::nothrow) FrameCache;
  return current_ != nullptr;
}

FrameCache::~FrameCache() {
  for (Bin& bin : bins_) {
    while (Block* block = bin.first) {
      bin.first = block->next;
      ::operator delete(block);
    }
  }
}

size_t FrameCache::kept() {
  size_t count = 0;
  if (current_ == nullptr) return count;
  for (const Bin& bin : current_->bins_) count += bin.count;
  return count;
}

}  // namespace aspen::rt
