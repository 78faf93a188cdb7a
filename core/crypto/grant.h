// Membership. A network is its root key; a node belongs when a chain of signed grants leads from the root
// to the node's key. A link names a subject key and what it may do; it is signed by the subject of the link
// before it (the first by the root), and can only narrow: roles, scope and time. There is no shared secret.
//
//   root --admin--> ops key --invitation--> ticket key --node--> a node's key
//
// Rules a verifier holds, each with its own error text: at most limits::kGrantChainMax links; every signature
// good, over the domain "aspen/grant/1", the network id and the link; the last link is of kind node and its
// subject is the peer's key, no other link is of kind node; an invitation may only issue nodes; roles are a
// subset of the issuer's; the scope extends the issuer's; no link outlives its issuer; none has expired.
#pragma once

#include <vector>

#include "core/base/time.h"
#include "core/base/wire.h"
#include "core/crypto/key.h"

namespace aspen::crypto {

enum class GrantKind : uint8_t { admin = 1, invitation = 2, node = 3 };

// What the holder may do. A bit set.
using Roles = uint64_t;
inline constexpr Roles kRoleClient = 1;  // use the network's services
inline constexpr Roles kRoleMember = 2;  // hold replicas and vote
inline constexpr Roles kRolesAll = kRoleClient | kRoleMember;

struct Grant {
  GrantKind kind = GrantKind::node;
  NodeId subject{};
  Roles roles = 0;
  Bytes scope{};         // keys and names the holder may touch start with it; empty: all
  WallNs not_after = 0;  // 0: no expiry
  std::array<uint8_t, 16> revocation_id{};
  Signature signature{};
  bool operator==(const Grant&) const = default;
};

using GrantChain = std::vector<Grant>;

// Makes the next link. Fills the signature, and revocation_id (random) unless the caller has set one.
// `chain` leads to `issuer`'s key and is empty when the issuer is the root.
// Errors: INVALID_ARGUMENT naming the rule the link would break; every rule but expiry is held.
Result<Grant> issue(const NetworkId& network, const GrantChain& chain, const KeyPair& issuer, Grant grant);

// What a verified chain amounts to.
struct Membership {
  Roles roles = 0;
  Bytes scope;
  WallNs not_after = 0;  // the earliest of the chain; 0: none
};

// Errors: NOT_A_MEMBER naming the link and the rule it breaks; GRANT_EXPIRED.
Result<Membership> verify_chain(const NetworkId& network, const GrantChain& chain, const NodeId& subject,
                                WallNs now);

// The same for a chain that empowers an issuer: its last link may be of any kind and subject. An empty chain
// stands for the root itself. Errors: NOT_A_MEMBER, GRANT_EXPIRED.
Result<Membership> verify_links(const NetworkId& network, const GrantChain& chain, WallNs now);

void encode(wire::Writer& writer, const GrantChain& chain);
// Refuses (in the reader) more than limits::kGrantChainMax links, unknown kinds and scopes over the limit;
// says nothing about the chain's validity.
GrantChain decode_chain(wire::Reader& reader);

}  // namespace aspen::crypto
