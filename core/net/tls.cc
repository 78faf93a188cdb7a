#include "core/net/tls.h"

#include <gnutls/abstract.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <cstring>

namespace aspen::net {
namespace {

// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410): this, then the 32 bytes.
constexpr uint8_t kKeyInfoPrefix[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                        0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr size_t kKeyInfoBytes = sizeof kKeyInfoPrefix + NodeId::kSize;

// AES-128 first: with AES instructions it is the fastest by far. No session tickets, no other key types.
constexpr const char* kPriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:-SIGN-ALL:+SIGN-EDDSA-ED25519:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK:"
    "%DISABLE_TLS13_COMPAT_MODE";

Result<> check(int status, const char* what) {
  if (status >= 0) return {};
  return fail(Code::INTERNAL, "TLS: {}: {}", what, gnutls_strerror(status));
}

int sign_data(gnutls_privkey_t, gnutls_sign_algorithm_t algorithm, void* key, unsigned,
              const gnutls_datum_t* data, gnutls_datum_t* signature) {
  if (algorithm != GNUTLS_SIGN_EDDSA_ED25519) return GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
  crypto::Signature made = static_cast<const crypto::KeyPair*>(key)->sign(as_bytes(data->data, data->size));
  signature->data = static_cast<unsigned char*>(gnutls_malloc(made.size()));
  if (signature->data == nullptr) return GNUTLS_E_MEMORY_ERROR;
  signature->size = made.size();
  std::memcpy(signature->data, made.data(), made.size());
  return 0;
}

int key_info(gnutls_privkey_t, unsigned flags, void*) {
  if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) return GNUTLS_PK_EDDSA_ED25519;
  if ((flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0) {
    return GNUTLS_FLAGS_TO_SIGN_ALGO(flags) == GNUTLS_SIGN_EDDSA_ED25519;
  }
  if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) return 256;
  return -1;
}

Result<> set_key(gnutls_certificate_credentials_t certificate, const crypto::KeyPair& key) {
  uint8_t key_info_der[kKeyInfoBytes];
  std::memcpy(key_info_der, kKeyInfoPrefix, sizeof kKeyInfoPrefix);
  std::memcpy(key_info_der + sizeof kKeyInfoPrefix, key.id().key.data(), NodeId::kSize);
  gnutls_datum_t info{key_info_der, sizeof key_info_der};
  gnutls_privkey_t signer = nullptr;
  ASPEN_CHECK(check(gnutls_privkey_init(&signer), "private key"));
  auto* public_key = static_cast<gnutls_pcert_st*>(gnutls_calloc(1, sizeof(gnutls_pcert_st)));
  int status = gnutls_privkey_import_ext4(signer, const_cast<crypto::KeyPair*>(&key), sign_data, nullptr,
                                          nullptr, nullptr, key_info, 0);
  if (status >= 0) status = gnutls_pcert_import_rawpk_raw(public_key, &info, GNUTLS_X509_FMT_DER, 0, 0);
  // Takes over the signer and what public_key holds, but not its struct.
  if (status >= 0) status = gnutls_certificate_set_key(certificate, nullptr, 0, public_key, 1, signer);
  if (status < 0) gnutls_privkey_deinit(signer);
  gnutls_free(public_key);
  return check(status, "node key");
}

}  // namespace

Result<std::unique_ptr<TlsCredentials>> TlsCredentials::create(const crypto::KeyPair& key,
                                                               std::string_view alpn) {
  std::unique_ptr<TlsCredentials> out(new TlsCredentials);
  out->id_ = key.id();
  out->alpn_ = alpn;
  ASPEN_CHECK(check(gnutls_certificate_allocate_credentials(&out->certificate_), "credentials"));
  ASPEN_CHECK(set_key(out->certificate_, key));
  ASPEN_CHECK(check(gnutls_priority_init(&out->priority_, kPriority, nullptr), "priorities"));
  return out;
}

TlsCredentials::~TlsCredentials() {
  if (priority_ != nullptr) gnutls_priority_deinit(priority_);
  if (certificate_ != nullptr) gnutls_certificate_free_credentials(certificate_);
}

Result<std::unique_ptr<TlsSession>> TlsSession::create(const TlsCredentials& credentials, bool server,
                                                       std::optional<NodeId> expected) {
  std::unique_ptr<TlsSession> out(new TlsSession);
  out->own_ = credentials.id();
  out->expected_ = expected;
  // Without the RAWPK flag the priorities are taken and every handshake fails.
  unsigned flags = (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_ENABLE_RAWPK | GNUTLS_NO_TICKETS |
                   GNUTLS_NO_END_OF_EARLY_DATA;
  ASPEN_CHECK(check(gnutls_init(&out->session_, flags), "session"));
  ASPEN_CHECK(out->configure(credentials, server));
  return out;
}

TlsSession::~TlsSession() {
  if (session_ != nullptr) gnutls_deinit(session_);
}

Result<> TlsSession::configure(const TlsCredentials& credentials, bool server) {
  ASPEN_CHECK(check(gnutls_priority_set(session_, credentials.priority_), "priorities"));
  ASPEN_CHECK(check(server ? ngtcp2_crypto_gnutls_configure_server_session(session_)
                           : ngtcp2_crypto_gnutls_configure_client_session(session_),
                    "QUIC session"));
  ref_.get_conn = [](ngtcp2_crypto_conn_ref* ref) { return static_cast<TlsSession*>(ref->user_data)->quic_; };
  ref_.user_data = this;
  gnutls_session_set_ptr(session_, &ref_);
  ASPEN_CHECK(check(gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials.certificate_),
                    "credentials"));
  gnutls_datum_t alpn{reinterpret_cast<unsigned char*>(const_cast<char*>(credentials.alpn_.data())),
                      static_cast<unsigned>(credentials.alpn_.size())};
  if (alpn.size > 0) {
    ASPEN_CHECK(check(gnutls_alpn_set_protocols(session_, &alpn, 1, GNUTLS_ALPN_MANDATORY), "ALPN"));
  }
  gnutls_session_set_verify_function(session_, verify);
  if (server) {
    gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUIRE);
    gnutls_handshake_set_hook_function(session_, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_POST, check_alpn);
  }
  return {};
}

