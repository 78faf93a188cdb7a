// The part of Link that fills packets: datagrams first, then the streams in turn.
//
// ngtcp2 builds a packet over several calls: with the MORE flag it returns WRITE_MORE while there is room,
// and until it has returned the packet no other of its functions may be called.
#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/net/link.h"
#include "core/net/quic.h"

namespace aspen::net {
namespace {

// Then other connections get their turn.
constexpr size_t kPacketsPerFlushMax = 128;
constexpr size_t kPiecesMax = 8;
// QUIC's smallest packet less what stands before and after a datagram in it: a short header of at most 25
// bytes with the packet number, the frame's type and length, the cipher's tag.
constexpr size_t kDatagramBytesMax = NGTCP2_MAX_UDP_PAYLOAD_SIZE - 25 - 3 - 16;

}  // namespace

size_t Link::datagram_bytes_max(uint64_t subprotocol) {
  uint8_t prefix[kVarintBytesMax];
  return kDatagramBytesMax - encode_varint(subprotocol, prefix);
}

Result<> Link::send_datagram(uint64_t subprotocol, BytesView datagram) {
  if (datagram.size() > datagram_bytes_max(subprotocol)) {
    return aspen::fail(Code::LIMIT_EXCEEDED, "datagram is {} bytes; at most {}", datagram.size(),
                       datagram_bytes_max(subprotocol));
  }
  if (datagrams_out_.size() - datagrams_begin_ >= limits::kDatagramsQueuedMax) {
    return aspen::fail(Code::OVERLOADED, "{} datagrams wait to be sent", limits::kDatagramsQueuedMax);
  }
  if (ASPEN_BUGGIFY("net-datagram-dropped")) return {};
  uint8_t prefix[kVarintBytesMax];
  size_t prefix_size = encode_varint(subprotocol, prefix);
  Bytes& queued = datagrams_out_.emplace_back();
  queued.reserve(prefix_size + datagram.size());
  queued.append(as_bytes(prefix, prefix_size)).append(datagram);
  mark_dirty();
  return {};
}

void Link::want_to_send(StreamState& stream) {
  rt::ListNode<StreamSendTag>& node = stream;
  if (stream.wants_to_send() && !node.linked()) sending_.push_back(stream);
  mark_dirty();
}

StreamState* Link::next_sender() {
  for (StreamState* stream = sending_.front(); stream != nullptr; stream = sending_.front()) {
    if (stream->wants_to_send()) break;
    sending_.pop_front();
  }
  StreamState* stream = sending_.front();
  // Out of the connection's window only a FIN can go; the rest waits for the peer's credit.
  if (stream != nullptr && stream->out.untaken() > 0 && ngtcp2_conn_get_max_data_left(quic_) == 0) {
    return nullptr;
  }
  return stream;
}

bool Link::flush(DatagramSocket& socket, TimeNs now) {
  if (closed()) return false;
  open_pending_streams();
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  bool more = false;
  size_t packets_max = ASPEN_BUGGIFY("net-flush-one-packet") ? 1 : kPacketsPerFlushMax;
  for (size_t packets = 0; !closed(); ++packets) {
    if (packets == packets_max || socket.blocked()) {
      more = true;
      break;
    }
    ngtcp2_ssize size = write_packet(socket.reserve(), path, now);
    if (size < 0) {
      fail(static_cast<int>(size));
      break;
    }
    if (size == 0) break;
    socket.commit(static_cast<size_t>(size), Address(path.path.remote.addr));
  }
  if (!closed()) arm_timer(now);
  return more;
}

ngtcp2_ssize Link::write_packet(uint8_t* out, ngtcp2_path_storage& path, TimeNs now) {
  for (;;) {
    bool datagrams = datagrams_begin_ < datagrams_out_.size() && admitted_;
    ngtcp2_ssize size = datagrams ? write_datagram(out, path, now) : write_stream(out, path, now);
    switch (size) {
      case NGTCP2_ERR_WRITE_MORE:
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        continue;
      default:
        return size;
    }
  }
}

ngtcp2_ssize Link::write_datagram(uint8_t* out, ngtcp2_path_storage& path, TimeNs now) {
  Bytes& next = datagrams_out_[datagrams_begin_];
  ngtcp2_vec piece{reinterpret_cast<uint8_t*>(next.data()), next.size()};
  ngtcp2_pkt_info info{};
  int accepted = 0;
  ngtcp2_ssize size =
      ngtcp2_conn_writev_datagram(quic_, &path.path, &info, out, kPacketBytesMax, &accepted,
                                  NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &piece, 1, to_ngtcp2(now));
  if (accepted != 0) {
    next = Bytes();
    if (++datagrams_begin_ == datagrams_out_.size()) {
      datagrams_out_.clear();
      datagrams_begin_ = 0;
    }
  }
  return size;
}

ngtcp2_ssize Link::write_stream(uint8_t* out, ngtcp2_path_storage& path, TimeNs now) {
  StreamState* stream = next_sender();
  SendBuffer::Piece pieces[kPiecesMax];
  ngtcp2_vec vectors[kPiecesMax];
  size_t count = 0;
  size_t offered = 0;
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
  if (stream != nullptr) {
    flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
    count = stream->out.peek(pieces, kPiecesMax);
    for (size_t i = 0; i < count; ++i) {
      vectors[i] = {const_cast<uint8_t*>(pieces[i].data), pieces[i].size};
      offered += pieces[i].size;
    }
    if (stream->finish_wanted && offered == stream->out.untaken()) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
  }
  ngtcp2_pkt_info info{};
  ngtcp2_ssize taken = -1;
  ngtcp2_ssize size =
      ngtcp2_conn_writev_stream(quic_, &path.path, &info, out, kPacketBytesMax, &taken, flags,
                                stream != nullptr ? stream->id : -1, vectors, count, to_ngtcp2(now));
  if (stream == nullptr) return size;
  if (taken >= 0) {
    auto bytes = static_cast<size_t>(taken);
    stream->out.take(bytes);
    if ((flags & NGTCP2_WRITE_STREAM_FLAG_FIN) != 0 && bytes == offered) stream->finish_sent = true;
    // A stream that fills packet after packet must not keep the others from theirs.
    rt::ListNode<StreamSendTag>& node = *stream;
    node.unlink();
    if (stream->wants_to_send()) sending_.push_back(*stream);
  }
  if (size == NGTCP2_ERR_STREAM_DATA_BLOCKED) stream->flow_blocked = true;
  if (size == NGTCP2_ERR_STREAM_SHUT_WR || size == NGTCP2_ERR_STREAM_NOT_FOUND) {
    // The peer wants no more of it; the close or reset that says so is on its way to deliver().
    rt::ListNode<StreamSendTag>& node = *stream;
    node.unlink();
    stream->finish_wanted = stream->finish_sent = true;
    stream->flow_blocked = true;
  }
  return size;
}

}  // namespace aspen::net
