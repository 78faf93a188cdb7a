#include "core/crypto/grant.h"

#include <sodium.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/limits.h"

namespace aspen::crypto {
namespace {

// The root may grant anything, to roles that are yet to be named as well.
constexpr Roles kRootRoles = ~Roles{0};

const char* kind_name(GrantKind kind) {
  switch (kind) {
    case GrantKind::admin:
      return "admin";
    case GrantKind::invitation:
      return "invitation";
    case GrantKind::node:
      return "node";
  }
  return "unknown";
}

void encode_fields(wire::Writer& writer, const Grant& grant) {
  writer.fixed(grant.subject.view());
  writer.u64(grant.roles);
  writer.bytes(grant.scope);
  writer.u64(static_cast<uint64_t>(grant.not_after));
  writer.fixed(as_bytes(grant.revocation_id.data(), grant.revocation_id.size()));
}

// What a link's signature is over.
Hash signed_hash(const NetworkId& network, const Grant& grant) {
  wire::Writer link;
  link.u8(static_cast<uint8_t>(grant.kind));
  encode_fields(link, grant);
  return hash("aspen/grant/1", {network.view(), link.view()});
}

// What may be granted onward at one point of a chain: the root's powers, then each link's.
struct Issuer {
  NodeId key;
  GrantKind kind = GrantKind::admin;
  Membership powers{kRootRoles, {}, 0};
};

// The rule `grant` would break as the next link after `issuer`, or empty. Signatures are judged elsewhere.
std::string broken_rule(const Issuer& issuer, const Grant& grant) {
  const Membership& powers = issuer.powers;
  if (issuer.kind == GrantKind::node) return "is issued by a node; nodes issue nothing";
  if (issuer.kind == GrantKind::invitation && grant.kind != GrantKind::node) {
    return fmt::format("is of kind {}; an invitation may only issue nodes", kind_name(grant.kind));
  }
  if ((grant.roles & ~powers.roles) != 0) {
    return fmt::format("has roles {:#x}, more than its issuer's {:#x}", grant.roles, powers.roles);
  }
  if (grant.scope.size() > limits::kGrantScopeBytesMax) {
    return fmt::format("has a scope of {} bytes; at most {}", grant.scope.size(),
                       limits::kGrantScopeBytesMax);
  }
  if (!grant.scope.starts_with(powers.scope)) return "has a scope outside its issuer's";
  if (grant.not_after < 0) return "expires before the epoch";
  if (powers.not_after != 0 && (grant.not_after == 0 || grant.not_after > powers.not_after)) {
    return "outlives its issuer";
  }
  return {};
}

Issuer next_issuer(const Grant& grant) {
  return {grant.subject, grant.kind, {grant.roles, grant.scope, grant.not_after}};
}

// Every rule but expiry and those about the last link.
Result<Issuer> follow(const NetworkId& network, const GrantChain& chain) {
  if (chain.size() > limits::kGrantChainMax) {
    return fail(Code::NOT_A_MEMBER, "membership chain has {} links; at most {}", chain.size(),
                limits::kGrantChainMax);
  }
  Issuer issuer{.key = network};
  for (size_t i = 0; i < chain.size(); ++i) {
    const Grant& grant = chain[i];
    if (std::string rule = broken_rule(issuer, grant); !rule.empty()) {
      return fail(Code::NOT_A_MEMBER, "link {} of the membership chain {}", i + 1, rule);
    }
    if (!verify(issuer.key, hash_view(signed_hash(network, grant)),
                as_bytes(grant.signature.data(), grant.signature.size()))) {
      return fail(Code::NOT_A_MEMBER, "link {} of the membership chain is not signed by {} of network {}",
                  i + 1, i == 0 ? "the root key" : "the link before it", network.short_string());
    }
    issuer = next_issuer(grant);
  }
  return issuer;
}

// No link outlives its issuer, so the last one expires first; naming the first that has expired tells
// which key has to be renewed.
Result<> check_expiry(const GrantChain& chain, WallNs now) {
  for (size_t i = 0; i < chain.size(); ++i) {
    if (chain[i].not_after != 0 && chain[i].not_after <= now) {
      return fail(Code::GRANT_EXPIRED, "link {} of the membership chain ({}) expired {} s ago", i + 1,
                  kind_name(chain[i].kind), (now - chain[i].not_after) / kSecond);
    }
  }
  return {};
}

}  // namespace

Result<Grant> issue(const NetworkId& network, const GrantChain& chain, const KeyPair& issuer, Grant grant) {
  Result<Issuer> powers = follow(network, chain);
  if (!powers) return fail(Code::INVALID_ARGUMENT, "cannot issue a grant: {}", powers.error().message);
  if (powers->key != issuer.id()) {
    return fail(Code::INVALID_ARGUMENT,
                "cannot issue a grant: the chain leads to key {}, not to the issuer's {}",
                powers->key.short_string(), issuer.id().short_string());
  }
  if (chain.size() >= limits::kGrantChainMax) {
    return fail(Code::INVALID_ARGUMENT, "cannot issue a grant: the chain has {} links already", chain.size());
  }
  if (std::string rule = broken_rule(*powers, grant); !rule.empty()) {
    return fail(Code::INVALID_ARGUMENT, "cannot issue a grant that {}", rule);
  }
  if (std::ranges::all_of(grant.revocation_id, [](uint8_t byte) { return byte == 0; })) {
    randombytes_buf(grant.revocation_id.data(), grant.revocation_id.size());
  }
  grant.signature = issuer.sign(hash_view(signed_hash(network, grant)));
  return grant;
}

Result<Membership> verify_links(const NetworkId& network, const GrantChain& chain, WallNs now) {
  ASPEN_TRY(Issuer last, follow(network, chain));
  ASPEN_CHECK(check_expiry(chain, now));
  return std::move(last.powers);
}

Result<Membership> verify_chain(const NetworkId& network, const GrantChain& chain, const NodeId& subject,
                                WallNs now) {
  if (chain.empty()) return fail(Code::NOT_A_MEMBER, "the membership chain is empty");
  ASPEN_TRY(Issuer last, follow(network, chain));
  if (last.kind != GrantKind::node) {
    return fail(Code::NOT_A_MEMBER, "the last link of the membership chain is of kind {}, not node",
                kind_name(last.kind));
  }
  if (last.key != subject) {
    return fail(Code::NOT_A_MEMBER, "the membership chain was issued to node {}, not to {}",
                last.key.short_string(), subject.short_string());
  }
  ASPEN_CHECK(check_expiry(chain, now));
  return std::move(last.powers);
}

void encode(wire::Writer& writer, const GrantChain& chain) {
  writer.u64(chain.size());
  for (const Grant& grant : chain) {
    writer.begin(static_cast<uint64_t>(grant.kind));
    encode_fields(writer, grant);
    writer.fixed(as_bytes(grant.signature.data(), grant.signature.size()));
    writer.end();
  }
}

GrantChain decode_chain(wire::Reader& reader) {
  GrantChain chain;
  size_t count = reader.count(limits::kGrantChainMax, "grants in a chain");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    Grant grant;
    uint64_t kind = reader.begin();
    if (kind < 1 || kind > 3) reader.refuse(fmt::format("grant is of unknown kind {}", kind));
    grant.kind = static_cast<GrantKind>(kind);
    auto fixed = [&reader](auto& out) {
      BytesView bytes = reader.fixed(out.size());
      std::copy(bytes.begin(), bytes.end(), out.begin());
    };
    fixed(grant.subject.key);
    grant.roles = reader.u64();
    grant.scope = Bytes(reader.bytes(limits::kGrantScopeBytesMax, "grant scope"));
    grant.not_after = static_cast<WallNs>(reader.u64_max(std::numeric_limits<WallNs>::max(), "grant expiry"));
    fixed(grant.revocation_id);
    fixed(grant.signature);
    reader.end();
    chain.push_back(std::move(grant));
  }
  if (!reader.ok()) chain.clear();
  return chain;
}

}  // namespace aspen::crypto
