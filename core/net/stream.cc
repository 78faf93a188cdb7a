#include "core/net/stream.h"

#include "core/net/connection_state.h"
#include "core/net/link.h"

namespace aspen::net {

Stream::Stream(StreamState* state) : state_(state) {}
Stream::~Stream() = default;

Connection& Stream::connection() {
  return state_->link.connection->face;
}

uint64_t Stream::subprotocol() const {
  return state_->subprotocol;
}

uint32_t Stream::version() const {
  return state_->version;
}

bool Stream::incoming() const {
  return state_->incoming;
}

Result<> Stream::send(Bytes frame) {
  return state_->link.send(*state_, std::move(frame));
}

size_t Stream::buffered() const {
  return state_->out.buffered();
}

void Stream::finish() {
  state_->link.finish(*state_);
}

void Stream::reset(Code code, std::string_view reason) {
  state_->link.reset_stream(*state_, Error(code, std::string(reason)));
}

void Stream::pause() {
  state_->paused = true;
}

void Stream::resume() {
  state_->paused = false;
  state_->link.stream_ready(*state_);
}

void Stream::on_frame(std::function<void(Bytes)> callback) {
  state_->on_frame.set(std::move(callback));
}

void Stream::on_end(std::function<void()> callback) {
  state_->on_end.set(std::move(callback));
}

void Stream::on_drain(std::function<void()> callback) {
  state_->on_drain.set(std::move(callback));
}

void Stream::on_close(std::function<void(const Error&)> callback) {
  state_->on_close.set(std::move(callback));
}

}  // namespace aspen::net
