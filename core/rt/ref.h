// A counted pointer to what lives on one thread.
//
//   struct Shared : RefCounted { ... };
//   Ref<Shared> a(new Shared);
//   Ref<Shared> b = a;                  // the last of them deletes it
//
// The count stands in the object and is a plain number: std::shared_ptr pays 5 ns for each copy once the
// process has a second thread, and a task is copied and dropped half a dozen times.
//
// Thread safety: none, not even to copy.
#pragma once

#include <concepts>
#include <utility>

namespace aspen::rt {

template <typename T>
class Ref;

// What a Ref points to derives from this. It starts with no Ref.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

 private:
  template <typename>
  friend class Ref;
  unsigned refs_ = 0;
};

// Requires: T derives from RefCounted and is deleted as what it is (a virtual destructor, or final).
template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* target) : target_(target) { add(); }
  Ref(const Ref& other) : target_(other.target_) { add(); }
  Ref(Ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  template <typename U>
    requires std::derived_from<U, T>
  Ref(Ref<U> other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Ref() {
    if (target_ != nullptr && --counted().refs_ == 0) delete target_;
  }

  T& operator*() const { return *target_; }
  T* operator->() const { return target_; }
  explicit operator bool() const { return target_ != nullptr; }

 private:
  template <typename>
  friend class Ref;
  RefCounted& counted() const { return *target_; }
  void add() {
    if (target_ != nullptr) ++counted().refs_;
  }
  T* target_ = nullptr;
};

}  // namespace aspen::rt
