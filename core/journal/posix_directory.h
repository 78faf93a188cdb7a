// A directory of the operating system.
//
// Thread safety: as Directory.
#pragma once

#include "core/journal/directory.h"

namespace aspen::journal {

// How write_synced() is done; the journal's figures are the same for what it is given here.
enum class SyncCall : uint8_t {
  fdatasync,  // pwrite, then fdatasync
  dsync,      // pwritev2 with RWF_DSYNC, where the file system has it
};

class PosixDirectory final : public Directory {
 public:
  // Creates the directory when absent; its parent must exist, and is synced.
  static Result<std::unique_ptr<PosixDirectory>> at(const std::string& path,
                                                    SyncCall sync_call = SyncCall::dsync);
  // Errors: NOT_FOUND, IO.
  static Result<std::unique_ptr<PosixDirectory>> existing(const std::string& path);
  ~PosixDirectory() override;
  PosixDirectory(const PosixDirectory&) = delete;

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<File>> create(const std::string& name) override;
  // Only for reading what may not be written.
  Result<std::unique_ptr<File>> open(const std::string& name) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& name) override;
  Result<> sync() override;

 private:
  PosixDirectory(std::string path, int descriptor, SyncCall sync_call)
      : path_(std::move(path)), descriptor_(descriptor), sync_call_(sync_call) {}
  Result<std::unique_ptr<File>> open_file(const std::string& name, int flags);
  std::unexpected<Error> failed(const char* what, const std::string& name) const;

  std::string path_;
  int descriptor_;
  SyncCall sync_call_;
};

}  // namespace aspen::journal
