#include "core/net/close_code.h"

#include <limits>

namespace aspen::net {
namespace {

constexpr uint64_t kConnectionRefused = 0x2;
constexpr uint64_t kTlsAlert = 0x100;
constexpr uint64_t kAlertBadCertificate = 42;
constexpr uint64_t kAlertCertificateRequired = 116;
constexpr uint64_t kAlertNoApplicationProtocol = 120;

std::string with_reason(std::string_view what, std::string_view reason) {
  if (reason.empty()) return std::string(what);
  return fmt::format("{}: {}", what, printable_reason(reason));
}

}  // namespace

std::string printable_reason(std::string_view reason) {
  std::string out(reason.substr(0, kReasonBytesMax));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

Error from_wire(uint64_t code, std::string_view reason, std::string_view what) {
  bool fits = code <= static_cast<uint64_t>(std::numeric_limits<int32_t>::max());
  if (code == 0) return Error(Code::CONNECTION_LOST, with_reason(what, reason));
  if (!fits || error_info(static_cast<int32_t>(code)) == nullptr) {
    return Error(Code::PROTOCOL, with_reason(fmt::format("{} with unknown code {:#x}", what, code), reason));
  }
  return Error(static_cast<Code>(code), with_reason(what, reason));
}

Error from_transport(uint64_t code, std::string_view reason) {
  switch (code) {
    case kConnectionRefused:
      return Error(Code::OVERLOADED, with_reason("the peer takes no more connections", reason));
    case kTlsAlert + kAlertBadCertificate:
      return Error(Code::WRONG_PEER, with_reason("the peer refused this node's key", reason));
    case kTlsAlert + kAlertCertificateRequired:
      return Error(Code::PROTOCOL, with_reason("the peer requires a key and got none", reason));
    case kTlsAlert + kAlertNoApplicationProtocol:
      return Error(Code::UNSUPPORTED, with_reason("the peer does not speak this protocol", reason));
    default:
      return Error(Code::PROTOCOL, with_reason(fmt::format("the peer ended the connection with transport "
                                                           "error {:#x}",
                                                           code),
                                               reason));
  }
}

}  // namespace aspen::net
