// Work that blocks (disk syncs, name look-ups), run somewhere else: on a thread in production (blocking.h),
// in virtual time in the lab. The work runs elsewhere, its completion on the executor's thread.
//
// Work cannot be stopped half-way, so a cancel is soft: work that has not started is dropped, and whoever
// waited goes on cancelled; for work that has started the waiter waits until it ends.
//
//   ASPEN_CO_TRY(Bytes bytes, co_await offload.run(cx, [&] { return read_file(path); }));
//
// Thread safety: submit() and run() on the executor's thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "core/base/mutant.h"
#include "core/rt/region.h"

namespace aspen::rt {

class Offload {
 public:
  using Work = std::move_only_function<void()>;
  virtual ~Offload() = default;

  // Runs `work` elsewhere, then, also if it panicked, `done` on the executor's thread. Errors: OVERLOADED;
  // then neither runs.
  virtual Result<> submit(Work work, Work done) = 0;

  // co_await -> what `function() -> Result<T>` returned. Errors: OVERLOADED; the cancel reason, and then
  // `function` did not and will not run. Dropped work keeps its place in the queue, empty, until its turn.
  template <typename F>
  auto run(Cx& cx, F function) -> Task<std::invoke_result_t<F>> {
    co_return co_await Run<F>(cx, *this, std::move(function));
  }

 private:
  // Whether the work runs or is dropped: the first to say so decides.
  enum class Fate : uint8_t { open, started, dropped };

  // Both ends of run(): the waiting frame stays until the work has ended or is dropped, so the work may live
  // in it. What is dropped while it is queued must not touch the frame: it looks at its fate first.
  template <typename F>
  class Run final : public Waiter {
   public:
    Run(Cx& cx, Offload& offload, F function)
        : Waiter(cx), offload_(offload), function_(std::move(function)) {}
    bool await_ready() { return checkpoint_failed(); }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle);
      auto start = [this, fate = fate_] {
        if (decide(*fate, Fate::started)) work();
      };
      auto submitted = offload_.submit(std::move(start), [this, fate = fate_] {
        if (*fate != Fate::dropped) wake();
      });
      if (submitted) return;
      result_ = std::unexpected(std::move(submitted).error());
      wake();
    }
    std::invoke_result_t<F> await_resume() {
      if (cancelled()) return std::unexpected(cx().checkpoint().error());
      return std::move(*result_);
    }

   private:
    static bool decide(std::atomic<Fate>& fate, Fate decision) {
      Fate open = Fate::open;
      return fate.compare_exchange_strong(open, decision);
    }
    bool drains() const override { return *fate_ != Fate::dropped; }
    void abandon() override {
      if (!ASPEN_MUTANT("rt-offload-runs-cancelled")) decide(*fate_, Fate::dropped);
    }
    void work() {
      try {
        result_ = function_();
      } catch (...) {
        result_ = fail(Code::INTERNAL, "panic: {}", current_panic_text());
      }
    }
    Offload& offload_;
    F function_;
    std::shared_ptr<std::atomic<Fate>> fate_ = std::make_shared<std::atomic<Fate>>(Fate::open);
    std::optional<std::invoke_result_t<F>> result_;
  };
};

// An Offload that keeps order: what is submitted runs one after the other, never two at a time. The Raft log
// writer is a lane; that is what makes its writes reach the disk in order.
class Lane : public Offload {};

}  // namespace aspen::rt
