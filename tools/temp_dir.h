// A directory that is gone, with all it holds, when the object is.
//
// Thread safety: none.
#pragma once

#include <string>

#include "tools/failure.h"

namespace aspen::tools {

class TempDir {
 public:
  // Under `parent`, or, when that is empty, $TMPDIR or /tmp.
  static Result<TempDir> make(const std::string& parent);
  ~TempDir();
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;

  const std::string& path() const { return path_; }
  // True when what is written there is only in memory, so that syncing it proves nothing.
  bool in_memory() const;

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace aspen::tools
