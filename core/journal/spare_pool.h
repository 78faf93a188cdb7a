// Segments that are whole and not in use: made ahead of their need, in slices, or given up by the journal.
//
// A new one is zeroed, not only reserved, because the first write to a reserved block costs a change of the
// file's extents. One that was in use is taken as it is: the salt of its next use makes its old content
// nothing.
//
// Invariants: every spare is segment_bytes long, its blocks are durable; that a file is no segment any more
// is durable before it is used again. Thread safety: none.
#pragma once

#include <set>

#include "core/journal/directory.h"

namespace aspen::journal {

class SparePool {
 public:
  SparePool(Directory& directory, size_t segment_bytes, size_t spares_max)
      : directory_(directory), segment_bytes_(segment_bytes), spares_max_(spares_max) {}

  // After a start: keeps what is whole, removes what is not, or is too much.
  Result<> adopt(const std::vector<std::string>& names);

  struct Spare {
    std::string name;
    std::unique_ptr<File> file;
    uint64_t bytes = 0;
  };
  // Makes one when there is none. Errors: IO, a full disk too; then there is one less file, or none.
  Result<Spare> take();
  // For the first segment of a journal: of one slice, so that it is there at once. Errors: IO.
  Result<Spare> take_first();
  // The file is kept as a spare, or removed when there are enough. Its old content is not to be relied on.
  Result<> give(const std::string& name);
  // Makes a slice of a spare if there is none. True when another slice is to be made.
  Result<bool> make_slice();

  size_t size() const { return slots_.size(); }

 private:
  Result<> make_slice_of_new();
  // A number that no spare has.
  uint64_t free_slot() const;

  Directory& directory_;
  const size_t segment_bytes_;
  const size_t spares_max_;
  std::set<uint64_t> slots_;
  std::unique_ptr<File> making_;
  uint64_t zeroed_ = 0;  // of making_
};

}  // namespace aspen::journal
