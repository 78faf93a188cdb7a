#include "core/crypto/ticket.h"

#include <sodium.h>

#include <algorithm>

#include "core/base/base32.h"
#include "core/base/hash.h"
#include "core/base/limits.h"

namespace aspen::crypto {
namespace {

constexpr std::string_view kPrefix = "aspen1";
constexpr uint64_t kTicketKind = 1;
constexpr size_t kChecksumBytes = 4;

Bytes checksum(BytesView encoding) {
  return Bytes(hash_view(hash("aspen/ticket/1", {encoding})).substr(0, kChecksumBytes));
}

Bytes encode_ticket(const Ticket& ticket) {
  wire::Writer writer;
  writer.begin(kTicketKind);
  writer.fixed(ticket.network.view());
  writer.u64(ticket.peers.size());
  for (const TicketPeer& peer : ticket.peers) {
    writer.fixed(peer.node.view());
    writer.bytes(peer.address);
  }
  writer.fixed(as_bytes(ticket.invitation_seed.data(), ticket.invitation_seed.size()));
  encode(writer, ticket.chain);
  writer.end();
  return writer.take();
}

Result<Ticket> decode_ticket(BytesView encoding) {
  Ticket ticket;
  wire::Reader reader(encoding);
  auto fixed = [&reader](auto& out) {
    BytesView bytes = reader.fixed(out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
  };
  if (uint64_t kind = reader.begin(); kind != kTicketKind) {
    reader.refuse(fmt::format("kind {} is not known to this build", kind));
  }
  fixed(ticket.network.key);
  size_t peers = reader.count(limits::kTicketPeersMax, "peers in a ticket");
  for (size_t i = 0; i < peers && reader.ok(); ++i) {
    TicketPeer& peer = ticket.peers.emplace_back();
    fixed(peer.node.key);
    peer.address = Bytes(reader.text(limits::kAddressBytesMax, "peer address"));
  }
  fixed(ticket.invitation_seed);
  ticket.chain = decode_chain(reader);
  reader.end();
  ASPEN_CHECK(reader.finish("ticket"));
  return ticket;
}

// The invitation key must be the one the chain empowers, with a link left for the node it admits.
Result<> check_invitation(const Ticket& ticket) {
  if (ticket.chain.empty() || ticket.chain.back().kind != GrantKind::invitation) {
    return fail(Code::TICKET_INVALID, "ticket's chain does not end in an invitation");
  }
  if (ticket.chain.size() >= limits::kGrantChainMax) {
    return fail(Code::TICKET_INVALID, "ticket's chain has {} links; at most {} leave room for a node",
                ticket.chain.size(), limits::kGrantChainMax - 1);
  }
  if (KeyPair::from_seed(ticket.invitation_seed).id() != ticket.chain.back().subject) {
    return fail(Code::TICKET_INVALID, "ticket's invitation key is not the one its chain was issued to");
  }
  return {};
}

}  // namespace

std::string format_ticket(const Ticket& ticket) {
  Bytes encoding = encode_ticket(ticket);
  encoding += checksum(encoding);
  return std::string(kPrefix) + base32_encode(encoding);
}

Result<Ticket> parse_ticket(std::string_view text, WallNs now) {
  if (text.size() > limits::kTicketBytesMax) {
    return fail(Code::TICKET_INVALID, "ticket is {} characters; at most {}", text.size(),
                limits::kTicketBytesMax);
  }
  if (!text.starts_with(kPrefix)) {
    return fail(Code::TICKET_INVALID, "ticket does not start with \"{}\"{}", kPrefix,
                text.starts_with("aspen") ? "; it is of another version" : "");
  }
  Result<Bytes> body = base32_decode(text.substr(kPrefix.size()), "ticket");
  if (!body) return fail(Code::TICKET_INVALID, "{}", body.error().message);
  if (body->size() < kChecksumBytes) return fail(Code::TICKET_INVALID, "ticket is cut short");
  BytesView encoding = BytesView(*body).substr(0, body->size() - kChecksumBytes);
  if (checksum(encoding) != BytesView(*body).substr(encoding.size())) {
    return fail(Code::TICKET_INVALID, "ticket's checksum is wrong; it was mistyped or cut short");
  }
  Result<Ticket> ticket = decode_ticket(encoding);
  if (!ticket) return fail(Code::TICKET_INVALID, "{}", ticket.error().message);
  ASPEN_CHECK(check_invitation(*ticket));
  Result<Membership> powers = verify_links(ticket->network, ticket->chain, now);
  if (!powers && powers.error().code == Code::GRANT_EXPIRED) return forward_error(std::move(powers));
  if (!powers) return fail(Code::TICKET_INVALID, "ticket: {}", powers.error().message);
  return ticket;
}

Result<GrantChain> admit(const Ticket& ticket, const NodeId& node, Roles roles) {
  ASPEN_CHECK(check_invitation(ticket));
  const Grant& invitation = ticket.chain.back();
  if ((roles & ~invitation.roles) != 0) {
    return fail(Code::PERMISSION_DENIED, "ticket admits roles {:#x}, not {:#x}", invitation.roles, roles);
  }
  Grant grant{.kind = GrantKind::node,
              .subject = node,
              .roles = roles,
              .scope = invitation.scope,
              .not_after = invitation.not_after};
  Result<Grant> link =
      issue(ticket.network, ticket.chain, KeyPair::from_seed(ticket.invitation_seed), std::move(grant));
  if (!link) return fail(Code::TICKET_INVALID, "{}", link.error().message);
  GrantChain chain = ticket.chain;
  chain.push_back(*std::move(link));
  return chain;
}

}  // namespace aspen::crypto
