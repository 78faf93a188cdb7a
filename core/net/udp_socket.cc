#include "core/net/udp_socket.h"

#include <netinet/udp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/log.h"

namespace aspen::net {
namespace {

constexpr size_t kPacketsMax = 256;
constexpr size_t kSendBufferBytes = kPacketsMax * kPacketBytesMax;
constexpr size_t kSegmentsMax = 44;  // 64 is the kernel's limit, and 64 KiB one send's
constexpr size_t kSegmentedBytesMax = 65'000;
constexpr size_t kReceiveSlots = 16;
constexpr size_t kReceiveSlotBytes = 65'536;
constexpr int kSocketBufferBytes = 4 << 20;

Error system_error(Code code, const char* what, std::string_view address) {
  return Error(code, fmt::format("{} {}: {}", what, address, std::strerror(errno)));
}

}  // namespace

struct UdpSocket::ReceiveBuffers {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kReceiveSlots * kReceiveSlotBytes);
  std::array<mmsghdr, kReceiveSlots> messages{};
  std::array<iovec, kReceiveSlots> vectors{};
  std::array<sockaddr_in6, kReceiveSlots> from{};
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(int))];
  };
  std::array<Control, kReceiveSlots> control{};

  // The kernel shortens the lengths; they are put back before every call.
  void arm() {
    for (size_t i = 0; i < kReceiveSlots; ++i) {
      vectors[i] = {bytes.data() + i * kReceiveSlotBytes, kReceiveSlotBytes};
      msghdr& header = messages[i].msg_hdr;
      header.msg_name = &from[i];
      header.msg_namelen = sizeof from[i];
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = control[i].bytes;
      header.msg_controllen = sizeof control[i].bytes;
      header.msg_flags = 0;
    }
  }

  // The size of the packets merged into message `i`; its whole size when it is one packet.
  size_t segment_bytes(size_t i) {
    msghdr& header = messages[i].msg_hdr;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0) return static_cast<size_t>(size);
    }
    return messages[i].msg_len;
  }
};

UdpSocket::UdpSocket(rt::Loop& loop, int fd)
    : loop_(loop), fd_(fd), send_buffer_(kSendBufferBytes), receive_(std::make_unique<ReceiveBuffers>()) {
  packets_.reserve(kPacketsMax);
  int size = kSocketBufferBytes;  // the system caps it at its own limit
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  int on = 1;
  setsockopt(fd_, SOL_UDP, UDP_GRO, &on, sizeof on);  // absent before Linux 5.0: packets come one by one
  int segment = 0;
  segmentation_ = setsockopt(fd_, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0;
}

UdpSocket::~UdpSocket() {
  watch_.reset();
  ::close(fd_);
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(rt::Loop& loop, std::string_view listen) {
  constexpr int kType = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (!listen.empty()) {
    ASPEN_TRY(Address address, Address::resolve(listen));
    int fd = ::socket(address.family(), kType, 0);
    if (fd < 0) return std::unexpected(system_error(Code::IO, "cannot open a UDP socket for", listen));
    std::unique_ptr<UdpSocket> socket(new UdpSocket(loop, fd));
    ASPEN_CHECK(socket->bind(address, listen));
    return socket;
  }
  int fd = ::socket(AF_INET6, kType, 0);
  int off = 0;
  if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) {
    std::unique_ptr<UdpSocket> socket(new UdpSocket(loop, fd));
    socket->dual_stack_ = true;
    if (socket->bind(*Address::parse("[::]:0"), "[::]:0")) return socket;
  } else if (fd >= 0) {
    ::close(fd);
  }
  fd = ::socket(AF_INET, kType, 0);
  if (fd < 0) return std::unexpected(system_error(Code::IO, "cannot open a UDP socket for", "0.0.0.0:0"));
  std::unique_ptr<UdpSocket> socket(new UdpSocket(loop, fd));
  ASPEN_CHECK(socket->bind(*Address::parse("0.0.0.0:0"), "0.0.0.0:0"));
  return socket;
}

Result<> UdpSocket::bind(const Address& address, std::string_view text) {
  if (::bind(fd_, address.data(), address.size()) != 0) {
    if (errno == EADDRINUSE) {
      return fail(Code::IN_USE, "address {} is in use by another process; choose another port", text);
    }
    Code code = errno == EADDRNOTAVAIL ? Code::INVALID_ARGUMENT : Code::IO;
    return std::unexpected(system_error(code, "cannot listen on", text));
  }
  sockaddr_in6 bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return std::unexpected(system_error(Code::IO, "cannot read the bound address of", text));
  }
  local_ = Address(reinterpret_cast<const sockaddr*>(&bound));
  return {};
}

