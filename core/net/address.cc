#include "core/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <charconv>
#include <cstring>

#include "core/base/limits.h"

namespace aspen::net {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

Address::Address(const sockaddr* address) : Address() {
  std::memcpy(&storage_, address, address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  unmap();
}

void Address::unmap() {
  if (family() != AF_INET6 || std::memcmp(&storage_.in6.sin6_addr, kMappedPrefix, 12) != 0) return;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = storage_.in6.sin6_port;
  std::memcpy(&in.sin_addr, storage_.in6.sin6_addr.s6_addr + 12, 4);
  storage_.in6 = {};
  storage_.in = in;
}

Address Address::mapped() const {
  if (family() != AF_INET) return *this;
  Address out;
  out.storage_.in6.sin6_family = AF_INET6;
  out.storage_.in6.sin6_port = storage_.in.sin_port;
  std::memcpy(&out.storage_.in6.sin6_addr, kMappedPrefix, 12);
  std::memcpy(out.storage_.in6.sin6_addr.s6_addr + 12, &storage_.in.sin_addr, 4);
  return out;
}

uint16_t Address::port() const {
  return ntohs(family() == AF_INET ? storage_.in.sin_port : storage_.in6.sin6_port);
}

std::string Address::to_string() const {
  char host[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &storage_.in.sin_addr, host, sizeof host);
    return fmt::format("{}:{}", host, port());
  }
  inet_ntop(AF_INET6, &storage_.in6.sin6_addr, host, sizeof host);
  return fmt::format("[{}]:{}", host, port());
}

bool Address::operator==(const Address& other) const {
  if (family() != other.family()) return false;
  if (family() == AF_INET) {
    return storage_.in.sin_port == other.storage_.in.sin_port &&
           storage_.in.sin_addr.s_addr == other.storage_.in.sin_addr.s_addr;
  }
  return storage_.in6.sin6_port == other.storage_.in6.sin6_port &&
         storage_.in6.sin6_scope_id == other.storage_.in6.sin6_scope_id &&
         std::memcmp(&storage_.in6.sin6_addr, &other.storage_.in6.sin6_addr, sizeof(in6_addr)) == 0;
}

Result<std::pair<std::string, std::string>> split_host_port(std::string_view text) {
  auto refused = [&text](const char* why) {
    return fail(Code::INVALID_ARGUMENT, "address \"{}\" {}", text.substr(0, limits::kAddressBytesMax), why);
  };
  if (text.size() > limits::kAddressBytesMax) return refused("is too long");
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refused("is not host:port");
  std::string_view host = text.substr(0, colon);
  std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refused("has an IPv6 host without brackets; write [host]:port");
  }
  if (host.empty()) return refused("has no host");
  // Such bytes would end the name early, or show up in logs.
  for (char c : host) {
    if (c <= ' ' || c >= 0x7f) return refused("has a host that is not a name");
  }
  unsigned number = 0;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) {
    return refused("has no port between 0 and 65535");
  }
  return std::pair(std::string(host), std::string(port));
}

Result<Address> Address::look_up(std::string_view text, int flags) {
  ASPEN_TRY(auto host_port, split_host_port(text));
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int status = getaddrinfo(host_port.first.c_str(), host_port.second.c_str(), &hints, &found);
  if (status != 0) {
    return fail(Code::INVALID_ARGUMENT, "cannot resolve the host of address \"{}\": {}", text,
                gai_strerror(status));
  }
  Address address(found->ai_addr);
  freeaddrinfo(found);
  return address;
}

Result<Address> Address::parse(std::string_view text) {
  return look_up(text, AI_NUMERICHOST);
}

Result<Address> Address::resolve(std::string_view text) {
  return look_up(text, 0);
}

}  // namespace aspen::net
