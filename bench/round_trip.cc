// What one request and its reply cost on loopback without anything above UDP: the floor under every remote
// call.
//
//   round_trip [--seconds S]
//
// Two processes with a socket each send 256 bytes to and fro, one datagram at a time, asleep in recv() while
// there is none. Prints one JSON document on stdout:
// {"bench":"round_trip","bytes","trips","seconds","p50_us","p99_us", "p999_us"}
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "tools/client.h"
#include "tools/histogram.h"
#include "tools/output.h"

namespace {

using aspen::tools::fail;
using aspen::tools::Histogram;
using aspen::tools::monotonic_ns;
using aspen::tools::Result;

constexpr size_t kBytes = 256;
constexpr double kWarmUpSeconds = 0.3;
constexpr timeval kPatience = {.tv_sec = 5, .tv_usec = 0};  // loopback loses nothing; then something is wrong

// A bound UDP socket on loopback.
Result<int> open_socket(sockaddr_in& address) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0 ||
      ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return fail(ASPEN_IO, "cannot open a socket: {}", std::strerror(errno));
  }
  return fd;
}

[[noreturn]] void echo(int fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char buffer[kBytes];
  while (::recv(fd, buffer, sizeof buffer, 0) > 0) ::send(fd, buffer, sizeof buffer, 0);
  _exit(0);
}

Result<> ping(int fd, double seconds) {
  char buffer[kBytes] = {};
  Histogram latency;
  const int64_t count_from_ns = monotonic_ns() + static_cast<int64_t>(kWarmUpSeconds * 1e9);
  const int64_t end_ns = count_from_ns + static_cast<int64_t>(seconds * 1e9);
  for (int64_t start_ns = monotonic_ns(); start_ns < end_ns; start_ns = monotonic_ns()) {
    if (::send(fd, buffer, sizeof buffer, 0) < 0 || ::recv(fd, buffer, sizeof buffer, 0) < 0) {
      return fail(ASPEN_IO, "no reply: {}", std::strerror(errno));
    }
    if (start_ns >= count_from_ns) latency.add(monotonic_ns() - start_ns);
  }
  const auto us = [&](double fraction) {
    return std::round(static_cast<double>(latency.percentile_ns(fraction)) / 100) / 10;
  };
  aspen::tools::print_json({{"bench", "round_trip"},
                            {"bytes", kBytes},
                            {"trips", latency.count()},
                            {"seconds", seconds},
                            {"p50_us", us(0.5)},
                            {"p99_us", us(0.99)},
                            {"p999_us", us(0.999)}});
  return {};
}

Result<> run(double seconds) {
  sockaddr_in here, there;
  TOOLS_TRY(const int near, open_socket(here));
  TOOLS_TRY(const int far, open_socket(there));
  if (::connect(near, reinterpret_cast<sockaddr*>(&there), sizeof there) != 0 ||
      ::connect(far, reinterpret_cast<sockaddr*>(&here), sizeof here) != 0) {
    return fail(ASPEN_IO, "cannot connect a socket: {}", std::strerror(errno));
  }
  const pid_t other = fork();
  if (other < 0) return fail(ASPEN_IO, "cannot fork: {}", std::strerror(errno));
  if (other == 0) echo(far);
  const Result<> result = ping(near, seconds);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view text = argc == 3 ? argv[2] : "3";
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number =
      error == std::errc() && end == text.data() + text.size() && seconds > 0 && seconds <= 3600;
  if ((argc != 1 && argc != 3) || (argc == 3 && argv[1] != std::string_view("--seconds")) || !number) {
    fmt::print(stderr, "usage: round_trip [--seconds S]\n");
    return aspen::tools::kExitUsage;
  }
  const Result<> result = run(seconds);
  if (result) return aspen::tools::kExitOk;
  aspen::tools::print_failure(result.error(), aspen::tools::Format::TABLE);
  return result.error().exit_code();
}