void UdpSocket::set_callbacks(std::function<void()> readable, std::function<void()> writable) {
  readable_ = std::move(readable);
  writable_ = std::move(writable);
  watch_ = std::make_unique<rt::FdWatch>(loop_, fd_, EPOLLIN, [this](uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
      flush();
      if (!blocked_) writable_();
    }
    if ((events & ~uint32_t{EPOLLOUT}) != 0) readable_();
  });
}

uint8_t* UdpSocket::reserve() {
  if (packets_.size() == kPacketsMax || kSendBufferBytes - send_bytes_ < kPacketBytesMax) {
    flush();
    // Still full: the oldest packets are lost rather than the sender stopped in the middle of one.
    if (blocked_) {
      packets_.clear();
      send_bytes_ = sent_ = 0;
    }
  }
  return send_buffer_.data() + send_bytes_;
}

void UdpSocket::commit(size_t size, const Address& to) {
  packets_.push_back({send_bytes_, size, dual_stack_ ? to.mapped() : to});
  send_bytes_ += size;
}

size_t UdpSocket::run_length(size_t first) const {
  if (!segmentation_) return 1;
  size_t segment = packets_[first].size;
  size_t total = segment;
  size_t next = first + 1;
  // All but the last have the first one's size.
  while (next < packets_.size() && next - first < kSegmentsMax && packets_[next - 1].size == segment &&
         packets_[next].size <= segment && total + packets_[next].size <= kSegmentedBytesMax &&
         packets_[next].to == packets_[first].to) {
    total += packets_[next++].size;
  }
  return next - first;
}

void UdpSocket::flush() {
  while (sent_ < packets_.size()) {
    constexpr size_t kBatch = 64;
    mmsghdr messages[kBatch];
    iovec vectors[kBatch];
    struct alignas(cmsghdr) Control {
      char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control[kBatch];
    size_t runs[kBatch];
    size_t count = 0;
    for (size_t first = sent_; first < packets_.size() && count < kBatch; ++count) {
      runs[count] = run_length(first);
      Packet& head = packets_[first];
      Packet& last = packets_[first + runs[count] - 1];
      vectors[count] = {send_buffer_.data() + head.offset, last.offset + last.size - head.offset};
      messages[count] = {};
      msghdr& header = messages[count].msg_hdr;
      header.msg_name = const_cast<sockaddr*>(head.to.data());
      header.msg_namelen = head.to.size();
      header.msg_iov = &vectors[count];
      header.msg_iovlen = 1;
      if (runs[count] > 1) {
        header.msg_control = control[count].bytes;
        header.msg_controllen = sizeof control[count].bytes;
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        auto segment = static_cast<uint16_t>(head.size);
        std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
      }
      first += runs[count];
    }
    int n = sendmmsg(fd_, messages, static_cast<unsigned>(count), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return set_blocked(true);
      // Segmentation is refused by some devices and tunnels only when it is used.
      if (runs[0] > 1 && (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)) {
        log(LogLevel::info, "net: segmented sends refused ({}); sending packets one by one",
            std::strerror(errno));
        segmentation_ = false;
        continue;
      }
      // No route, a firewall, a late ICMP error: to QUIC the packets are lost like any other.
      sent_ += runs[0];
      continue;
    }
    for (int i = 0; i < n; ++i) sent_ += runs[i];
  }
  packets_.clear();
  send_bytes_ = sent_ = 0;
  set_blocked(false);
}

void UdpSocket::set_blocked(bool blocked) {
  if (blocked == blocked_) return;
  blocked_ = blocked;
  if (watch_) watch_->set_events(blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void UdpSocket::receive(const Receive& packet) {
  receive_->arm();
  int n = recvmmsg(fd_, receive_->messages.data(), kReceiveSlots, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < n; ++i) {
    auto slot = static_cast<size_t>(i);
    const auto* from = reinterpret_cast<const sockaddr*>(&receive_->from[slot]);
    if (from->sa_family != AF_INET && from->sa_family != AF_INET6) continue;
    Address address(from);
    BytesView bytes =
        as_bytes(receive_->bytes.data() + slot * kReceiveSlotBytes, receive_->messages[slot].msg_len);
    size_t segment = receive_->segment_bytes(slot);
    while (!bytes.empty()) {
      packet(address, bytes.substr(0, segment));
      bytes.remove_prefix(std::min(segment, bytes.size()));
    }
  }
}

}  // namespace aspen::net
