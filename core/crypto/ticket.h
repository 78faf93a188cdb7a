// A ticket is an invitation written as text: the network's id, some members to dial, and the seed of an
// invitation key with the chain that empowers it. Whoever holds it can admit node keys within its limits,
// so it is to be treated like a password.
//
// Text form: "aspen1" and the base32 of the canonical encoding followed by the first 4 bytes of its hash
// (domain "aspen/ticket/1"), so a mistyped or cut ticket is told from a foreign one.
#pragma once

#include <string>
#include <vector>

#include "core/crypto/grant.h"

namespace aspen::crypto {

struct TicketPeer {
  NodeId node;
  std::string address;  // "host:port"
  bool operator==(const TicketPeer&) const = default;
};

struct Ticket {
  NetworkId network;
  std::vector<TicketPeer> peers;
  Seed invitation_seed{};
  GrantChain chain;  // ends in the invitation grant for that key
  bool operator==(const Ticket&) const = default;
};

std::string format_ticket(const Ticket& ticket);
// Errors: TICKET_INVALID saying what is wrong (prefix, characters, checksum, version, limits, an invitation
// key that does not match its chain); GRANT_EXPIRED.
Result<Ticket> parse_ticket(std::string_view text, WallNs now);

// Admits `node`: the ticket's chain and a node grant signed by its invitation key.
// Errors: PERMISSION_DENIED when the ticket does not carry `roles`.
Result<GrantChain> admit(const Ticket& ticket, const NodeId& node, Roles roles);

}  // namespace aspen::crypto