void TlsSession::set_quic(ngtcp2_conn* quic) {
  quic_ = quic;
  ngtcp2_conn_set_tls_native_handle(quic, session_);
}

// GNUTLS_ALPN_MANDATORY lets a client pass that sends no ALPN at all.
int TlsSession::check_alpn(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  gnutls_datum_t selected;
  return gnutls_alpn_get_selected_protocol(session, &selected) == 0 ? 0 : GNUTLS_E_NO_APPLICATION_PROTOCOL;
}

std::optional<NodeId> TlsSession::read_peer_key() const {
  if (gnutls_certificate_type_get2(session_, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK) return std::nullopt;
  unsigned count = 0;
  const gnutls_datum_t* keys = gnutls_certificate_get_peers(session_, &count);
  if (keys == nullptr || count != 1 || keys[0].size != kKeyInfoBytes ||
      std::memcmp(keys[0].data, kKeyInfoPrefix, sizeof kKeyInfoPrefix) != 0) {
    return std::nullopt;
  }
  NodeId id;
  std::memcpy(id.key.data(), keys[0].data + sizeof kKeyInfoPrefix, NodeId::kSize);
  return id;
}

int TlsSession::refuse(Error why, int status) {
  refusal_ = std::move(why);
  return status;
}

int TlsSession::verify(gnutls_session_t session) {
  auto* ref = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  auto& self = *static_cast<TlsSession*>(ref->user_data);
  std::optional<NodeId> key = self.read_peer_key();
  if (!key) {
    return self.refuse(Error(Code::PROTOCOL, "the peer showed no Ed25519 raw public key"),
                       GNUTLS_E_CERTIFICATE_ERROR);
  }
  if (self.expected_ && *key != *self.expected_) {
    return self.refuse(Error(Code::WRONG_PEER, fmt::format("asked for node {} and reached node {}",
                                                           self.expected_->to_string(), key->to_string())),
                       GNUTLS_E_CERTIFICATE_ERROR);
  }
  // An endpoint that reaches itself would wait for its own hello.
  if (*key == self.own_) {
    return self.refuse(Error(Code::WRONG_PEER, "reached this node itself"), GNUTLS_E_CERTIFICATE_ERROR);
  }
  self.peer_ = key;
  return 0;
}

}  // namespace aspen::net
