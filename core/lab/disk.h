// One machine's disk: files that outlive the machine's crashes, and lose in one what a real disk may lose.
//
// A write reaches the page cache; a sync makes what was written to that file durable. A crash of the process
// keeps both, a power cut keeps the durable bytes and of the others a seeded prefix, cut anywhere, its end
// possibly garbled. Stores (disk_store.h) and atomically replaced files are built on that and nothing else.
// A journal's directory (disk_directory.h) has files that are written anywhere: of what was not synced there,
// each sector and each change of a name is kept or lost (journal/memory_directory.h).
//
//   Disk disk(random.fork("disk"));
//   std::shared_ptr<Mount> boot = disk.mount();            // what the machine sees until it crashes
//   ASPEN_TRY(auto state, boot->open_store("state", false));
//   disk.crash(DiskCrash::power_cut);                      // `boot` and `state` are inert from here on
//   boot = disk.mount();                                   // the machine starts again
//
// Faults are drawn with the probabilities of set_faults(), at each operation they apply to.
//
// Invariants: after a crash a mount, and whatever came from it, fails every call with IO and changes nothing;
// bytes below DiskFile::synced survive everything but flip_bit() and wipe().
// Thread safety: none.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/base/time.h"
#include "core/journal/memory_directory.h"
#include "core/lab/random.h"
#include "core/store/store.h"

namespace aspen::lab {

struct DiskFaults {
  double write_fails = 0;      // some of the bytes may be written all the same
  double sync_fails = 0;       // what was not synced may still become durable, but no later sync makes it so
  double damage_found = 0.05;  // a read of an open store notices that its file was damaged
  uint64_t bytes_max = std::numeric_limits<uint64_t>::max();  // the disk is full at this many
  double slowness = 1;                                        // multiplies every latency
  double stall = 0;                                           // an operation takes up to kStallMax more
};

struct DiskCounters {
  uint64_t writes = 0;
  uint64_t syncs = 0;
  uint64_t bytes_written = 0;
  uint64_t crashes = 0;
  uint64_t faults = 0;  // operations that failed, or bits that flipped, by intent
};

enum class DiskCrash : uint8_t { process_kill, power_cut };

// What an operation is, for its latency.
enum class DiskWork : uint8_t { read, write, sync, flush };

struct DiskFile {
  Bytes bytes;
  size_t synced = 0;      // so many of them are durable, by a sync that succeeded
  bool poisoned = false;  // a sync failed: the kernel took the rest for clean, later syncs do nothing for it
  bool damaged = false;
};

class Mount;

class Disk {
 public:
  static constexpr DurationNs kStallMax = 5 * kSecond;

  explicit Disk(Random random);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // The machine boots. Requires: it has not booted since the last crash.
  std::shared_ptr<Mount> mount();
  // Also when nothing is mounted.
  void crash(DiskCrash kind);
  // The mounted machine dies by itself in the midst of its `operations`-th disk operation from now on;
  // crash() then decides what is left. Requires: operations > 0.
  void crash_within(uint64_t operations) { operations_left_ = operations; }
  // It does not.
  void call_off_crash() { operations_left_.reset(); }
  // All files are gone. Requires: nothing is mounted.
  void wipe();

  void set_faults(const DiskFaults& faults) { faults_ = faults; }
  const DiskFaults& faults() const { return faults_; }
  // Flips one durable bit of a file whose path starts with `prefix`; says which, or nothing when there is
  // none.
  std::optional<std::string> flip_bit(std::string_view prefix = {});
  // The virtual time that an operation takes.
  DurationNs latency(DiskWork work);
  // For decisions about this disk that others make.
  Random& random() { return random_; }

  bool mounted() const { return mount_ != nullptr; }
  // What is mounted, else mounts it: for who looks into a disk beside its machine.
  std::shared_ptr<Mount> look() { return mounted() ? mount_ : mount(); }
  const DiskCounters& counters() const { return counters_; }
  uint64_t bytes_used() const;
  const std::map<std::string, DiskFile>& files() const { return files_; }

  // Called for every operation: what it was, on which file, and its outcome in words when it was not
  // ordinary.
  std::function<void(std::string_view what, std::string_view path, std::string_view outcome)> trace;

 private:
  friend class Mount;

  Result<> append(const std::string& path, BytesView bytes);
  Result<> sync(const std::string& path);
  Result<> replace(const std::string& path, BytesView bytes);
  Result<> remove(const std::string& path);
  Result<> check_space(const std::string& path, size_t bytes);
  Result<> check_read(const std::string& path);
  journal::MemoryDirectory& directory(const std::string& path);
  journal::Fault directory_fault(journal::Operation operation, const std::string& path,
                                 journal::MemoryDirectory& directory);
  std::optional<std::string> flip_in_directory(std::string_view prefix);

  // True when the machine dies in this operation.
  bool dies_now();
  void power_off();
  void lose_unsynced(DiskFile& file);
  void append_to(DiskFile& file, BytesView bytes);
  std::unexpected<Error> fault(const char* what, const std::string& path);
  void note(std::string_view what, std::string_view path, std::string_view outcome = {}) const;

  Random random_;
  Random latency_random_;
  DiskFaults faults_;
  DiskCounters counters_;
  std::map<std::string, DiskFile> files_;
  std::map<std::string, journal::MemoryDirectory> directories_;
  uint64_t bytes_used_ = 0;  // by files_
  std::optional<uint64_t> operations_left_;
  std::shared_ptr<Mount> mount_;
};

// The disk as one boot of the machine sees it. Every function fails with IO once the machine has crashed.
class Mount : public std::enable_shared_from_this<Mount> {
 public:
  explicit Mount(Disk& disk) : disk_(&disk) {}

  // Durable, and atomic: after a crash the file is the old or the new one.
  Result<> write_file(const std::string& path, BytesView bytes);
  // Nothing when there is no such file.
  Result<std::optional<Bytes>> read_file(const std::string& path);
  // The file, or everything below the directory; durably. Nothing happens when there is neither.
  Result<> remove(const std::string& path);
  // As store::open_rocksdb. Errors: IN_USE, CORRUPT, IO.
  Result<std::unique_ptr<store::Store>> open_store(const std::string& path, bool wal);
  // Of a journal. Created when absent.
  Result<std::unique_ptr<journal::Directory>> open_directory(const std::string& path);

  bool dead() const { return disk_ == nullptr; }
  Result<> check_alive(const std::string& path) const;

  // What the stores are made of.
  Result<> append(const std::string& path, BytesView bytes);
  Result<> sync(const std::string& path);
  // Refuses what would not fit, before any of it is written.
  Result<> check_space(const std::string& path, size_t bytes);
  // May find damage that was done to a file since it was read.
  Result<> check_read(const std::string& path);
  // Requires: not dead, and the file exists.
  const DiskFile& file(const std::string& path) const;
  bool exists(const std::string& path) const;
  // In [low, high], by the disk's seed. Requires: not dead.
  int64_t draw(int64_t low, int64_t high);
  void closed(const std::string& store_path) { open_stores_.erase(store_path); }

 private:
  friend class Disk;

  Disk* disk_;
  std::set<std::string> open_stores_;
};

}  // namespace aspen::lab
