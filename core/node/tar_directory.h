// A directory that is written once, in order, into a pipe or a file: as a tar archive (POSIX ustar), so that
// what reads it need not be ours.
//
//   aspen backup - | ssh host tar -x -C /backup/monday
//
// Each file is kept in memory until it is whole, because an archive says a file's size before its content: it
// leaves when the next one is created, or at sync(). A file may be renamed until then, and only then. The
// archive ends with the file `last`.
//
// A reader that takes nothing for kPatience is taken for gone: IO.
//
// Memory: one file. Thread safety: none. Writing blocks.
#pragma once

#include <optional>

#include "core/base/time.h"
#include "core/journal/directory.h"

namespace aspen::node {

class TarDirectory final : public journal::Directory {
 public:
  static constexpr DurationNs kPatience = 60 * kSecond;

  // The descriptor stays the caller's.
  TarDirectory(int descriptor, std::string last) : descriptor_(descriptor), last_(std::move(last)) {}

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<journal::File>> create(const std::string& name) override;
  // UNSUPPORTED: what was written has left.
  Result<std::unique_ptr<journal::File>> open(const std::string& name) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  // What has not left does not leave; of all else nothing happens.
  Result<> remove(const std::string& name) override;
  Result<> sync() override;

 private:
  class PendingFile;
  struct Pending {
    std::string name;
    std::shared_ptr<Bytes> content;
  };

  Result<> emit();
  Result<> write(BytesView bytes);

  const int descriptor_;
  const std::string last_;
  std::optional<Pending> pending_;
};

}  // namespace aspen::node
