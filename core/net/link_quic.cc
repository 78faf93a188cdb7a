// The part of Link that speaks ngtcp2's dialect: settings, transport parameters and callbacks. The callbacks
// only record; what follows from them happens after the QUIC call has returned.
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstring>

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/net/link.h"
#include "core/net/quic.h"

namespace aspen::net {
namespace {

// Before the hello is accepted a peer may send one stream of this much.
constexpr uint64_t kHelloWindowBytes = 4 * limits::kHelloBytesMax;
// What waits unread on a stream. The connection as a whole has no tighter bound than its streams together: a
// shared window would let a few paused streams stop all the others.
constexpr uint64_t kStreamWindowBytes = 1u << 20;
constexpr uint64_t kConnectionWindowBytes = 64u << 20;
// Frames a peer has begun and not completed; past this they are completed one after the other.
constexpr size_t kAssemblingBytesMax = 8 * limits::kFrameBytesMax;
// Loopback and local networks answer within this; it sets how soon a lost first packet is sent again.
constexpr DurationNs kInitialRoundTrip = 30 * kMillisecond;
// An acknowledgement that has no data to ride on waits this long; it bounds how late a loss is noticed.
constexpr DurationNs kAckDelayMax = kMillisecond;
// Packets received before one is acknowledged at once. More than QUIC's two: bulk transfers gain a third.
constexpr size_t kAckPackets = 8;
constexpr uint64_t kCidsMax = 3;
constexpr uint64_t kDatagramFrameBytesMax = 65'535;

}  // namespace

// ngtcp2's callbacks. A nonzero return makes the call that is under way fail.
struct LinkCallbacks {
  static Link& link(void* user) { return *static_cast<Link*>(user); }
  static StreamState* stream(void* user) { return static_cast<StreamState*>(user); }

  static void random(uint8_t* out, size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<rt::Env*>(context->native_handle)->random(out, size);
  }

  static int new_cid(ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t size, void* user) {
    Link& self = link(user);
    *cid = random_cid(self.context_.executor.env(), size);
    ResetToken made = self.context_.stateless.reset_token(cid_view(*cid));
    std::memcpy(token, made.data(), made.size());
    self.context_.owner.add_cid(cid_view(*cid), self);
    return 0;
  }

  static int retire_cid(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    link(user).context_.owner.remove_cid(cid_view(*cid));
    return 0;
  }

  // The peer's id in use changes when a path does; its reset token changes with it.
  static int peer_cid_changed(ngtcp2_conn*, int type, uint64_t, const ngtcp2_cid*, const uint8_t* token,
                              void* user) {
    if (token == nullptr || type != NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE) return 0;
    ResetToken copy;
    std::memcpy(copy.data(), token, copy.size());
    link(user).set_peer_reset_token(copy);
    return 0;
  }

  static int handshake_completed(ngtcp2_conn*, void* user) {
    link(user).phase_ = LinkPhase::secured;
    return 0;
  }

  static int stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    link(user).reset_received_ = true;
    return 0;
  }

  static int stream_open(ngtcp2_conn* quic, int64_t id, void* user) {
    Link& self = link(user);
    // A dialer's first stream is the hello's, and QUIC's limit allows it no other until admit().
    bool hello = !self.dialed_ && self.hello_ == nullptr;
    StreamState& stream = self.add_stream(true, hello ? limits::kHelloBytesMax : limits::kFrameBytesMax);
    stream.id = id;
    if (hello) {
      stream.control = stream.identified = stream.introduced = true;
      self.hello_ = &stream;
    }
    return ngtcp2_conn_set_stream_user_data(quic, id, &stream);
  }

