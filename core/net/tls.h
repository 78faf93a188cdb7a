// TLS 1.3 for QUIC by GnuTLS: mutual authentication with Ed25519 raw public keys (RFC 7250). No
// certificates, no names, no resumption: who a peer is, is its key.
//
// Signing is done by libsodium with the node's own KeyPair, so the secret never enters GnuTLS's memory.
//
// Thread safety: none.
#pragma once

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>
#include <optional>

#include "core/base/error.h"
#include "core/crypto/key.h"

namespace aspen::net {

inline constexpr std::string_view kAlpn = "aspen/1";

// What all of an endpoint's sessions share.
class TlsCredentials {
 public:
  // `key` outlives the result; `alpn` is what is offered and required (empty: none is offered). Errors:
  // INTERNAL (the TLS library refused the settings).
  static Result<std::unique_ptr<TlsCredentials>> create(const crypto::KeyPair& key,
                                                        std::string_view alpn = kAlpn);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  const NodeId& id() const { return id_; }

 private:
  friend class TlsSession;
  TlsCredentials() = default;
  NodeId id_;
  std::string alpn_;
  gnutls_certificate_credentials_t certificate_ = nullptr;
  gnutls_priority_t priority_ = nullptr;
};

// One handshake and the keys it yields. ngtcp2 drives it; `quic()` must be set before it does.
class TlsSession {
 public:
  // `expected` is the key the peer must have: given by a dialer. Errors: INTERNAL.
  static Result<std::unique_ptr<TlsSession>> create(const TlsCredentials& credentials, bool server,
                                                    std::optional<NodeId> expected);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  void set_quic(ngtcp2_conn* quic);
  // The peer's key once it was verified.
  const std::optional<NodeId>& peer() const { return peer_; }
  // Why the peer was refused, when it was this side that did so.
  const std::optional<Error>& refusal() const { return refusal_; }

 private:
  TlsSession() = default;
  static int verify(gnutls_session_t session);
  static int check_alpn(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*);
  Result<> configure(const TlsCredentials& credentials, bool server);
  std::optional<NodeId> read_peer_key() const;
  int refuse(Error why, int status);

  gnutls_session_t session_ = nullptr;
  ngtcp2_conn* quic_ = nullptr;
  ngtcp2_crypto_conn_ref ref_{};
  NodeId own_;
  std::optional<NodeId> expected_;
  std::optional<NodeId> peer_;
  std::optional<Error> refusal_;
};

}  // namespace aspen::net
