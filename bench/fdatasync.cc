// What one durable write costs this disk: the floor under every acknowledged put.
//
//   fdatasync DIR [--seconds S]
//
// One file, preallocated and zeroed (so that no write allocates or converts extents), overwritten in a
// circle: pwrite, fdatasync, one at a time, for each size. Prints one JSON document on stdout:
//   {"bench":"fdatasync","dir","in_memory","results":[{"bytes","syncs","seconds","syncs_per_s","p50_us",
//   "p99_us","p999_us"}]}
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tools/client.h"
#include "tools/histogram.h"
#include "tools/output.h"
#include "tools/temp_dir.h"

namespace {

using aspen::tools::fail;
using aspen::tools::Histogram;
using aspen::tools::Json;
using aspen::tools::monotonic_ns;
using aspen::tools::Result;

constexpr size_t kFileBytes = 64u << 20;
constexpr size_t kSizes[] = {128, 512, 4096};
constexpr double kWarmUpSeconds = 0.3;

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::unexpected<aspen::tools::Failure> failed(const char* what, const std::string& path) {
  return fail(ASPEN_IO, "cannot {} {}: {}", what, path, std::strerror(errno));
}

// Zeroes are written, not only reserved: a reserved block is converted by its first write, which costs more.
Result<> fill(int fd, const std::string& path) {
  const std::vector<char> zeroes(1u << 20);
  for (size_t at = 0; at < kFileBytes; at += zeroes.size()) {
    const ssize_t n = ::pwrite(fd, zeroes.data(), zeroes.size(), static_cast<off_t>(at));
    if (n != static_cast<ssize_t>(zeroes.size())) return failed("write", path);
  }
  if (::fsync(fd) != 0) return failed("sync", path);
  return {};
}

Result<Json> measure(int fd, const std::string& path, size_t bytes, double seconds) {
  const std::vector<char> data(bytes, 'a');
  Histogram latency;
  const int64_t count_from_ns = monotonic_ns() + static_cast<int64_t>(kWarmUpSeconds * 1e9);
  const int64_t end_ns = count_from_ns + static_cast<int64_t>(seconds * 1e9);
  size_t at = 0;
  for (int64_t start_ns = monotonic_ns(); start_ns < end_ns; start_ns = monotonic_ns()) {
    const ssize_t n = ::pwrite(fd, data.data(), bytes, static_cast<off_t>(at));
    if (n != static_cast<ssize_t>(bytes)) return failed("write", path);
    if (::fdatasync(fd) != 0) return failed("sync", path);
    if (start_ns >= count_from_ns) latency.add(monotonic_ns() - start_ns);
    at = (at + bytes) % kFileBytes;
  }
  const auto us = [&](double fraction) {
    return std::round(static_cast<double>(latency.percentile_ns(fraction)) / 100) / 10;
  };
  return Json{{"bytes", bytes},
              {"syncs", latency.count()},
              {"seconds", seconds},
              {"syncs_per_s", std::round(static_cast<double>(latency.count()) / seconds * 10) / 10},
              {"p50_us", us(0.5)},
              {"p99_us", us(0.99)},
              {"p999_us", us(0.999)}};
}

Result<> run(const std::string& parent, double seconds) {
  TOOLS_TRY(const aspen::tools::TempDir dir, aspen::tools::TempDir::make(parent));
  const std::string path = dir.path() + "/file";
  const Descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (file.fd < 0) return failed("make", path);
  TOOLS_CHECK(fill(file.fd, path));
  Json results = Json::array();
  for (const size_t bytes : kSizes) {
    TOOLS_TRY(Json result, measure(file.fd, path, bytes, seconds));
    results.push_back(std::move(result));
  }
  aspen::tools::print_json(
      {{"bench", "fdatasync"}, {"dir", parent}, {"in_memory", dir.in_memory()}, {"results", results}});
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view option = argc == 4 ? argv[2] : "--seconds";
  const std::string_view text = argc == 4 ? argv[3] : "3";
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number =
      error == std::errc() && end == text.data() + text.size() && seconds > 0 && seconds <= 3600;
  if ((argc != 2 && argc != 4) || argv[1][0] == '-' || option != "--seconds" || !number) {
    fmt::print(stderr, "usage: fdatasync DIR [--seconds S]\n");
    return aspen::tools::kExitUsage;
  }
  const Result<> result = run(argv[1], seconds);
  if (result) return aspen::tools::kExitOk;
  aspen::tools::print_failure(result.error(), aspen::tools::Format::TABLE);
  return result.error().exit_code();
}
