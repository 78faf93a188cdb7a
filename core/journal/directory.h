// What a journal needs of a file system: a flat directory of files that are written at offsets.
//
// PosixDirectory (posix_directory.h) is the disk; MemoryDirectory (memory_directory.h) loses in a crash what
// a disk may lose, and is what the tests and the lab run on.
//
// Durability: what is written to a file survives a power cut once a sync of that file succeeded, names once a
// sync of the directory did. Before that any part of it may survive, in any order. After a sync that failed
// what was not durable may never become so, even if a later sync succeeds (Linux marks the pages clean).
// Errors: IO, naming the file; a write that grows a file may find the disk full and then says so.
// Thread safety: one call at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::journal {

class File {
 public:
  virtual ~File() = default;
  virtual Result<uint64_t> size() const = 0;
  // Fewer bytes than `into` holds only where the file ends.
  virtual Result<size_t> read(uint64_t offset, std::span<char> into) const = 0;
  // May have written a part when it fails.
  virtual Result<> write(uint64_t offset, BytesView bytes) = 0;
  // Everything written to the file so far.
  virtual Result<> sync() = 0;
  // The same as write and, of these bytes only, sync: one call where the system has it.
  virtual Result<> write_synced(uint64_t offset, BytesView bytes) = 0;
};

class Directory {
 public:
  virtual ~Directory() = default;
  // The names of its files, sorted.
  virtual Result<std::vector<std::string>> list() const = 0;
  // Empty. Requires: there is none of that name.
  virtual Result<std::unique_ptr<File>> create(const std::string& name) = 0;
  virtual Result<std::unique_ptr<File>> open(const std::string& name) = 0;
  // Open files stay open. Requires: there is a `from` and no `to`.
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<> remove(const std::string& name) = 0;
  // Makes durable which files there are and their names.
  virtual Result<> sync() = 0;
};

}  // namespace aspen::journal
