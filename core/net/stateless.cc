#include "core/net/stateless.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <cstring>

#include "core/base/hash.h"
#include "core/base/time.h"
#include "core/net/quic.h"

namespace aspen::net {
namespace {

constexpr size_t kAnswersPerSecondMax = 2'000;
constexpr DurationNs kRetryTimeout = 10 * kSecond;
// Shorter ones could be told from a real packet; RFC 9000, section 10.3.
constexpr size_t kResetBytesMin = 21;
constexpr size_t kResetBytesMax = 43;

}  // namespace

Stateless::Stateless(const crypto::KeyPair& key, rt::Env& env) : env_(env) {
  crypto::Seed seed = key.seed();
  reset_key_ = hash("aspen/net/reset-key/1", {as_bytes(seed.data(), seed.size())});
  env_.random(retry_secret_.data(), retry_secret_.size());
}

ResetToken Stateless::reset_token(BytesView cid) const {
  Hash digest = hash("aspen/net/reset-token/1", {hash_view(reset_key_), cid});
  ResetToken token;
  std::copy_n(digest.begin(), token.size(), token.begin());
  return token;
}

bool Stateless::allowed() {
  TimeNs now = env_.now();
  if (now - second_began_ >= kSecond) {
    second_began_ = now;
    answers_ = 0;
  }
  return ++answers_ <= kAnswersPerSecondMax;
}

size_t Stateless::reset(BytesView packet, BytesView cid, uint8_t* out, size_t size) {
  // Smaller than what it answers, so that two endpoints cannot keep resetting each other.
  if (packet.size() <= kResetBytesMin || !allowed()) return 0;
  size_t total = std::min({packet.size() - 1, kResetBytesMax, size});
  uint8_t noise[kResetBytesMax];
  size_t noise_size = total - ResetToken().size();
  env_.random(noise, noise_size);
  ResetToken token = reset_token(cid);
  ngtcp2_ssize written = ngtcp2_pkt_write_stateless_reset(out, size, token.data(), noise, noise_size);
  return written > 0 ? static_cast<size_t>(written) : 0;
}

size_t Stateless::negotiate_version(const ngtcp2_version_cid& header, uint8_t* out, size_t size) {
  if (!allowed()) return 0;
  const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
  auto noise = static_cast<uint8_t>(env_.random_u64());
  ngtcp2_ssize written =
      ngtcp2_pkt_write_version_negotiation(out, size, noise, header.scid, header.scidlen, header.dcid,
                                           header.dcidlen, versions, std::size(versions));
  return written > 0 ? static_cast<size_t>(written) : 0;
}

size_t Stateless::retry(const ngtcp2_pkt_hd& initial, const Address& from, uint8_t* out, size_t size) {
  if (!allowed()) return 0;
  ngtcp2_cid scid = random_cid(env_);
  uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
  ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token(
      token, retry_secret_.data(), retry_secret_.size(), initial.version, from.data(), from.size(), &scid,
      &initial.dcid, to_ngtcp2(env_.now()));
  if (token_size < 0) return 0;
  ngtcp2_ssize written = ngtcp2_crypto_write_retry(out, size, initial.version, &initial.scid, &scid,
                                                   &initial.dcid, token, static_cast<size_t>(token_size));
  return written > 0 ? static_cast<size_t>(written) : 0;
}

std::optional<ngtcp2_cid> Stateless::verify_retry(const ngtcp2_pkt_hd& initial, const Address& from) {
  ngtcp2_cid original;
  if (ngtcp2_crypto_verify_retry_token(&original, initial.token.base, initial.token.len, retry_secret_.data(),
                                       retry_secret_.size(), initial.version, from.data(), from.size(),
                                       &initial.dcid, kRetryTimeout, to_ngtcp2(env_.now())) != 0) {
    return std::nullopt;
  }
  return original;
}

std::optional<ResetToken> reset_token_in(BytesView packet) {
  // A long header is never a reset.
  if (packet.size() < kResetBytesMin || (static_cast<uint8_t>(packet[0]) & 0x80) != 0) return std::nullopt;
  ResetToken token;
  std::memcpy(token.data(), packet.data() + packet.size() - token.size(), token.size());
  return token;
}

}  // namespace aspen::net
