// What an endpoint answers to packets of connections it holds no state for: version negotiation, Retry and
// stateless reset (RFC 9000, sections 6, 8.1.2 and 10.3).
//
// The reset tokens are a keyed hash of the connection id, and their key derives from the node's key. A node
// that was killed and started again can therefore end the connections of its former life: a peer's packet
// to one of them is answered with the token that the former life had promised for it.
//
// Thread safety: none.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <optional>

#include "core/base/hash.h"
#include "core/crypto/key.h"
#include "core/net/address.h"
#include "core/net/hello.h"
#include "core/rt/env.h"

namespace aspen::net {

class Stateless {
 public:
  Stateless(const crypto::KeyPair& key, rt::Env& env);

  // The token that ends a connection with this id of ours.
  ResetToken reset_token(BytesView cid) const;

  // Each writes a packet to `out` (`size` long) and returns its size, or 0 when nothing is to be sent.
  size_t reset(BytesView packet, BytesView cid, uint8_t* out, size_t size);
  size_t negotiate_version(const ngtcp2_version_cid& header, uint8_t* out, size_t size);
  size_t retry(const ngtcp2_pkt_hd& initial, const Address& from, uint8_t* out, size_t size);

  // The connection id the client used first, when the Initial carries a token that retry() made for this
  // address not long ago.
  std::optional<ngtcp2_cid> verify_retry(const ngtcp2_pkt_hd& initial, const Address& from);

 private:
  // Answers to strangers cost something and could be aimed at others; they are limited per second.
  bool allowed();

  rt::Env& env_;
  Hash reset_key_;
  Hash retry_secret_;
  TimeNs second_began_ = 0;
  size_t answers_ = 0;
};

// The last 16 bytes of a packet: where a stateless reset carries its token. Nothing for packets that cannot
// be one.
std::optional<ResetToken> reset_token_in(BytesView packet);

}  // namespace aspen::net
