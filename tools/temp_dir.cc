#include "tools/temp_dir.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace aspen::tools {

Result<TempDir> TempDir::make(const std::string& parent) {
  std::string path = parent;
  if (path.empty()) {
    const char* environment = std::getenv("TMPDIR");
    path = environment && *environment ? environment : "/tmp";
  }
  path += "/aspen-XXXXXX";
  if (!mkdtemp(path.data())) {
    return fail_hint(ASPEN_IO, fmt::format("cannot make a directory {}: {}", path, std::strerror(errno)),
                     "--dir chooses another place");
  }
  return TempDir(path);
}

TempDir::~TempDir() {
  std::error_code ignored;  // nobody is left to tell; the path says what it is
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

bool TempDir::in_memory() const {
  struct statfs info{};
  return statfs(path_.c_str(), &info) == 0 && (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC);
}

}  // namespace aspen::tools
