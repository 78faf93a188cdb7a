#include "core/lab/simulated_stream.h"

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/lab/simulated_connection.h"
#include "core/lab/simulated_link.h"
#include "core/net/close_code.h"
#include "core/net/frame.h"

namespace aspen::lab {
namespace {

constexpr size_t kDrainBytes = limits::kStreamSendBufferBytesMax / 2;
// Credit is told in steps, not for every frame.
constexpr size_t kCreditStep = SimulatedStream::kWindowBytes / 4;

size_t prefix_bytes(uint64_t value) {
  uint8_t room[net::kVarintBytesMax];
  return net::encode_varint(value, room);
}

}  // namespace

SimulatedStream::SimulatedStream(SimulatedLink& link, uint64_t id, bool from_peer)
    : link_(link), id_(id), from_peer_(from_peer), identified_(!from_peer), introduced_(!from_peer) {}

net::Connection& SimulatedStream::connection() {
  return *link_.connection;
}

// Sending.

void SimulatedStream::open(uint64_t subprotocol, uint32_t version) {
  subprotocol_ = subprotocol;
  version_ = version;
  open_due_ = true;
  buffered_ = prefix_bytes(subprotocol);
  link_.want_to_send(*this);
}

Result<> SimulatedStream::send(Bytes frame) {
  if (frame.size() > limits::kFrameBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "frame is {} bytes; at most {}", frame.size(), limits::kFrameBytesMax);
  }
  if (ended() || finish_wanted_) {
    return std::unexpected(Error(Code::CONNECTION_LOST, Applied::NO, "the stream takes no more frames"));
  }
  bool refuse = ASPEN_BUGGIFY("lab-net-send-overloaded");
  if (refuse || buffered_ + frame.size() > limits::kStreamSendBufferBytesMax) {
    send_refused_ = true;
    if (refuse) link_.stream_ready(*this);  // no acknowledgement may come to tell of the room
    return fail(Code::OVERLOADED, "the stream has {} bytes waiting; at most {}", buffered_,
                limits::kStreamSendBufferBytesMax);
  }
  buffered_ += prefix_bytes(frame.size()) + frame.size();
  out_.push_back(std::move(frame));
  link_.want_to_send(*this);
  return {};
}

void SimulatedStream::finish() {
  if (ended() || finish_wanted_) return;
  finish_wanted_ = true;
  link_.want_to_send(*this);
}

void SimulatedStream::reset(Code code, std::string_view reason) {
  if (ended()) return;
  discard_received();
  if (!open_due_) link_.send_item({.kind = Item::Kind::reset, .stream = id_, .value = net::to_wire(code)});
  end(Error(code, std::string(reason)));
}

bool SimulatedStream::wants_to_send() const {
  if (ended()) return false;
  return open_due_ || (!out_.empty() && window_ > 0) || (out_.empty() && finish_wanted_ && !finish_sent_);
}

void SimulatedStream::take(std::vector<Item>& items, size_t& budget) {
  auto add = [&](Item::Kind kind, size_t cost, uint64_t value, Bytes data) {
    items.push_back({kind, id_, next_index_++, static_cast<uint32_t>(cost), value, std::move(data)});
    window_ -= std::min<uint64_t>(window_, cost);
    budget -= std::min(budget, cost);
  };
  if (open_due_) {
    open_due_ = false;
    add(Item::Kind::open, prefix_bytes(subprotocol_), subprotocol_, {});
  }
  while (!out_.empty() && budget > 0 && window_ > 0) {
    Bytes& frame = out_.front();
    size_t prefix = front_sent_ == 0 ? prefix_bytes(frame.size()) : 0;
    size_t left = frame.size() - front_sent_;
    size_t room = std::min<size_t>(budget, window_);
    if (left + prefix <= room || left == 0) {
      Bytes data = front_sent_ == 0 ? std::move(frame) : frame.substr(front_sent_);
      out_.pop_front();
      front_sent_ = 0;
      add(Item::Kind::frame, left + prefix, 0, std::move(data));
    } else {
      // A little may go over; it is charged all the same.
      size_t size = std::min(left - 1, std::max(room, prefix + 1) - prefix);
      if (size == 0) break;
      Bytes data = frame.substr(front_sent_, size);
      front_sent_ += size;
      add(Item::Kind::piece, size + prefix, 0, std::move(data));
    }
  }
  if (out_.empty() && finish_wanted_ && !finish_sent_) {
    finish_sent_ = true;
    add(Item::Kind::fin, 0, 0, {});
  }
}

