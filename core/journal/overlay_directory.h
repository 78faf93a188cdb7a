// A directory as it would be after changes that are not made: reads are of the one below, writes stay in
// memory. So a journal can be opened, which repairs its end, to see whether it could be, without touching it.
//
// Memory: a copy of each file that is written to, which of a journal that is only opened is its last segment
// and what is made new.
// Lifetime: the directory below outlives it. Thread safety: as Directory.
#pragma once

#include <map>
#include <optional>

#include "core/journal/directory.h"

namespace aspen::journal {

class OverlayDirectory final : public Directory {
 public:
  explicit OverlayDirectory(Directory& below) : below_(below) {}

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<File>> create(const std::string& name) override;
  Result<std::unique_ptr<File>> open(const std::string& name) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& name) override;
  Result<> sync() override { return {}; }

 private:
  class Handle;
  struct Node {
    std::unique_ptr<File> below;   // null: made here
    std::optional<Bytes> content;  // once it was written to
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  Result<> load() const;

  Directory& below_;
  // Null until a file is opened. Nothing before the first use.
  mutable std::optional<Names> names_;
  std::map<std::string, std::string> original_;  // of renamed files that are not open: the name below
};

}  // namespace aspen::journal
