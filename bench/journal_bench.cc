// What a durable record of the journal costs, beside what bounds it: the bare ways to make bytes durable.
//
//   journal_bench DIR [--seconds S]
//
// Batches of 1, 16, 64 and 1024 records of 256 bytes, one batch a sync, S seconds for each row (0.5 unless
// said otherwise, after a tenth of it to warm up). Bare rows write as many bytes as the journal's frame has,
// into a file of kFileBytes, in a circle; where the first write of a block is the point, of kFreshBytes:
//
//   fdatasync      pwrite and fdatasync, preallocated and zeroed
//   dsync          pwritev2 with RWF_DSYNC, the same file
//   direct         pwrite of whole blocks, O_DIRECT and O_DSYNC, the same file
//   io_uring       one write with RWF_DSYNC by io_uring, the same file (where liburing was found)
//   reserved       pwrite and fdatasync, a file that is preallocated but not zeroed
//   growing        pwrite and fdatasync, a file that grows
//
// Prints one JSON document on stdout:
//   {"bench":"journal","dir","seconds","results":[{"what","records","bytes","syncs","records_per_s","p50_us",
//   "p99_us"}],"open":{"bytes","records","open_s","read_s"}}
#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#ifdef ASPEN_HAVE_URING
#include <liburing.h>
#endif

#include "core/journal/journal.h"
#include "core/journal/posix_directory.h"

namespace aspen::bench {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr size_t kRecordBytes = 256;
constexpr size_t kBatches[] = {1, 16, 64, 1024};
constexpr size_t kFileBytes = 16u << 20;
constexpr size_t kFreshBytes = 1u << 30;
constexpr size_t kBlock = 4096;

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "journal_bench: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

void must(const Result<>& result) {
  if (result) return;
  fmt::print(stderr, "journal_bench: {}\n", result.error().to_string());
  std::exit(1);
}

// Runs `once` for `seconds` and reports the row.
Json measure(const std::string& what, size_t records, size_t bytes, double seconds,
             const std::function<void()>& once) {
  std::vector<int64_t> latencies;
  auto start =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds / 10));
  auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (auto now = Clock::now(); now < end;) {
    once();
    auto after = Clock::now();
    if (now >= start) latencies.push_back((after - now) / std::chrono::nanoseconds(1));
    now = after;
  }
  std::ranges::sort(latencies);
  auto us = [&](double fraction) {
    if (latencies.empty()) return 0.0;
    auto at = static_cast<size_t>(fraction * static_cast<double>(latencies.size() - 1));
    return std::round(static_cast<double>(latencies[at]) / 100) / 10;
  };
  double per_s = static_cast<double>(latencies.size() * records) / seconds;
  return {{"what", what},
          {"records", records},
          {"bytes", bytes},
          {"syncs", latencies.size()},
          {"records_per_s", std::round(per_s)},
          {"p50_us", us(0.5)},
          {"p99_us", us(0.99)}};
}

// One file and a place in it.
class Circle {
 public:
  enum class Room : uint8_t { zeroed, reserved, none };

  Circle(const std::string& path, Room room, int flags = 0)
      : path_(path), size_(room == Room::zeroed ? kFileBytes : kFreshBytes) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd_ < 0) die("cannot create " + path);
    if (room == Room::zeroed) zero();
    if (room == Room::reserved && ::posix_fallocate(fd_, 0, kFreshBytes) != 0) die("cannot reserve " + path);
    if (::fsync(fd_) != 0) die("cannot sync " + path);
    if (flags == 0) return;
    ::close(fd_);
    fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC | flags);
    if (fd_ < 0) die("cannot open " + path);
  }
  ~Circle() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  Circle(const Circle&) = delete;

  int fd() const { return fd_; }
  // Where the next write of `bytes` goes.
  off_t next(size_t bytes) {
    if (at_ + bytes > size_) at_ = 0;
    auto here = static_cast<off_t>(at_);
    at_ += bytes;
    return here;
  }
  void write(const void* data, size_t bytes, int flags) {
    iovec part{.iov_base = const_cast<void*>(data), .iov_len = bytes};
    if (::pwritev2(fd_, &part, 1, next(bytes), flags) != static_cast<ssize_t>(bytes)) die("cannot write");
  }
  void sync() const {
    if (::fdatasync(fd_) != 0) die("cannot sync");
  }

 private:
  void zero() const {
    const std::vector<char> zeroes(1u << 20);
    for (size_t at = 0; at < kFileBytes; at += zeroes.size()) {
      auto written = ::pwrite(fd_, zeroes.data(), zeroes.size(), static_cast<off_t>(at));
      if (written != static_cast<ssize_t>(zeroes.size())) die("cannot zero " + path_);
    }
  }

  std::string path_;
  size_t size_;
  int fd_ = -1;
  size_t at_ = 0;
};

#ifdef ASPEN_HAVE_URING
class Ring {
 public:
  Ring() {
    if (::io_uring_queue_init(4, &ring_, 0) != 0) die("cannot make an io_uring");
  }
  ~Ring() { ::io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;

  void write(Circle& file, const void* data, size_t bytes) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_write(entry, file.fd(), data, static_cast<unsigned>(bytes),
                          static_cast<__u64>(file.next(bytes)));
    entry->rw_flags = RWF_DSYNC;
    ::io_uring_submit_and_wait(&ring_, 1);
    io_uring_cqe* done = nullptr;
    if (::io_uring_wait_cqe(&ring_, &done) != 0 || done->res != static_cast<int>(bytes)) die("cannot write");
    ::io_uring_cqe_seen(&ring_, done);
  }

 private:
  io_uring ring_{};
};
#endif

