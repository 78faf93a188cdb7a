// Owns one object of the C library, and stays harmless in a forked child.
//
// After fork() the engine's threads do not exist in the child, and their locks may be held for ever. There a
// handle made before the fork neither frees its object nor gives it out: the memory is the price of a child
// that cannot hang.
//
// Thread safety: as the C library's; the fork generation changes only while a child has one thread.
#pragma once

#include <aspen.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace aspen::python {

// How often this process was forked from one that had the module loaded.
inline std::atomic<uint32_t> fork_generation{0};

template <typename T, void (*Free)(T*)>
class Handle {
 public:
  explicit Handle(T* object) : object_(object) {}
  Handle(Handle&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), generation_(other.generation_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (object_ != nullptr && usable()) Free(object_);
  }

  bool usable() const { return generation_ == fork_generation.load(std::memory_order_relaxed); }

  T* get() const {
    if (!usable()) {
      throw std::runtime_error(
          "this aspen object belongs to the process that was forked; open or connect again in this one");
    }
    return object_;
  }

 private:
  T* object_;
  uint32_t generation_ = fork_generation.load(std::memory_order_relaxed);
};

}  // namespace aspen::python
