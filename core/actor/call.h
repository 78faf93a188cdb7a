// One request and its answer. The caller waits in its own frame; whoever handles the request holds a Reply.
//
//   waiting --Reply::send, Reply::fail--> answered
//   waiting --the last Reply is dropped--> answered: UNAVAILABLE, maybe applied
//   waiting --the called actor ends--> answered: UNAVAILABLE, maybe applied, with its reason
//   waiting --timeout or cancel--> given up: a later answer is dropped
//
// So a caller never hangs on an actor that is gone, and a late answer can never be taken for another's. A
// Reply may be handed on, but only while the called actor lives: its end is the end of what it promised.
//
// Invariants: the first answer counts; an answer that came before the cancel is not lost.
// Thread safety: none; one executor's thread.
#pragma once

#include "core/actor/payload.h"
#include "core/rt/region.h"

namespace aspen::actor {

class Call {
 public:
  // Later ones are ignored.
  void answer(Result<Payload> answer);
  bool answered() const { return answer_.has_value() || taken_; }

  class Wait final : public rt::Waiter {
   public:
    Wait(rt::Cx& cx, Call& call, TimeNs until)
        : Waiter(cx), call_(call), until_(until), timer_(cx.executor(), [this] { wake_up(); }) {}
    bool await_ready() { return call_.answer_ || checkpoint_failed() || until_ <= cx().now(); }
    void await_suspend(std::coroutine_handle<> handle) {
      ASPEN_ASSERT(call_.waiter_ == nullptr);
      suspend(handle);
      timer_.arm(until_);
      call_.waiter_ = this;
    }
    // Empty when the time has passed.
    Result<std::optional<Result<Payload>>> await_resume();

   private:
    friend class Call;
    void abandon() override { call_.waiter_ = nullptr; }
    void wake_up() {
      abandon();
      wake();
    }
    Call& call_;
    TimeNs until_;
    rt::Timer timer_;
  };
  // co_await, once.
  Wait wait(rt::Cx& cx, TimeNs until) { return Wait(cx, *this, until); }

 private:
  std::optional<Result<Payload>> answer_;
  bool taken_ = false;
  Wait* waiter_ = nullptr;
};

// The obligation to answer. Dropping it unanswered tells the caller so.
class Reply {
 public:
  Reply() = default;
  explicit Reply(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&& other) noexcept;
  ~Reply() { drop(); }

  // Requires, of both: owed().
  void send(Payload answer) &&;
  void fail(Error error) &&;
  // False for the message of no call, and once used.
  bool owed() const { return call_ != nullptr; }

 private:
  void drop();
  std::shared_ptr<Call> call_;
};

}  // namespace aspen::actor
