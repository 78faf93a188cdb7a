#include "core/node/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/journal/posix_directory.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> io_error(const char* what, const std::string& path) {
  return fail(Code::IO, "{} {}: {}", what, path, std::strerror(errno));
}

Result<> sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return io_error("cannot open", path);
  int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) return io_error("cannot sync", path);
  return {};
}

Result<> write_file(const std::string& path, BytesView bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return io_error("cannot create", path);
  Result<> result;
  if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) || ::fsync(fd) != 0) {
    result = io_error("cannot write", path);
  }
  ::close(fd);
  return result;
}

// A directory that holds files but no node of ours is somebody else's.
Result<> refuse_foreign(const std::string& path) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    std::string name = entry.path().filename();
    if (name == "lock" || name == "node.new" || name == "lost+found") continue;
    return fail(Code::WRONG_NODE, "{} holds '{}' but no aspen node; choose an empty directory", path, name);
  }
  if (error) return fail(Code::IO, "cannot list {}: {}", path, error.message());
  return {};
}

// Replaces `path` durably: after a crash it is the old or the new file.
Result<> replace_file(const std::string& path, BytesView bytes, const std::string& directory) {
  ASPEN_CHECK(write_file(path + ".new", bytes));
  if (::rename((path + ".new").c_str(), path.c_str()) != 0) return io_error("cannot replace", path);
  return sync_directory(directory);
}

// The locked descriptor of `path`/lock, with our pid in it.
Result<int> lock(const std::string& path) {
  std::string lock_path = path + "/lock";
  for (;;) {
    int fd = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return io_error("cannot open", lock_path);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      char holder[32] = {};
      ssize_t size = ::read(fd, holder, sizeof holder - 1);
      ::close(fd);
      return fail(Code::IN_USE, "the data directory {} is in use by process {}", path,
                  size > 0 ? holder : "(unknown)");
    }
    // The holder before us may have removed the file: a lock on it would keep nobody out.
    struct stat held{};
    struct stat named{};
    if (::fstat(fd, &held) != 0 || ::stat(lock_path.c_str(), &named) != 0 || held.st_ino != named.st_ino) {
      ::close(fd);
      continue;
    }
    std::string pid = std::to_string(::getpid());
    if (::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) > 0) return fd;
    auto error = io_error("cannot write", lock_path);
    ::close(fd);
    return error;
  }
}

}  // namespace

Result<std::unique_ptr<DataDir>> DataDir::open(const std::string& path) {
  struct stat info{};
  bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && !S_ISDIR(info.st_mode)) return fail(Code::INVALID_ARGUMENT, "{} is not a directory", path);
  if (exists && ::access((path + "/node").c_str(), F_OK) != 0) ASPEN_CHECK(refuse_foreign(path));
  bool created = !exists && ::mkdir(path.c_str(), 0700) == 0;
  if (!exists && !created && errno != EEXIST) return io_error("cannot create the data directory", path);
  // Else a power failure could take the whole directory back. Not every parent may be read, and so synced.
  if (created) (void)sync_directory(fs::absolute(path).lexically_normal().parent_path());
  ASPEN_TRY(int fd, lock(path));
  std::unique_ptr<DataDir> dir(new DataDir(path, fd, created));
  ASPEN_CHECK(dir->load());
  return dir;
}

// A directory in which nothing was saved is left as it was found.
DataDir::~DataDir() {
  if (unsaved_) {
    ::unlink((path_ + "/lock").c_str());
    ::unlink((path_ + "/node.new").c_str());
    if (created_) ::rmdir(path_.c_str());
  }
  ::close(lock_fd_);
}

Result<> DataDir::load() {
  std::string path = path_ + "/node";
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    unsaved_ = errno == ENOENT;
    return unsaved_ ? Result<>() : io_error("cannot open", path);
  }
  Bytes bytes(kNodeFileBytesMax, '\0');
  ssize_t size = ::read(fd, bytes.data(), bytes.size());
  ::close(fd);
  if (size < 0) return io_error("cannot read", path);
  bytes.resize(static_cast<size_t>(size));
  ASPEN_TRY(node_, decode_node_file(bytes, path));
  return {};
}

Result<> DataDir::save(NodeFile node) {
  ASPEN_CHECK(replace_file(path_ + "/node", encode_node_file(node), path_));
  unsaved_ = false;
  node_ = std::move(node);
  return {};
}

Result<std::unique_ptr<journal::Directory>> DataDir::open_journal() {
  std::string path = path_ + "/journal";
  ASPEN_CHECK(claim(path));
  return journal::PosixDirectory::at(path);
}

Result<std::unique_ptr<store::Store>> DataDir::open_state() {
  std::string path = path_ + "/state";
  ASPEN_CHECK(claim(path));
  return store::open_rocksdb({.path = path, .wal = false});
}

Result<> DataDir::claim(const std::string& path) const {
  std::string owner =
      fmt::format("node {} of network {}", crypto::KeyPair::from_seed(node_->node_seed).id().to_string(),
                  node_->network.to_string());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return io_error("cannot create", path);
  std::string owner_path = path + "/OWNER";
  std::string found(2 * owner.size(), '\0');
  int fd = ::open(owner_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno != ENOENT) return io_error("cannot open", owner_path);
  if (fd >= 0) {
    ssize_t size = ::read(fd, found.data(), found.size());
    ::close(fd);
    if (size < 0) return io_error("cannot read", owner_path);
    found.resize(static_cast<size_t>(size));
    if (found == owner) return {};
    return fail(Code::WRONG_NODE, "{} belongs to {}, not to {}", path, found, owner);
  }
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    std::string name = entry.path().filename();
    if (name != "OWNER.new")
      return fail(Code::WRONG_NODE, "{} holds '{}' but does not say whose it is", path, name);
  }
  if (error) return fail(Code::IO, "cannot list {}: {}", path, error.message());
  ASPEN_CHECK(replace_file(owner_path, owner, path));
  return sync_directory(path_);
}

}  // namespace aspen::node
