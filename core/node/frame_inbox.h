// What arrives on a stream, queued for the task that takes it. The queue is bounded: at half of it the sender
// has to wait.
//
//   auto inbox = FrameInbox::of(region, stream);
//   for (;;) {
//     ASPEN_CO_TRY(auto frame, co_await inbox->next(cx));
//     if (!frame) break;                       // the end: finished, if inbox->complete()
//   }
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <optional>

#include "core/base/buggify.h"
#include "core/net/stream.h"
#include "core/rt/channel.h"

namespace aspen::node {

class FrameInbox : public std::enable_shared_from_this<FrameInbox> {
 public:
  static constexpr size_t kFramesMax = 16;

  // Takes over the stream's callbacks. The region outlives the inbox.
  static std::shared_ptr<FrameInbox> of(rt::Region& region, net::Stream& stream) {
    auto inbox = std::make_shared<FrameInbox>(region, stream);
    stream.on_frame([inbox](Bytes frame) { inbox->take(std::move(frame)); });
    stream.on_end([inbox] {
      inbox->complete_ = true;
      inbox->frames_.close();
    });
    stream.on_close([inbox](const Error& why) {
      inbox->stream_ = nullptr;
      inbox->why_ = why;
      inbox->frames_.close();
    });
    return inbox;
  }
  FrameInbox(rt::Region& region, net::Stream& stream) : frames_(region, kFramesMax), stream_(&stream) {}

  // Every frame taken lets the stream go on: it may have paused at any of them.
  rt::Task<Result<std::optional<Bytes>>> next(rt::Cx& cx) {
    ASPEN_CO_TRY(auto frame, co_await frames_.recv(cx));
    if (stream_ != nullptr) stream_->resume();
    co_return frame;
  }

  // Null once it has closed.
  net::Stream* stream() { return stream_; }
  // The sender finished; else the end means that the stream broke.
  bool complete() const { return complete_; }
  // Why it closed.
  const Error& why() const { return why_; }
  // What still comes is dropped.
  void stop() {
    over_ = true;
    if (stream_ != nullptr) stream_->resume();
  }

 private:
  void take(Bytes frame) {
    if (over_) return;
    auto permit = frames_.try_reserve();
    if (!permit) return stream_->reset(Code::OVERLOADED, "frames were sent past a pause");
    std::move(*permit).send(std::move(frame));
    size_t pause_at = ASPEN_BUGGIFY("node-inbox-pause-early") ? 1 : kFramesMax / 2;
    if (frames_.size() >= pause_at) stream_->pause();
  }

  rt::Channel<Bytes> frames_;
  net::Stream* stream_;
  bool complete_ = false;
  bool over_ = false;
  Error why_{Code::CONNECTION_LOST, "the stream has not closed"};
};

}  // namespace aspen::node