void SimulatedStream::acknowledged(size_t cost, bool fin) {
  buffered_ -= std::min(buffered_, cost);
  if (fin) finish_acknowledged_ = true;
  if (fin || send_refused_) link_.stream_ready(*this);
}

// Receiving.

void SimulatedStream::receive(Item item) {
  if (ended()) return;
  if (item.kind == Item::Kind::reset) return end(net::from_wire(item.value, {}, "the peer reset the stream"));
  if (item.index != expected_index_ && !ASPEN_MUTANT("lab-net-stream-unordered")) {
    if (item.index > expected_index_) early_.try_emplace(item.index, std::move(item));
    return;
  }
  accept(std::move(item));
  while (!early_.empty() && early_.begin()->first == expected_index_) {
    accept(std::move(early_.extract(early_.begin()).mapped()));
  }
  link_.stream_ready(*this);
}

void SimulatedStream::accept(Item item) {
  ++expected_index_;
  switch (item.kind) {
    case Item::Kind::open:
      subprotocol_ = item.value;
      identified_ = true;
      credit_due_ += item.cost;
      return;
    case Item::Kind::piece:
      assembling_.append(item.data);
      // A frame may be larger than the window: when it is next in line, its sender may go on.
      (frames_.empty() ? credit_due_ : withheld_) += item.cost;
      if (credit_due_ >= kCreditStep) link_.credit(*this, std::exchange(credit_due_, 0));
      return;
    case Item::Kind::frame:
      if (!assembling_.empty()) item.data.insert(0, std::exchange(assembling_, {}));
      frames_.push_back({std::move(item.data), item.cost + std::exchange(withheld_, 0)});
      return;
    case Item::Kind::fin:
      finished_ = true;
      return;
    case Item::Kind::reset:
    case Item::Kind::credit:
      return;
  }
}

void SimulatedStream::resume() {
  paused_ = false;
  link_.stream_ready(*this);
}

void SimulatedStream::discard_received() {
  frames_.clear();
  early_.clear();
  assembling_.clear();
}

void SimulatedStream::end(Error why) {
  if (ended()) return;
  why_ = std::move(why);
  out_.clear();
  link_.stream_ready(*this);
}

// Delivery; see net::StreamState.

template <typename... Args>
void SimulatedStream::invoke(net::Callback<Args...>& callback, std::type_identity_t<Args>... args) {
  link_.contained([&] { callback.run(std::forward<Args>(args)...); });
}

void SimulatedStream::deliver_frames() {
  while (!paused_ && !done_ && !frames_.empty()) {
    Incoming next = std::move(frames_.front());
    frames_.pop_front();
    credit_due_ += next.credit;
    if (frames_.empty()) credit_due_ += std::exchange(withheld_, 0);
    invoke(on_frame_, std::move(next.frame));
    if (link_.stopped()) return;
    if (!ended() && ASPEN_BUGGIFY("lab-net-frame-per-turn")) {
      link_.stream_ready(*this);
      break;
    }
  }
  if (credit_due_ >= kCreditStep && !ended()) link_.credit(*this, std::exchange(credit_due_, 0));
}

void SimulatedStream::deliver() {
  if (done_) return;
  deliver_frames();
  if (link_.stopped()) return;
  if (finished_ && frames_.empty() && !end_delivered_ && !ended()) {
    end_delivered_ = true;
    if (on_end_) {
      invoke(on_end_);
    } else {
      finish();
    }
    if (link_.stopped()) return;
  }
  if (send_refused_ && !ended() && buffered_ <= kDrainBytes) {
    send_refused_ = false;
    invoke(on_drain_);
    if (link_.stopped()) return;
  }
  if (finished_ && finish_acknowledged_ && !ended() && frames_.empty())
    why_ = Error(Code::OK, Applied::NO, "");
  // A paused reader still gets what came whole before a clean end.
  if (ended() && (why_->code != Code::OK || frames_.empty())) {
    done_ = true;
    invoke(on_close_, *why_);
  }
}

}  // namespace aspen::lab
