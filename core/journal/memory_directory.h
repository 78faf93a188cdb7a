// A directory in memory that crashes, fails and fills up as a disk does, where its owner says.
//
//   MemoryDirectory disk;
//   disk.before = [&](auto, auto&) { return ++n == 7 ? Fault::die : Fault::none; };  // the 7th operation
//   ... use it until it fails ...
//   disk.crash(choose);   // a power cut: choose(n) in [0, n) decides what of the unsynced survives
//   ... open it again ...
//
// restart() instead of crash() is the end of the process alone: the system's memory keeps what was written.
//
// A power cut keeps what was synced. Of writes that were not, each sector of kSectorBytes is kept or lost by
// itself; of creations, renames and removals that were not, a first part, as a journaling file system has it.
// After a sync that failed, reads see what was written, but no later sync makes it durable.
//
// Invariants: after crash() and restart() every File opened before fails with IO and changes nothing.
// Thread safety: none.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "core/journal/directory.h"

namespace aspen::journal {

enum class Operation : uint8_t { read, write, sync, create, rename, remove, sync_directory };
enum class Fault : uint8_t {
  none,
  fail,  // nothing happens; a sync loses what it was to make durable
  part,  // of a write the first half happens, and it fails; all else as fail
  die,   // it happens, unsynced, and the machine stops: all else fails until crash()
};

class MemoryDirectory final : public Directory {
 public:
  static constexpr size_t kSectorBytes = 512;

  MemoryDirectory() = default;
  // The files and nothing unsynced.
  explicit MemoryDirectory(const std::map<std::string, Bytes>& files);
  MemoryDirectory(const MemoryDirectory&) = delete;

  // Asked before each operation; none when it is not set.
  std::function<Fault(Operation, const std::string& name)> before;
  // All files together; a write that would exceed it is refused whole.
  uint64_t bytes_max = std::numeric_limits<uint64_t>::max();

  using Choose = std::function<uint64_t(uint64_t below)>;
  void crash(const Choose& choose);
  // Everything fails from now on, until crash() or restart().
  void stop() { dead_ = true; }
  void restart();
  // Nothing is left, as on a new disk.
  void clear();
  uint64_t bytes_used() const;
  // What a read would see.
  std::map<std::string, Bytes> files() const;
  // Damages durable bytes. Requires: the file is there and that long.
  void flip(const std::string& name, uint64_t offset, uint8_t mask);
  // Damages a bit of what is durable, but not of what the last sync of its file wrote: a power cut could have
  // torn that, so it is no damage that must be noticed. Says which; nothing when there is none.
  std::optional<std::string> flip_any(const Choose& choose);

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<File>> create(const std::string& name) override;
  Result<std::unique_ptr<File>> open(const std::string& name) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& name) override;
  Result<> sync() override;

 private:
  class Handle;
  struct Write {
    uint64_t offset;
    Bytes bytes;
  };
  struct Extent {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  struct Node {
    Bytes current;
    Bytes durable;
    std::vector<Write> unsynced = {};
    Extent last_sync = {};  // what it covered
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  // What the operation is to do; an error when it is to fail.
  Result<Fault> begin(Operation operation, const std::string& name);
  // A change of names: done at once, and remembered until the directory is synced.
  Result<> change(Operation operation, const std::string& name, std::function<void(Names&)> apply);

  Names names_;
  Names durable_names_;
  std::vector<std::function<void(Names&)>> unsynced_;
  bool dead_ = false;
  uint64_t boot_ = 0;
};

}  // namespace aspen::journal
