#include "core/node/tar_directory.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <numeric>

namespace aspen::node {
namespace {

constexpr size_t kBlockBytes = 512;

// The fields of a ustar header (POSIX.1-2017, pax): where each begins; numbers are octal text.
constexpr size_t kName = 0, kMode = 100, kUid = 108, kGid = 116, kSize = 124, kTime = 136, kChecksum = 148,
                 kType = 156, kMagic = 257;

Bytes header(const std::string& name, size_t size) {
  Bytes block(kBlockBytes, '\0');
  auto put = [&block](size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(kName, name);
  put(kMode, "0000600");
  put(kUid, "0000000");
  put(kGid, "0000000");
  put(kSize, fmt::format("{:011o}", size));
  put(kTime, "00000000000");
  put(kChecksum, "        ");  // counts as spaces
  put(kType, "0");
  put(kMagic, std::string("ustar\0"
                          "00",
                          8));
  unsigned sum = std::accumulate(block.begin(), block.end(), 0u,
                                 [](unsigned all, char c) { return all + static_cast<unsigned char>(c); });
  put(kChecksum, fmt::format("{:06o}", sum) + '\0');
  return block;
}

std::unexpected<Error> io_error(const char* what) {
  return fail(Code::IO, "cannot write the stream: {}", what);
}

}  // namespace

class TarDirectory::PendingFile final : public journal::File {
 public:
  explicit PendingFile(std::shared_ptr<Bytes> content) : content_(std::move(content)) {}
  Result<uint64_t> size() const override { return content_->size(); }
  Result<size_t> read(uint64_t offset, std::span<char> into) const override {
    if (offset >= content_->size()) return 0;
    return content_->copy(into.data(), into.size(), offset);
  }
  Result<> write(uint64_t offset, BytesView bytes) override {
    content_->resize(std::max<size_t>(content_->size(), offset + bytes.size()));
    content_->replace(offset, bytes.size(), bytes);
    return {};
  }
  Result<> sync() override { return {}; }
  Result<> write_synced(uint64_t offset, BytesView bytes) override { return write(offset, bytes); }

 private:
  std::shared_ptr<Bytes> content_;
};

Result<std::vector<std::string>> TarDirectory::list() const {
  return std::vector<std::string>();
}

Result<std::unique_ptr<journal::File>> TarDirectory::create(const std::string& name) {
  ASPEN_CHECK(emit());
  pending_.emplace(name, std::make_shared<Bytes>());
  return std::make_unique<PendingFile>(pending_->content);
}

Result<std::unique_ptr<journal::File>> TarDirectory::open(const std::string& name) {
  return fail(Code::UNSUPPORTED, "{} has left with the stream", name);
}

Result<> TarDirectory::rename(const std::string& from, const std::string& to) {
  if (!pending_ || pending_->name != from)
    return fail(Code::UNSUPPORTED, "{} has left with the stream", from);
  pending_->name = to;
  return {};
}

Result<> TarDirectory::remove(const std::string& name) {
  if (pending_ && pending_->name == name) pending_.reset();
  return {};
}

Result<> TarDirectory::sync() {
  return emit();
}

Result<> TarDirectory::emit() {
  if (!pending_) return {};
  Pending file = *std::exchange(pending_, std::nullopt);
  ASPEN_CHECK(write(header(file.name, file.content->size())));
  ASPEN_CHECK(write(*file.content));
  const size_t padding = (kBlockBytes - file.content->size() % kBlockBytes) % kBlockBytes;
  const size_t end = file.name == last_ ? 2 * kBlockBytes : 0;
  return write(Bytes(padding + end, '\0'));
}

// In pieces that a pipe which is ready takes whole, so that a reader that has stopped is noticed.
Result<> TarDirectory::write(BytesView bytes) {
  while (!bytes.empty()) {
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    int polled = ::poll(&ready, 1, static_cast<int>(kPatience / kMillisecond));
    if (polled < 0 && errno == EINTR) continue;
    if (polled < 0) return io_error(std::strerror(errno));
    if (polled == 0) return io_error("nobody reads it");
    ssize_t n = ::write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return io_error(std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace aspen::node
