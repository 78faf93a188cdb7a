// A stored function that may destroy its holder while it runs.
//
// A timer that closes the connection the timer belongs to is ordinary here, but a std::function that is
// destroyed while it runs takes its captures with it. So it runs from the stack, and goes back to its holder
// afterwards if that is still there.
//
// Requires: it is not called again from inside its own call.
// Thread safety: none.
#pragma once

#include <functional>
#include <utility>

namespace aspen::rt {

template <typename... Args>
class Callback {
 public:
  explicit Callback(std::function<void(Args...)> function) : function_(std::move(function)) {}
  ~Callback() {
    if (running_ != nullptr) running_->holder = nullptr;
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

  void operator()(Args... args) {
    Running running{this, std::move(function_)};
    running_ = &running;
    running.function(args...);
  }

 private:
  struct Running {
    Callback* holder;
    std::function<void(Args...)> function;
    ~Running() {
      if (holder == nullptr) return;
      holder->function_.swap(function);
      holder->running_ = nullptr;
    }
  };
  std::function<void(Args...)> function_;
  Running* running_ = nullptr;
};

}  // namespace aspen::rt
