// An ordered byte map on disk or in memory: atomic batches, ordered reads both ways, snapshots.
//
// The engine keeps its applied state in Stores. RocksDB is the durable one; the memory one serves tests and
// the lab.
//
//   auto store = open_rocksdb({.path = dir + "/state", .wal = false});
//   Batch batch;
//   batch.put("k", "v");
//   ASPEN_CHECK(store->write(std::move(batch), Sync::no));
//
// Durability: with a write-ahead log, a Sync::yes write and everything written before it survive a crash.
// Without one (`wal = false`) only what flush() covered survives, always as a prefix of the writes: the
// store's owner brings it forward from its own log.
//
// Rows that count for nothing any more need no erasing, which costs as much as a write: whoever knows them
// says so (drop), and the store leaves them out when it rewrites its files.
//
// Thread safety: every function may be called from any thread; a Batch, an Iterator belong to one.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::store {

enum class Sync : uint8_t { no, yes };

// Changes that become visible together or not at all, applied in order.
class Batch {
 public:
  void put(BytesView key, BytesView value);
  void erase(BytesView key);
  // The same for what need not be copied.
  void put(std::same_as<Bytes> auto&& key, std::same_as<Bytes> auto&& value) {
    size_bytes_ += key.size() + value.size();
    changes_.push_back({Change::Kind::put, std::move(key), std::move(value)});
  }
  void erase(std::same_as<Bytes> auto&& key) {
    size_bytes_ += key.size();
    changes_.push_back({Change::Kind::erase, std::move(key), {}});
  }
  // Every key in [start, end); an empty `end` means no upper end.
  void erase_range(BytesView start, BytesView end);

  bool empty() const { return changes_.empty(); }
  size_t size_bytes() const { return size_bytes_; }
  void clear();

  struct Change {
    enum class Kind : uint8_t { put, erase, erase_range } kind;
    Bytes key;
    Bytes value;  // of a put; the end of an erase_range
  };
  const std::vector<Change>& changes() const { return changes_; }

 private:
  std::vector<Change> changes_;
  size_t size_bytes_ = 0;
};

// A cursor over one consistent state. Starts unpositioned; valid() is false past either end. After a disk
// fault it becomes invalid and status() tells why: check it when a scan ends.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual void seek(BytesView key) = 0;           // first key >= `key`
  virtual void seek_for_prev(BytesView key) = 0;  // last key <= `key`
  virtual void seek_to_last() = 0;
  virtual bool valid() const = 0;
  virtual void next() = 0;
  virtual void prev() = 0;
  virtual BytesView key() const = 0;  // borrowed until the cursor moves
  virtual BytesView value() const = 0;
  virtual Result<> status() const = 0;
};

// Reads of one state. Outlives later writes; holds disk space while it lives. Must not outlive its store.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual Result<std::optional<Bytes>> get(BytesView key) const = 0;
  virtual std::unique_ptr<Iterator> iterate() const = 0;
};

class Store : public Reader {
 public:
  // Errors: IO or CORRUPT; the batch is then not applied in memory but may be on disk after a restart.
  virtual Result<> write(Batch batch, Sync sync) = 0;
  virtual std::unique_ptr<Reader> snapshot() const = 0;
  // Makes everything written so far durable, with or without a write-ahead log. May take long.
  virtual Result<> flush() = 0;
  // From now on a row of which `obsolete` is true may go at any time, from snapshots too, or never. It is
  // called from any thread, as long as the store lives. What it is once true of must stay so, also after a
  // crash that leaves any prefix of the writes that flush() did not cover.
  using Obsolete = std::function<bool(BytesView key, BytesView value)>;
  virtual void drop(Obsolete obsolete) = 0;
};

struct RocksOptions {
  std::string path;  // a directory, created when absent; its parent must exist
  bool wal = true;
  size_t memtable_bytes = 64u << 20;
  size_t cache_bytes = 256u << 20;
};

// Errors: IN_USE when another process has it open, CORRUPT, IO (with the path in the text).
Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options);

// What a store that nobody has open holds, after all of it was compared with its checksums. Changes nothing.
// Errors: NOT_FOUND when there is none, CORRUPT, IO.
Result<std::unique_ptr<Reader>> check_rocksdb(const std::string& path);

std::unique_ptr<Store> open_memory();

// `store` with rows that were read from it in memory, `bytes_max` of them.
std::unique_ptr<Store> open_cached(std::unique_ptr<Store> store, size_t bytes_max);

}  // namespace aspen::store
