#include "core/actor/call.h"

namespace aspen::actor {

void Call::answer(Result<Payload> answer) {
  if (answered()) return;
  answer_.emplace(std::move(answer));
  if (waiter_ != nullptr) waiter_->wake_up();
}

Result<std::optional<Result<Payload>>> Call::Wait::await_resume() {
  timer_.disarm();
  if (call_.answer_) {
    call_.taken_ = true;
    return std::exchange(call_.answer_, std::nullopt);
  }
  if (cancelled()) return std::unexpected(cx().checkpoint().error());
  return std::optional<Result<Payload>>();
}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    drop();
    call_ = std::move(other.call_);
  }
  return *this;
}

void Reply::send(Payload answer) && {
  ASPEN_ASSERT(owed());
  std::exchange(call_, nullptr)->answer(std::move(answer));
}

void Reply::fail(Error error) && {
  ASPEN_ASSERT(owed());
  std::exchange(call_, nullptr)->answer(std::unexpected(std::move(error)));
}

void Reply::drop() {
  if (!owed() || call_->answered()) return;
  std::move(*this).fail(
      Error(Code::UNAVAILABLE, Applied::MAYBE, "the request was dropped without an answer"));
}

}  // namespace aspen::actor
