#include "core/lab/disk_directory.h"

namespace aspen::lab {

Result<std::vector<std::string>> DiskDirectory::list() const {
  ASPEN_CHECK(mount_->check_alive("the journal"));
  return files_.list();
}

Result<std::unique_ptr<journal::File>> DiskDirectory::create(const std::string& name) {
  ASPEN_CHECK(mount_->check_alive(name));
  return files_.create(name);
}

Result<std::unique_ptr<journal::File>> DiskDirectory::open(const std::string& name) {
  ASPEN_CHECK(mount_->check_alive(name));
  return files_.open(name);
}

Result<> DiskDirectory::rename(const std::string& from, const std::string& to) {
  ASPEN_CHECK(mount_->check_alive(from));
  return files_.rename(from, to);
}

Result<> DiskDirectory::remove(const std::string& name) {
  ASPEN_CHECK(mount_->check_alive(name));
  return files_.remove(name);
}

Result<> DiskDirectory::sync() {
  ASPEN_CHECK(mount_->check_alive("the journal"));
  return files_.sync();
}

}  // namespace aspen::lab
