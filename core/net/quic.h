// Small bridges to ngtcp2's types, shared by the files that drive it.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/net/address.h"
#include "core/rt/env.h"

namespace aspen::net {

// Our own connection ids; a peer's may be longer.
inline constexpr size_t kCidBytes = 8;

inline ngtcp2_tstamp to_ngtcp2(TimeNs time) {
  return static_cast<ngtcp2_tstamp>(time);
}

inline BytesView cid_view(const ngtcp2_cid& cid) {
  return as_bytes(cid.data, cid.datalen);
}

inline ngtcp2_cid random_cid(rt::Env& env, size_t size = kCidBytes) {
  ngtcp2_cid cid;
  cid.datalen = size;
  env.random(cid.data, size);
  return cid;
}

inline ngtcp2_path make_path(const Address& local, const Address& remote) {
  auto end = [](const Address& address) {
    return ngtcp2_addr{const_cast<sockaddr*>(address.data()), address.size()};
  };
  return {end(local), end(remote), nullptr};
}

}  // namespace aspen::net
