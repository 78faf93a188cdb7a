// A callback that its own call may replace or remove: on_frame sets another on_frame.
//
// Requires: it is not called again from inside its own call.
// Thread safety: none.
#pragma once

#include <functional>
#include <utility>

namespace aspen::net {

template <typename... Args>
class Callback {
 public:
  void set(std::function<void(Args...)> function) {
    function_ = std::move(function);
    replaced_ = true;
  }
  explicit operator bool() const { return static_cast<bool>(function_); }
  void run(Args... args) {
    if (!function_) return;
    // The function that runs must not die under its own feet.
    std::function<void(Args...)> running = std::exchange(function_, nullptr);
    replaced_ = false;
    running(std::forward<Args>(args)...);
    if (!replaced_) function_ = std::move(running);
  }

 private:
  std::function<void(Args...)> function_;
  bool replaced_ = false;
};

}  // namespace aspen::net
