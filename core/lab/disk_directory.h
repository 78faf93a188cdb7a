// A journal's directory on a simulated disk, as one boot of the machine sees it.
//
// What it does, and what of it a crash takes, is the disk's (disk.h); this is the boot's hold on it, which
// ends with the boot: files that were opened before a crash fail by themselves.
//
// Lifetime: the disk outlives it. Thread safety: none.
#pragma once

#include "core/lab/disk.h"

namespace aspen::lab {

class DiskDirectory final : public journal::Directory {
 public:
  DiskDirectory(std::shared_ptr<Mount> mount, journal::MemoryDirectory& files)
      : mount_(std::move(mount)), files_(files) {}

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<journal::File>> create(const std::string& name) override;
  Result<std::unique_ptr<journal::File>> open(const std::string& name) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& name) override;
  Result<> sync() override;

 private:
  std::shared_ptr<Mount> mount_;
  journal::MemoryDirectory& files_;
};

}  // namespace aspen::lab
