// One reliable, ordered stream of frames to a peer, of one subprotocol.
//
// A frame is a byte string of at most limits::kFrameBytesMax; it arrives whole, once and in order, or the
// stream ends with an error. Sending never blocks: a frame is kept (not copied) until the peer has
// acknowledged it, and when more than limits::kStreamSendBufferBytesMax wait, send refuses OVERLOADED.
// Receiving is paced by the receiver: the peer may only send as much as the frames already consumed allow,
// so a paused stream stops its sender instead of filling our memory. A frame may be larger than that window;
// when a peer sends many large frames at once, they are let in one after the other.
//
//   Result<Stream*> stream = connection.open_stream(kRaft);
//   (*stream)->on_frame([](Bytes frame) { ... });
//   (*stream)->on_close([](const Error& why) { ... });     // the pointer is dead after this
//   (*stream)->send(std::move(frame));
//
// Invariants: on_close runs exactly once, as the stream's last callback; nothing is delivered after it.
// Lifetime: owned by the Endpoint; valid until on_close has returned (also when none is set).
// Thread safety: none; the engine thread only. Callbacks never run inside a call of this class, so any
// method here, and Connection's and Endpoint's, may be called from any callback.
#pragma once

#include <cstdint>
#include <functional>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::net {

class Connection;

class Stream {
 public:
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  virtual Connection& connection() = 0;
  virtual uint64_t subprotocol() const = 0;
  virtual uint32_t version() const = 0;  // of the subprotocol, as negotiated in the hello
  virtual bool incoming() const = 0;     // the peer opened it

  // Errors: LIMIT_EXCEEDED (frame too long), OVERLOADED (see buffered()), CONNECTION_LOST (the stream has
  // ended or finish() was called). The frame leaves at the end of the loop's turn, with whatever else waits.
  virtual Result<> send(Bytes frame) = 0;
  // Bytes accepted by send and not yet acknowledged by the peer.
  virtual size_t buffered() const = 0;
  // No more frames from here; the peer sees on_end after the last one. Idempotent.
  virtual void finish() = 0;
  // Ends both directions at once; what was not delivered is lost. The peer's on_close gets `code`.
  virtual void reset(Code code, std::string_view reason = {}) = 0;

  // Stops and restarts on_frame. Frames in flight wait, bounded by the receive window.
  virtual void pause() = 0;
  virtual void resume() = 0;

  virtual void on_frame(std::function<void(Bytes frame)> callback) = 0;
  // The peer has finished and every frame was delivered. Without a callback this side finishes too.
  virtual void on_end(std::function<void()> callback) = 0;
  // After a send was refused OVERLOADED: half of the buffer is free again.
  virtual void on_drain(std::function<void()> callback) = 0;
  // Code::OK when both sides finished; otherwise why: the code of a reset, or the end of the connection.
  virtual void on_close(std::function<void(const Error& why)> callback) = 0;

  // For the owner of the subprotocol; not touched here.
  void* user_data = nullptr;

 protected:
  Stream() = default;
  ~Stream() = default;
};

}  // namespace aspen::net
