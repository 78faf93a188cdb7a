// Work that blocks (disk syncs, name look-ups), run somewhere else: on a thread in production (blocking.h), in
// virtual time in the lab. The work runs elsewhere, its completion on the executor's thread. Work that
// started is never abandoned: whoever waits, waits for its end.
//
//   ASPEN_CO_TRY(Bytes bytes, co_await offload.run(cx, [&] { return read_file(path); }));
//
// Thread safety: submit() and run() on the executor's thread.
#pragma once

#include <functional>
#include <optional>

#include "core/rt/region.h"

namespace aspen::rt {

class Offload {
 public:
  using Work = std::move_only_function<void()>;
  virtual ~Offload() = default;

  // Runs `work` elsewhere, then, also if it panicked, `done` on the executor's thread. Errors: OVERLOADED;
  // then neither runs.
  virtual Result<> submit(Work work, Work done) = 0;

  // co_await -> what `function() -> Result<T>` returned. Not cut short by cancel. Errors: OVERLOADED.
  template <typename F>
  auto run(Cx& cx, F function) -> Task<std::invoke_result_t<F>> {
    co_return co_await Run<F>(cx, *this, std::move(function));
  }

 private:
  // Both ends of run(): the waiting frame stays until the work has ended, so the work may live in it.
  template <typename F>
  class Run final : public Waiter {
   public:
    Run(Cx& cx, Offload& offload, F function)
        : Waiter(cx), offload_(offload), function_(std::move(function)) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      auto submitted = offload_.submit([this] { work(); }, [this] { wake(); });
      if (submitted) return;
      result_ = std::unexpected(std::move(submitted).error());
      wake();
    }
    std::invoke_result_t<F> await_resume() { return std::move(*result_); }

   private:
    bool drains() const override { return true; }
    void abandon() override {}
    void work() {
      try {
        result_ = function_();
      } catch (...) {
        result_ = fail(Code::INTERNAL, "panic: {}", current_panic_text());
      }
    }
    Offload& offload_;
    F function_;
    std::optional<std::invoke_result_t<F>> result_;
  };
};

// An Offload that keeps order: what is submitted runs one after the other, never two at a time. The Raft log
// writer is a lane; that is what makes its writes reach the disk in order.
class Lane : public Offload {};

}  // namespace aspen::rt
