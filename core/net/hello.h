// The hello: what two nodes tell each other on a connection's first stream before anything else.
//
// The dialer opens the stream and sends its hello; the acceptor checks it and answers with its own; the
// dialer checks that and finishes the stream, which tells the acceptor that it was accepted. TLS has proven
// by then that each end holds the key it goes by; the hello proves that the key belongs to the network.
//
// Wire (docs/wire.md): one frame, message kind 1:
//   version_min, version_max   varints: of this exchange and everything after it
//   network                    32 bytes
//   membership                 a grant chain
//   subprotocols               list of (id, version_min, version_max), ids strictly rising
//   reset_token                16 bytes: ends this connection when the sender has lost its state
#pragma once

#include <array>
#include <map>
#include <vector>

#include "core/base/time.h"
#include "core/crypto/grant.h"

namespace aspen::net {

inline constexpr uint64_t kVersionMin = 1;
inline constexpr uint64_t kVersionMax = 1;

using ResetToken = std::array<uint8_t, 16>;

struct SubprotocolVersions {
  uint64_t id = 0;
  uint32_t version_min = 1;
  uint32_t version_max = 1;
  bool operator==(const SubprotocolVersions&) const = default;
};

struct Hello {
  uint64_t version_min = kVersionMin;
  uint64_t version_max = kVersionMax;
  NetworkId network;
  crypto::GrantChain membership;
  std::vector<SubprotocolVersions> subprotocols;  // by id
  ResetToken reset_token{};
  bool operator==(const Hello&) const = default;
};

Bytes encode_hello(const Hello& hello);
// Errors: PROTOCOL.
Result<Hello> decode_hello(BytesView frame);

// What a hello that was accepted amounts to.
struct Acceptance {
  crypto::Membership membership;
  std::map<uint64_t, uint32_t> versions;  // of each subprotocol both ends have: the highest common one
};

// Judges `theirs`, from the holder of key `peer`, by `ours`. Errors: UNSUPPORTED (no common version),
// NOT_A_MEMBER (of another network, or see verify_chain), GRANT_EXPIRED.
Result<Acceptance> accept_hello(const Hello& ours, const Hello& theirs, const NodeId& peer, WallNs now);

}  // namespace aspen::net
