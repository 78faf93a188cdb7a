#include "core/net/stream_state.h"

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/net/connection_state.h"
#include "core/net/link.h"

namespace aspen::net {
namespace {

// More complete frames than this wait as bytes: an empty frame costs its sender one byte and us forty.
constexpr size_t kFramesCutMax = 1024;
constexpr size_t kDrainBytes = limits::kStreamSendBufferBytesMax / 2;

}  // namespace

StreamState::StreamState(Link& link, uint64_t serial, bool from_peer, size_t frame_bytes_max)
    : link(link),
      serial(serial),
      from_peer(from_peer),
      identified(!from_peer),
      introduced(!from_peer),
      reader(frame_bytes_max) {}

Connection& StreamState::connection() {
  return *link.connection;
}

Result<> StreamState::send(Bytes frame) {
  return link.send(*this, std::move(frame));
}

void StreamState::finish() {
  link.finish(*this);
}

void StreamState::reset(Code code, std::string_view reason) {
  link.reset_stream(*this, Error(code, std::string(reason)));
}

void StreamState::resume() {
  paused = false;
  link.stream_ready(*this);
}

void StreamState::cut_frames(BytesView& input, size_t& credit) {
  while (!input.empty() && !fault && frames.size() - frames_begin < kFramesCutMax) {
    size_t before = input.size();
    Result<std::optional<Bytes>> frame = reader.read(input);
    size_t consumed = before - input.size();
    if (!frame) {
      fault = std::move(frame).error();
    } else if (*frame) {
      frames.push_back({**std::move(frame), consumed + std::exchange(withheld, 0)});
    } else {
      (frames_begin == frames.size() ? credit : withheld) += consumed;
    }
  }
}

size_t StreamState::receive(BytesView input, bool fin) {
  size_t credit = 0;
  if (!identified) {
    size_t before = input.size();
    Result<std::optional<uint64_t>> id = prefix.read(input);
    credit += before - input.size();
    if (!id) {
      fault = std::move(id).error();
    } else if (*id) {
      subprotocol_id = **id;
      identified = true;
    }
  }
  if (backlog.empty()) cut_frames(input, credit);
  if (!fault) backlog.append(input);
  if (fin) finished = true;
  bool torn = backlog.empty() && (!identified || !reader.at_boundary());
  if (finished && !fault && torn) fault = Error(Code::PROTOCOL, "a stream ended inside a frame");
  return credit;
}

std::optional<Bytes> StreamState::next_frame(size_t& credit) {
  if (frames_begin == frames.size() && !backlog.empty()) {
    BytesView input = backlog;
    cut_frames(input, credit);
    backlog.erase(0, backlog.size() - input.size());
    if (finished && backlog.empty() && !reader.at_boundary() && !fault) {
      fault = Error(Code::PROTOCOL, "a stream ended inside a frame");
    }
  }
  if (frames_begin == frames.size()) return std::nullopt;
  Incoming& next = frames[frames_begin++];
  credit += next.credit;
  Bytes frame = std::move(next.frame);
  if (frames_begin == frames.size()) {
    frames.clear();
    frames_begin = 0;
    credit += std::exchange(withheld, 0);
  }
  return frame;
}

void StreamState::discard_received() {
  frames.clear();
  frames_begin = 0;
  backlog.clear();
}

void StreamState::end(Error reason) {
  if (ended()) return;
  why = std::move(reason);
  link.stream_ready(*this);
}

template <typename... Args>
void StreamState::invoke(Callback<Args...>& callback, std::type_identity_t<Args>... args) {
  link.contained([&] { callback.run(std::forward<Args>(args)...); });
}

void StreamState::deliver_frames() {
  size_t credit = 0;
  // Frames that came whole before the end are delivered, unless it was this side that ended the stream.
  while (!paused && !done && has_frames()) {
    std::optional<Bytes> frame = next_frame(credit);
    if (!frame) break;
    invoke(frame_callback, *std::move(frame));
    if (link.stopped()) return;
    if (!ended() && ASPEN_BUGGIFY("net-frame-per-turn")) {
      link.stream_ready(*this);
      break;
    }
  }
  if (credit > 0) link.credit(*this, credit);
}

void StreamState::deliver() {
  if (done) return;
  deliver_frames();
  if (link.stopped()) return;
  if (fault && !ended()) link.reset_stream(*this, *fault);
  if (finished && !has_frames() && !end_delivered && !ended()) {
    end_delivered = true;
    if (end_callback) {
      invoke(end_callback);
    } else {
      finish();
    }
    if (link.stopped()) return;
  }
  if (send_refused && !ended() && out.buffered() <= kDrainBytes) {
    send_refused = false;
    invoke(drain_callback);
    if (link.stopped()) return;
  }
  if (quic_closed && !ended() && !has_frames()) why = Error(Code::OK, Applied::NO, "");
  // A paused reader still gets what came whole before a clean end.
  bool clean = ended() && why->code == Code::OK;
  if (ended() && !(clean && has_frames())) {
    done = true;
    invoke(close_callback, *why);
  }
}

}  // namespace aspen::net
