// What one actor says to another: a tag the receiver can select by, bytes that mean the same in every
// language, and something of this process that moves with them.
//
//   send(worker, {.tag = kOpen, .body = path, .attachment = Attachment::of(std::move(stream))});
//   ...
//   std::optional<Stream> stream = message.attachment.take<Stream>();
//
// An attachment belongs to the message: it goes to whoever takes it, and ends with the message otherwise.
#pragma once

#include <memory>
#include <optional>

#include "core/base/bytes.h"

namespace aspen::actor {

class Attachment {
 public:
  Attachment() = default;
  template <typename T>
  static Attachment of(T value) {
    Attachment attachment;
    attachment.holder_ = std::make_unique<Holding<T>>(std::move(value));
    return attachment;
  }
  // Empty when it holds another type, which it keeps, or nothing.
  template <typename T>
  std::optional<T> take() {
    auto* holding = dynamic_cast<Holding<T>*>(holder_.get());
    if (holding == nullptr) return std::nullopt;
    std::optional<T> value(std::move(holding->value));
    holder_.reset();
    return value;
  }
  explicit operator bool() const { return holder_ != nullptr; }

 private:
  struct Holder {
    virtual ~Holder() = default;
  };
  template <typename T>
  struct Holding final : Holder {
    explicit Holding(T value) : value(std::move(value)) {}
    T value;
  };
  std::unique_ptr<Holder> holder_;
};

struct Payload {
  uint64_t tag = 0;  // 0: untagged
  Bytes body;        // at most limits::kActorMessageBytesMax
  Attachment attachment;
};

}  // namespace aspen::actor
