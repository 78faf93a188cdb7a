// A Stream of the simulated network: the counterpart of net::StreamState, with frames where that one has
// bytes.
//
// What is sent is cut into items numbered in their order. Items arrive in any order, each once; what is
// missing holds up what follows on this stream and nothing else. The window is QUIC's: the sender may be
// ahead of what the receiver has consumed by kWindowBytes, except for the frame that is next in line.
//
// Invariants: `why` is set once, and from then on nothing is sent or received; on_close runs once, after
// that. Thread safety: none.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <type_traits>

#include "core/lab/packet.h"
#include "core/net/callback.h"
#include "core/net/stream.h"
#include "core/rt/list.h"

namespace aspen::lab {

class SimulatedLink;
struct StreamReadyTag;
struct StreamSendTag;

class SimulatedStream final : public net::Stream,
                              public rt::ListNode<StreamReadyTag>,
                              public rt::ListNode<StreamSendTag> {
 public:
  static constexpr size_t kWindowBytes = 1u << 20;

  SimulatedStream(SimulatedLink& link, uint64_t id, bool from_peer);

  net::Connection& connection() override;
  uint64_t subprotocol() const override { return subprotocol_; }
  uint32_t version() const override { return version_; }
  bool incoming() const override { return from_peer_; }
  Result<> send(Bytes frame) override;
  size_t buffered() const override { return buffered_; }
  void finish() override;
  void reset(Code code, std::string_view reason) override;
  void pause() override { paused_ = true; }
  void resume() override;
  void on_frame(std::function<void(Bytes)> callback) override { on_frame_.set(std::move(callback)); }
  void on_end(std::function<void()> callback) override { on_end_.set(std::move(callback)); }
  void on_drain(std::function<void()> callback) override { on_drain_.set(std::move(callback)); }
  void on_close(std::function<void(const Error&)> callback) override { on_close_.set(std::move(callback)); }

  // For the link.
  uint64_t id() const { return id_; }
  void open(uint64_t subprotocol, uint32_t version);
  void set_version(uint32_t version) { version_ = version; }
  bool introduced() const { return introduced_; }
  // The peer said which subprotocol this is for.
  bool identified() const { return identified_; }
  void introduce() { introduced_ = true; }
  bool wants_to_send() const;
  // Adds what may leave now to `items`, until they stand for `budget` bytes.
  void take(std::vector<Item>& items, size_t& budget);
  void acknowledged(size_t cost, bool fin);
  void credited(uint64_t bytes) { window_ += bytes; }
  void receive(Item item);
  // Runs the callbacks that are due.
  void deliver();
  void discard_received();
  // Nothing more is sent or received; on_close is due with `why`.
  void end(Error why);
  bool ended() const { return why_.has_value(); }
  bool done() const { return done_; }  // on_close has run

 private:
  struct Incoming {
    Bytes frame;
    size_t credit;
  };
  void accept(Item item);
  void deliver_frames();
  template <typename... Args>
  void invoke(net::Callback<Args...>& callback, std::type_identity_t<Args>... args);

  SimulatedLink& link_;
  const uint64_t id_;
  const bool from_peer_;
  bool identified_;
  bool introduced_;
  uint64_t subprotocol_ = 0;
  uint32_t version_ = 0;

  bool open_due_ = false;
  std::deque<Bytes> out_;
  size_t front_sent_ = 0;  // of the first frame in out_
  size_t buffered_ = 0;
  uint64_t window_ = kWindowBytes;
  uint32_t next_index_ = 0;
  bool finish_wanted_ = false;
  bool finish_sent_ = false;
  bool finish_acknowledged_ = false;
  bool send_refused_ = false;

  uint32_t expected_index_ = 0;
  std::map<uint32_t, Item> early_;  // came before what stands before them
  Bytes assembling_;
  std::deque<Incoming> frames_;
  size_t withheld_ = 0;
  size_t credit_due_ = 0;
  bool finished_ = false;
  bool end_delivered_ = false;
  bool paused_ = false;
  bool done_ = false;
  std::optional<Error> why_;

  net::Callback<Bytes> on_frame_;
  net::Callback<> on_end_;
  net::Callback<> on_drain_;
  net::Callback<const Error&> on_close_;
};

}  // namespace aspen::lab
