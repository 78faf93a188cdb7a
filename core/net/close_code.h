// How errors travel in QUIC's application error codes: a close or reset carries the number of the engine's
// error code (capi/errors.def) and, on a close, a reason in words, so that both ends report the same cause.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace aspen::net {

// Not an error of anyone's: this connection gives way to another one between the same two nodes.
inline constexpr uint64_t kWireDuplicate = 0x1000;

inline constexpr size_t kReasonBytesMax = 256;

inline uint64_t to_wire(Code code) {
  return static_cast<uint64_t>(code);
}

// The error a peer's close or reset amounts to here. A number outside the table is PROTOCOL. `reason` is
// the peer's and is made printable; `what` starts the message ("the peer closed the connection").
Error from_wire(uint64_t code, std::string_view reason, std::string_view what);

// The same for a code of the QUIC transport (RFC 9000, section 20.1) or a TLS alert in it.
Error from_transport(uint64_t code, std::string_view reason);

// At most kReasonBytesMax bytes of printable ASCII; anything else becomes '?'.
std::string printable_reason(std::string_view reason);

}  // namespace aspen::net