std::vector<journal::Record> batch(size_t records) {
  static const std::string payload(kRecordBytes, 'r');
  return {records, {.user = 1, .payload = payload}};
}

// The bare ways, for frames of `records`.
void measure_bare(const std::string& dir, size_t records, double seconds, Json& results) {
  size_t bytes = journal::frame_bytes(batch(records));
  size_t blocks = (bytes + kBlock - 1) / kBlock * kBlock;
  char* data = static_cast<char*>(std::aligned_alloc(kBlock, blocks));
  std::memset(data, 'd', blocks);
  auto row = [&](const char* what, size_t size, Circle::Room room, int flags, auto once) {
    Circle file(dir + "/bare", room, flags);
    results.push_back(measure(what, records, size, seconds, [&] { once(file); }));
  };
  auto with_fdatasync = [&](Circle& file) {
    file.write(data, bytes, 0);
    file.sync();
  };
  row("fdatasync", bytes, Circle::Room::zeroed, 0, with_fdatasync);
  row("dsync", bytes, Circle::Room::zeroed, 0, [&](Circle& file) { file.write(data, bytes, RWF_DSYNC); });
  row("direct", blocks, Circle::Room::zeroed, O_DIRECT | O_DSYNC,
      [&](Circle& file) { file.write(data, blocks, 0); });
#ifdef ASPEN_HAVE_URING
  Ring ring;
  row("io_uring", bytes, Circle::Room::zeroed, 0, [&](Circle& file) { ring.write(file, data, bytes); });
#endif
  row("reserved", bytes, Circle::Room::reserved, 0, with_fdatasync);
  row("growing", bytes, Circle::Room::none, 0, with_fdatasync);
  std::free(data);
}

journal::Options options() {
  auto random = std::make_shared<std::mt19937_64>(1);
  return {.random = [random] { return (*random)(); }, .segment_bytes = kFileBytes};
}

// The journal in steady state: its segments are used again.
void measure_journal(const std::string& dir, journal::SyncCall call, size_t records, double seconds,
                     Json& results) {
  const std::string path = dir + "/journal";
  {
    auto directory = journal::PosixDirectory::at(path, call);
    if (!directory) must(forward_error(std::move(directory)));
    auto opened = journal::Journal::open(**directory, options());
    if (!opened) must(forward_error(std::move(opened)));
    journal::Journal& journal = **opened;
    auto all = batch(records);
    auto once = [&] {
      if (auto appended = journal.append(all); !appended) must(forward_error(std::move(appended)));
      must(journal.sync());
      must(journal.need(1, journal.next_sequence()));
      must(journal.reclaim());
    };
    // Until the next segments are ones that were in use.
    auto many = batch(1024);
    while (journal.stats().segments_started < 3) {
      if (auto appended = journal.append(many); !appended) must(forward_error(std::move(appended)));
    }
    once();
    const char* what = call == journal::SyncCall::dsync ? "journal dsync" : "journal fdatasync";
    results.push_back(measure(what, records, journal::frame_bytes(all), seconds, once));
  }
  std::filesystem::remove_all(path);
}

// Opening a journal whose last segment is full, and reading all of it.
Json measure_open(const std::string& dir) {
  const std::string path = dir + "/journal";
  auto directory = journal::PosixDirectory::at(path);
  if (!directory) must(forward_error(std::move(directory)));
  auto sized = options();
  sized.segment_bytes = limits::kJournalSegmentBytes;
  {
    auto journal = journal::Journal::open(**directory, sized);
    auto all = batch(64);
    while ((*journal)->stats().bytes + (1u << 20) < sized.segment_bytes) (void)(*journal)->append(all);
    must((*journal)->sync());
  }
  auto start = Clock::now();
  auto journal = journal::Journal::open(**directory, sized);
  if (!journal) must(forward_error(std::move(journal)));
  std::chrono::duration<double> opened = Clock::now() - start;
  start = Clock::now();
  journal::Cursor cursor = (*journal)->read(1);
  size_t records = 0;
  while (auto entry = cursor.next()) {
    if (!*entry) break;
    ++records;
  }
  std::chrono::duration<double> read = Clock::now() - start;
  std::filesystem::remove_all(path);
  return {{"bytes", sized.segment_bytes},
          {"records", records},
          {"open_s", opened.count()},
          {"read_s", read.count()}};
}

int run(const std::string& parent, double seconds) {
  std::string dir = parent + "/journal_bench_XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) die("cannot make a directory in " + parent);
  Json results = Json::array();
  for (size_t records : kBatches) {
    measure_bare(dir, records, seconds, results);
    measure_journal(dir, journal::SyncCall::fdatasync, records, seconds, results);
    measure_journal(dir, journal::SyncCall::dsync, records, seconds, results);
  }
  Json open = measure_open(dir);
  std::filesystem::remove_all(dir);
  fmt::print(
      "{}\n",
      Json{{"bench", "journal"}, {"dir", parent}, {"seconds", seconds}, {"results", results}, {"open", open}}
          .dump());
  return 0;
}

}  // namespace
}  // namespace aspen::bench

int main(int argc, char** argv) {
  const std::string_view option = argc == 4 ? argv[2] : "--seconds";
  const std::string_view text = argc == 4 ? argv[3] : "0.5";
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number =
      error == std::errc() && end == text.data() + text.size() && seconds > 0 && seconds <= 60;
  if ((argc != 2 && argc != 4) || option != "--seconds" || !number) {
    fmt::print(stderr, "usage: journal_bench DIR [--seconds S]\n");
    return 2;
  }
  return aspen::bench::run(argv[1], seconds);
}
