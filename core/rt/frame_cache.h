// Memory of coroutine frames and tasks, kept by the thread that freed it for the next of about the same size.
//
// Every await of a child makes a frame and drops it, most often on one thread and in sizes that repeat. The
// general allocator takes 8 ns for the pair, this 2.
//
// The idea: a list of free blocks for each multiple of 64 bytes, last in, first out, so that what is reused
// is still in the processor's cache. What does not fit goes to the general allocator: sizes above kBlockMax,
// and what is freed when limits::kFramesKept blocks of its size are there.
//
// Under AddressSanitizer nothing is kept: it would not see the use of a frame after its end.
// Bounds: 1.1 MB for a thread, given back when the thread ends.
// Thread safety: any thread; memory may be freed on another than it was allocated on.
#pragma once

#include <array>
#include <cstddef>
#include <new>

#include "core/base/limits.h"
#include "core/base/mutant.h"

namespace aspen::rt {

class FrameCache {
 public:
  static constexpr size_t kBlockMax = 1'024;
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool kEnabled = false;
#elif defined(__has_feature)
  static constexpr bool kEnabled = !__has_feature(address_sanitizer);
#else
  static constexpr bool kEnabled = true;
#endif

  static void* allocate(size_t size) {
    if (!kEnabled || size > kBlockMax) return ::operator new(size);
    if (current_ != nullptr) {
      Bin& bin = current_->bins_[bin_of(size)];
      if (Block* block = bin.first) {
        bin.first = block->next;
        --bin.count;
        return block;
      }
    }
    return ::operator new((bin_of(size) + 1) * kStep);
  }
  // Requires: `size` is what `memory` was allocated with.
  static void free(void* memory, size_t size) noexcept {
    if (!kEnabled || size > kBlockMax) return ::operator delete(memory);
    if (current_ == nullptr && !make_current()) return ::operator delete(memory);
    Bin& bin = current_->bins_[bin_of(size)];
    bool full = bin.count >= limits::kFramesKept && !ASPEN_MUTANT("rt-frames-kept-forever");
    if (full || ASPEN_MUTANT("rt-frames-not-kept")) {
      return ::operator delete(memory);
    }
    bin.first = new (memory) Block{bin.first};
    ++bin.count;
  }
  // Blocks this thread keeps.
  static size_t kept();

 private:
  struct Owner;
  struct Block {
    Block* next;
  };
  struct Bin {
    Block* first = nullptr;
    size_t count = 0;
  };
  static constexpr size_t kStep = 64;

  FrameCache() = default;
  ~FrameCache();
  static size_t bin_of(size_t size) { return (size - 1) / kStep; }
  // False when the thread is ending.
  static bool make_current() noexcept;

  // In the library too a plain load. Takes 8 bytes of what the system reserves for libraries loaded late.
  [[gnu::tls_model("initial-exec")]] static inline thread_local FrameCache* current_ = nullptr;

  std::array<Bin, kBlockMax / kStep> bins_;
};

// A base of what is allocated there: promises of coroutines, and what has a virtual destructor or no base.
struct InFrameCache {
  static void* operator new(size_t size) { return FrameCache::allocate(size); }
  static void operator delete(void* memory, size_t size) noexcept { FrameCache::free(memory, size); }
};

}  // namespace aspen::rt