  static int stream_data(ngtcp2_conn* quic, uint32_t flags, int64_t id, uint64_t, const uint8_t* data,
                         size_t size, void* user, void* stream_user) {
    Link& self = link(user);
    StreamState* to = stream(stream_user);
    size_t credit = size;
    if (to != nullptr && !to->ended() && !to->fault) {
      self.assembling_bytes_ -= to->reader.pending_bytes();
      credit = to->receive(as_bytes(data, size), (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
      self.assembling_bytes_ += to->reader.pending_bytes();
      credit = self.within_budget(*to, credit);
      self.stream_ready(*to);
    }
    ngtcp2_conn_extend_max_stream_offset(quic, id, credit);
    if (self.admitted_) ngtcp2_conn_extend_max_offset(quic, size);
    return 0;
  }

  static int stream_acked(ngtcp2_conn*, int64_t, uint64_t, uint64_t size, void* user, void* stream_user) {
    StreamState* to = stream(stream_user);
    if (to == nullptr) return 0;
    to->out.acknowledge(size);
    if (to->send_refused) link(user).stream_ready(*to);
    return 0;
  }

  static int stream_window(ngtcp2_conn*, int64_t, uint64_t, void* user, void* stream_user) {
    if (StreamState* to = stream(stream_user); to != nullptr) {
      to->flow_blocked = false;
      link(user).want_to_send(*to);
    }
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, int64_t id, uint64_t, uint64_t code, void* user, void* stream_user) {
    if (StreamState* to = stream(stream_user); to != nullptr) {
      to->end(from_wire(code, {}, "the peer reset the stream"));
      link(user).reset_by_peer_.push_back(id);
    }
    return 0;
  }

  static int stream_close(ngtcp2_conn* quic, uint32_t flags, int64_t id, uint64_t code, void* user,
                          void* stream_user) {
    Link& self = link(user);
    self.unforgotten_.erase(id);
    if (StreamState* to = stream(stream_user); to != nullptr) {
      if ((flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0) {
        to->end(from_wire(code, {}, "the peer reset the stream"));
      }
      to->quic_closed = true;
      to->id = -1;
      self.stream_ready(*to);
    } else if (!ngtcp2_conn_is_local_stream(quic, id)) {
      ngtcp2_conn_extend_max_streams_bidi(quic, 1);
    }
    return 0;
  }

  static int streams_extended(ngtcp2_conn*, uint64_t, void* user) {
    link(user).may_open_ = true;
    link(user).mark_dirty();
    return 0;
  }

  static int datagram(ngtcp2_conn*, uint32_t, const uint8_t* data, size_t size, void* user) {
    Link& self = link(user);
    // Datagrams may be lost: the ones that come too early or too many are.
    if (self.admitted_ && self.datagrams_in_.size() < limits::kDatagramsQueuedMax) {
      self.datagrams_in_.emplace_back(as_bytes(data, size));
      self.mark_ready();
    }
    return 0;
  }

  static ngtcp2_callbacks table() {
    ngtcp2_callbacks callbacks{};
    callbacks.client_initial = ngtcp2_crypto_client_initial_cb;
    callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    callbacks.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    callbacks.encrypt = ngtcp2_crypto_encrypt_cb;
    callbacks.decrypt = ngtcp2_crypto_decrypt_cb;
    callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
    callbacks.recv_retry = ngtcp2_crypto_recv_retry_cb;
    callbacks.update_key = ngtcp2_crypto_update_key_cb;
    callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    callbacks.rand = random;
    callbacks.get_new_connection_id = new_cid;
    callbacks.remove_connection_id = retire_cid;
    callbacks.dcid_status = peer_cid_changed;
    callbacks.handshake_completed = handshake_completed;
    callbacks.recv_stateless_reset = stateless_reset;
    callbacks.stream_open = stream_open;
    callbacks.recv_stream_data = stream_data;
    callbacks.acked_stream_data_offset = stream_acked;
    callbacks.extend_max_stream_data = stream_window;
    callbacks.stream_reset = stream_reset;
    callbacks.stream_close = stream_close;
    callbacks.extend_max_local_streams_bidi = streams_extended;
    callbacks.recv_datagram = datagram;
    return callbacks;
  }
};

Result<> Link::start(const NodeId* peer, const ngtcp2_pkt_hd* initial,
                     const std::optional<ngtcp2_cid>& original) {
  rt::Env& env = context_.executor.env();
  ASPEN_TRY(tls_, TlsSession::create(context_.tls, !dialed_,
                                     peer != nullptr ? std::optional<NodeId>(*peer) : std::nullopt));
  ngtcp2_cid scid = random_cid(env);
  own_reset_token_ = context_.stateless.reset_token(cid_view(scid));

  ngtcp2_settings settings;
  ngtcp2_settings_default(&settings);
  settings.initial_ts = to_ngtcp2(created_at_);
  settings.initial_rtt = static_cast<ngtcp2_duration>(kInitialRoundTrip);
  settings.cc_algo = NGTCP2_CC_ALGO_CUBIC;
  settings.ack_thresh = ASPEN_BUGGIFY("net-ack-each-packet") ? 1 : kAckPackets;
  settings.max_tx_udp_payload_size = kPacketBytesMax;
  settings.handshake_timeout = UINT64_MAX;  // next_timer() has ours, which covers the hello too
  settings.rand_ctx.native_handle = &env;

  ngtcp2_transport_params params;
  ngtcp2_transport_params_default(&params);
  params.initial_max_data = kHelloWindowBytes;
  uint64_t stream_window_bytes = ASPEN_BUGGIFY("net-stream-window-small") ? 4096 : kStreamWindowBytes;
  params.initial_max_stream_data_bidi_local = stream_window_bytes;
  params.initial_max_stream_data_bidi_remote = stream_window_bytes;
  params.initial_max_streams_bidi = dialed_ ? limits::kStreamsPerPeerMax : 1;
  params.max_idle_timeout = static_cast<ngtcp2_duration>(context_.idle_timeout);
  params.max_ack_delay = static_cast<ngtcp2_duration>(kAckDelayMax);
  params.max_datagram_frame_size = kDatagramFrameBytesMax;
  params.active_connection_id_limit = kCidsMax;

  ngtcp2_callbacks callbacks = LinkCallbacks::table();
  ngtcp2_path path = make_path(context_.local, remote_);
  int status;
  if (dialed_) {
    ngtcp2_cid dcid = random_cid(env, NGTCP2_MAX_CIDLEN);
    status = ngtcp2_conn_client_new(&quic_, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                    &params, nullptr, this);
  } else {
    params.original_dcid = original ? *original : initial->dcid;
    if (original) {
      params.retry_scid_present = 1;
      params.retry_scid = initial->dcid;
      settings.token = initial->token;
    }
    params.stateless_reset_token_present = 1;
    std::memcpy(params.stateless_reset_token, own_reset_token_.data(), own_reset_token_.size());
    status = ngtcp2_conn_server_new(&quic_, &initial->scid, &scid, &path, initial->version, &callbacks,
                                    &settings, &params, nullptr, this);
  }
  if (status != 0) {
    return aspen::fail(Code::INTERNAL, "cannot set up a QUIC connection: {}", ngtcp2_strerror(status));
  }
  tls_->set_quic(quic_);
  context_.owner.add_cid(cid_view(scid), *this);
  if (!dialed_) {
    first_cid_ = Bytes(cid_view(initial->dcid));
    context_.owner.add_cid(first_cid_, *this);
  }
  return {};
}

void Link::admit() {
  if (admitted_) return;
  admitted_ = true;
  ngtcp2_conn_extend_max_offset(quic_, kConnectionWindowBytes - kHelloWindowBytes);
  if (!dialed_) ngtcp2_conn_extend_max_streams_bidi(quic_, limits::kStreamsPerPeerMax);
  ngtcp2_conn_set_keep_alive_timeout(quic_, static_cast<ngtcp2_duration>(context_.keep_alive));
  mark_dirty();
}

size_t Link::within_budget(StreamState& stream, size_t credit) {
  if (favoured_ == &stream && stream.reader.pending_bytes() == 0) favoured_ = nullptr;
  if (assembling_bytes_ <= kAssemblingBytesMax) return credit;
  if (favoured_ == nullptr && stream.reader.pending_bytes() > 0) favoured_ = &stream;
  if (favoured_ == &stream) return credit;
  stream.withheld += credit;
  starved_ = true;
  return 0;
}

void Link::release_budget() {
  if (!starved_ || closed()) return;
  for (auto& [serial, stream] : streams_) {
    if (stream->withheld == 0 || stream->has_frames() || stream->ended()) continue;
    if (assembling_bytes_ > kAssemblingBytesMax) {
      if (favoured_ != nullptr) return;
      favoured_ = stream.get();
    }
    this->credit(*stream, std::exchange(stream->withheld, 0));
  }
  starved_ = false;
}

void Link::after_call(int status) {
  if (status != 0) return fail(status);
  for (int64_t id : reset_by_peer_) {
    ngtcp2_conn_set_stream_user_data(quic_, id, nullptr);
    ngtcp2_conn_shutdown_stream(quic_, id, to_wire(Code::CANCELLED));
  }
  reset_by_peer_.clear();
  if (phase_ == LinkPhase::secured && !secured_told_) {
    secured_told_ = true;
    context_.owner.link_secured(*this);
  }
}

// The QUIC library gave up the connection.
void Link::fail(int status) {
  if (closed()) return;
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  std::string peer_name = tls_->peer() ? tls_->peer()->short_string() : "?";
  switch (status) {
    case NGTCP2_ERR_DRAINING:
      return peer_closed();
    case NGTCP2_ERR_IDLE_CLOSE:
      return end(Error(Code::CONNECTION_LOST,
                       fmt::format("node {} at {} fell silent", peer_name, remote().to_string())),
                 {});
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      return end(Error(Code::PROTOCOL, "the peer's first packet is not valid"), {});
    case NGTCP2_ERR_CRYPTO: {
      Error why = tls_->refusal() ? *tls_->refusal() : Error(Code::PROTOCOL, "the TLS handshake failed");
      uint8_t alert = ngtcp2_conn_get_tls_alert(quic_);
      // 120: no_application_protocol (RFC 7301).
      if (alert == 120) why = Error(Code::UNSUPPORTED, "the peer does not speak this protocol");
      std::string reason = printable_reason(why.message);
      auto* bytes = reinterpret_cast<const uint8_t*>(reason.data());
      ngtcp2_connection_close_error_set_transport_error_tls_alert(&error, alert, bytes, reason.size());
      return end(std::move(why), close_packet(error));
    }
    default:
      break;
  }
  ngtcp2_connection_close_error_set_transport_error_liberr(&error, status, nullptr, 0);
  end(Error(Code::PROTOCOL, fmt::format("node {} at {} broke the protocol: {}", peer_name,
                                        remote().to_string(), ngtcp2_strerror(status))),
      close_packet(error));
}

void Link::peer_closed() {
  if (reset_received_) return reset_by_peer();
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_conn_get_connection_close_error(quic_, &error);
  BytesView reason = as_bytes(error.reason, error.reasonlen);
  if (error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION) {
    if (error.error_code == kWireDuplicate) {
      gave_way_ = true;
      return end(Error(Code::CONNECTION_LOST, "gave way to another connection to the peer"), {});
    }
    const char* what =
        phase_ == LinkPhase::established ? "the peer closed the connection" : "the peer refused";
    return end(from_wire(error.error_code, reason, what), {});
  }
  end(from_transport(error.error_code, reason), {});
}

Bytes Link::close_packet(const ngtcp2_connection_close_error& error) {
  Bytes packet(kPacketBytesMax, '\0');
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  ngtcp2_ssize size =
      ngtcp2_conn_write_connection_close(quic_, &path.path, &info, reinterpret_cast<uint8_t*>(packet.data()),
                                         packet.size(), &error, to_ngtcp2(context_.executor.env().now()));
  packet.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return packet;
}

void Link::close(Error why, uint64_t code, std::string_view reason) {
  if (closed()) return;
  std::string text = printable_reason(reason);
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_set_application_error(
      &error, code, reinterpret_cast<const uint8_t*>(text.data()), text.size());
  end(std::move(why), close_packet(error));
}

std::vector<Bytes> Link::cids() const {
  std::vector<ngtcp2_cid> live(ngtcp2_conn_get_num_scid(quic_));
  ngtcp2_conn_get_scid(quic_, live.data());
  std::vector<Bytes> out;
  for (const ngtcp2_cid& cid : live) out.emplace_back(cid_view(cid));
  if (!first_cid_.empty()) out.push_back(first_cid_);
  return out;
}

}  // namespace aspen::net
