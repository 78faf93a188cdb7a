// A queue of at most `capacity` items in one block of memory that is allocated once: pushing and popping
// never allocate.
//
// Invariants: size() <= capacity().
// Thread safety: none.
#pragma once

#include <memory>
#include <utility>

#include "core/base/assert.h"

namespace aspen::rt {

template <typename T>
class Ring {
 public:
  // Requires: capacity > 0.
  explicit Ring(size_t capacity) : capacity_(capacity) {
    ASPEN_ASSERT(capacity > 0);
    items_ = std::allocator<T>().allocate(capacity);
  }
  ~Ring() {
    clear();
    std::allocator<T>().deallocate(items_, capacity_);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == capacity_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // The item at `index`, the oldest at 0. Requires: index < size().
  T& operator[](size_t index) {
    ASPEN_ASSERT(index < size_);
    return *at(index);
  }
  // Requires: not full.
  void push_back(T item) {
    ASPEN_ASSERT(!full());
    std::construct_at(at(size_), std::move(item));
    ++size_;
  }
  // Requires: not empty.
  T pop_front() {
    ASPEN_ASSERT(!empty());
    T item(std::move(*at(0)));
    std::destroy_at(at(0));
    first_ = first_ + 1 == capacity_ ? 0 : first_ + 1;
    --size_;
    return item;
  }
  void clear() {
    while (!empty()) pop_front();
  }

 private:
  T* at(size_t index) const {
    size_t place = first_ + index;
    return items_ + (place >= capacity_ ? place - capacity_ : place);
  }

  size_t capacity_;
  T* items_ = nullptr;
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace aspen::rt
