// An IPv4 or IPv6 address and port. One peer has one Address: IPv4 addresses that a dual-stack socket shows
// mapped into IPv6 are kept as IPv4.
//
// Text form is "host:port", an IPv6 host in brackets: "10.0.0.7:4000", "[::1]:4000".
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "core/base/error.h"

namespace aspen::net {

class Address {
 public:
  Address() { storage_.in6 = {}; }
  // Requires: a sockaddr of family AF_INET or AF_INET6.
  explicit Address(const sockaddr* address);

  // Numeric hosts only. Errors: INVALID_ARGUMENT.
  static Result<Address> parse(std::string_view text);
  // Also names; asks the system's resolver and may block. Errors: INVALID_ARGUMENT.
  static Result<Address> resolve(std::string_view text);

  int family() const { return storage_.any.sa_family; }
  uint16_t port() const;
  const sockaddr* data() const { return &storage_.any; }
  socklen_t size() const { return family() == AF_INET ? sizeof storage_.in : sizeof storage_.in6; }
  // As an IPv6 socket that also speaks IPv4 wants it.
  Address mapped() const;
  std::string to_string() const;

  bool operator==(const Address& other) const;

 private:
  static Result<Address> look_up(std::string_view text, int flags);
  void unmap();

  union {
    sockaddr any;
    sockaddr_in in;
    sockaddr_in6 in6;
  } storage_;
};

// Errors: INVALID_ARGUMENT unless `text` is "host:port" with a port of 0 to 65535 and at most
// limits::kAddressBytesMax bytes. Brackets around the host are removed.
Result<std::pair<std::string, std::string>> split_host_port(std::string_view text);

}  // namespace aspen::net
