// A Stream over QUIC: the bytes to send, the frames received, the callbacks, and how it ended.
//
// The QUIC library's callbacks only move bytes in and mark the stream ready; user callbacks run later, from
// deliver(), when no QUIC call is on the stack.
//
// Invariants: `why` is set once, and from then on nothing is sent or received; on_close runs once, after
// that. Bytes received are credited to the sender when their frame is consumed; only those of an incomplete
// frame that is next in line at once, for a frame may be larger than the window.
// Thread safety: none.
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/net/callback.h"
#include "core/net/frame.h"
#include "core/net/send_buffer.h"
#include "core/net/stream.h"
#include "core/rt/list.h"

namespace aspen::net {

class Link;
struct StreamReadyTag;
struct StreamSendTag;

struct StreamState final : Stream, rt::ListNode<StreamReadyTag>, rt::ListNode<StreamSendTag> {
  StreamState(Link& link, uint64_t serial, bool from_peer, size_t frame_bytes_max);

  // Stream.
  Connection& connection() override;
  uint64_t subprotocol() const override { return subprotocol_id; }
  uint32_t version() const override { return subprotocol_version; }
  bool incoming() const override { return from_peer; }
  Result<> send(Bytes frame) override;
  size_t buffered() const override { return out.buffered(); }
  void finish() override;
  void reset(Code code, std::string_view reason) override;
  void pause() override { paused = true; }
  void resume() override;
  void on_frame(std::function<void(Bytes)> callback) override { frame_callback.set(std::move(callback)); }
  void on_end(std::function<void()> callback) override { end_callback.set(std::move(callback)); }
  void on_drain(std::function<void()> callback) override { drain_callback.set(std::move(callback)); }
  void on_close(std::function<void(const Error&)> callback) override {
    close_callback.set(std::move(callback));
  }

  // Takes what arrived; returns how many bytes to credit at once. Sets `fault` when the peer broke the
  // framing.
  size_t receive(BytesView input, bool fin);
  // Takes the next frame to deliver, and into `credit` the bytes to give back for it.
  std::optional<Bytes> next_frame(size_t& credit);
  // Drops what was received and not delivered.
  void discard_received();
  bool has_frames() const { return frames_begin < frames.size() || !backlog.empty(); }

  // Runs the callbacks that are due. Requires: an established connection.
  void deliver();
  // Nothing more is sent or received; on_close is due with `reason`.
  void end(Error reason);
  bool ended() const { return why.has_value(); }
  // on_close has run: may be destroyed.
  bool done = false;

  bool wants_to_send() const {
    return !ended() && id >= 0 && !flow_blocked && (out.untaken() > 0 || (finish_wanted && !finish_sent));
  }

  Link& link;
  const uint64_t serial;  // of creation, the link's order
  int64_t id = -1;        // QUIC's, once it let us open the stream
  const bool from_peer;
  bool control = false;  // the hello's stream, which no user sees
  bool identified;       // the subprotocol is known
  bool introduced;       // its owner was told of it
  uint64_t subprotocol_id = 0;
  uint32_t subprotocol_version = 0;

  SendBuffer out;
  bool finish_wanted = false;
  bool finish_sent = false;
  bool flow_blocked = false;  // by the peer's window
  bool send_refused = false;  // on_drain is due when there is room

  struct Incoming {
    Bytes frame;
    size_t credit;
  };
  VarintReader prefix;
  FrameReader reader;
  std::vector<Incoming> frames;  // live from frames_begin on
  size_t frames_begin = 0;
  size_t withheld = 0;  // of the incomplete frame's bytes, not credited yet
  Bytes backlog;        // received and not yet cut into frames
  bool finished = false;
  bool end_delivered = false;
  bool paused = false;
  bool quic_closed = false;  // QUIC has forgotten the stream
  std::optional<Error> fault;
  std::optional<Error> why;

  Callback<Bytes> frame_callback;
  Callback<> end_callback;
  Callback<> drain_callback;
  Callback<const Error&> close_callback;

 private:
  void cut_frames(BytesView& input, size_t& credit);
  void deliver_frames();
  template <typename... Args>
  void invoke(Callback<Args...>& callback, std::type_identity_t<Args>... args);
};

}  // namespace aspen::net
