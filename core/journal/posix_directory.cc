#include "core/journal/posix_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace aspen::journal {
namespace {

std::unexpected<Error> io_error(const char* what, const std::string& path) {
  int error = errno;
  const char* remedy = error == ENOSPC || error == EDQUOT ? "; make room on this disk" : "";
  return fail(Code::IO, "cannot {} {}: {}{}", what, path, std::strerror(error), remedy);
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int descriptor, SyncCall sync_call)
      : path_(std::move(path)), descriptor_(descriptor), sync_call_(sync_call) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;

  Result<uint64_t> size() const override {
    struct stat info{};
    if (::fstat(descriptor_, &info) != 0) return io_error("look at", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<size_t> read(uint64_t offset, std::span<char> into) const override {
    size_t done = 0;
    while (done < into.size()) {
      ssize_t n =
          ::pread(descriptor_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io_error("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Result<> write(uint64_t offset, BytesView bytes) override { return write(offset, bytes, 0); }

  Result<> sync() override {
    if (::fdatasync(descriptor_) != 0) return io_error("sync", path_);
    return {};
  }

  Result<> write_synced(uint64_t offset, BytesView bytes) override {
    if (sync_call_ == SyncCall::dsync) return write(offset, bytes, RWF_DSYNC);
    ASPEN_CHECK(write(offset, bytes, 0));
    return sync();
  }

 private:
  Result<> write(uint64_t offset, BytesView bytes, int flags) {
    while (!bytes.empty()) {
      iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
      ssize_t n = ::pwritev2(descriptor_, &part, 1, static_cast<off_t>(offset), flags);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EOPNOTSUPP && flags != 0) {
        sync_call_ = SyncCall::fdatasync;
        return write_synced(offset, bytes);
      }
      if (n < 0) return io_error("write", path_);
      offset += static_cast<uint64_t>(n);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  std::string path_;
  int descriptor_;
  SyncCall sync_call_;
};

Result<> sync_path(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return io_error("open", path);
  Result<> result;
  if (::fsync(descriptor) != 0) result = io_error("sync", path);
  ::close(descriptor);
  return result;
}

}  // namespace

Result<std::unique_ptr<PosixDirectory>> PosixDirectory::at(const std::string& path, SyncCall sync_call) {
  bool created = ::mkdir(path.c_str(), 0700) == 0;
  if (!created && errno != EEXIST) return io_error("create", path);
  int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return io_error("open", path);
  std::unique_ptr<PosixDirectory> directory(new PosixDirectory(path, descriptor, sync_call));
  if (created) ASPEN_CHECK(sync_path(path + "/.."));
  return directory;
}

Result<std::unique_ptr<PosixDirectory>> PosixDirectory::existing(const std::string& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return fail(Code::NOT_FOUND, "there is no directory {}", path);
  }
  if (descriptor < 0) return io_error("open", path);
  return std::unique_ptr<PosixDirectory>(new PosixDirectory(path, descriptor, SyncCall::dsync));
}

PosixDirectory::~PosixDirectory() {
  ::close(descriptor_);
}

std::unexpected<Error> PosixDirectory::failed(const char* what, const std::string& name) const {
  return io_error(what, path_ + "/" + name);
}

Result<std::vector<std::string>> PosixDirectory::list() const {
  DIR* stream = ::opendir(path_.c_str());
  if (stream == nullptr) return io_error("list", path_);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) names.emplace_back(entry->d_name);
  }
  Result<> result;
  if (errno != 0) result = io_error("list", path_);
  ::closedir(stream);
  if (!result) return forward_error(std::move(result));
  std::ranges::sort(names);
  return names;
}

Result<std::unique_ptr<File>> PosixDirectory::open_file(const std::string& name, int flags) {
  int descriptor = ::openat(descriptor_, name.c_str(), flags | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0 && flags == 0 && (errno == EACCES || errno == EROFS)) {
    descriptor = ::openat(descriptor_, name.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (descriptor < 0) return failed(flags != 0 ? "create" : "open", name);
  return std::make_unique<PosixFile>(path_ + "/" + name, descriptor, sync_call_);
}

Result<std::unique_ptr<File>> PosixDirectory::create(const std::string& name) {
  return open_file(name, O_CREAT | O_EXCL);
}

Result<std::unique_ptr<File>> PosixDirectory::open(const std::string& name) {
  return open_file(name, 0);
}

Result<> PosixDirectory::rename(const std::string& from, const std::string& to) {
  if (::renameat(descriptor_, from.c_str(), descriptor_, to.c_str()) != 0) return failed("rename", from);
  return {};
}

Result<> PosixDirectory::remove(const std::string& name) {
  if (::unlinkat(descriptor_, name.c_str(), 0) != 0) return failed("remove", name);
  return {};
}

Result<> PosixDirectory::sync() {
  if (::fsync(descriptor_) != 0) return io_error("sync", path_);
  return {};
}

}  // namespace aspen::journal
