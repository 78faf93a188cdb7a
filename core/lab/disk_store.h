// A store::Store with RocksDB's durability, on a simulated disk.
//
//   PATH/CURRENT   the number of the file that holds the store; replaced atomically
//   PATH/n         an image of the whole store, and after it a record for every write since
//
// Reads come from a copy in memory. With a write-ahead log every write goes to the file at once; without
// one it waits in memory until flush(), or until so much waits that the store flushes by itself, as RocksDB
// does when a memtable is full. When the file has grown large against the image, a new file with a new image
// takes its place. Opening does the same, so that nothing is built on bytes that were read from the page
// cache and never synced.
//
// Recovery reads the bytes: the first record that is not whole ends the log. When a sync had covered it, the
// file is damaged, and that is CORRUPT.
//
// Failure: after a write or a sync that failed nobody knows what the file holds, so every later write and
// flush fails too. A full disk is found out before anything is written, and does no harm.
//
// Thread safety: none, unlike other stores.
#pragma once

#include "core/lab/disk.h"

namespace aspen::lab {

inline constexpr const char* kCorruptRemedy = "remove the node's directory and let it join again";

class DiskStore final : public store::Store {
 public:
  // A log is replaced when it is larger than a seeded number of bytes up to this, and twice the image.
  static constexpr int64_t kLogBytesMin = 16 << 10;
  static constexpr int64_t kLogBytesMax = 1 << 20;
  // Without a write-ahead log so much waits in memory, at most.
  static constexpr int64_t kUnwrittenBytesMax = 1 << 20;

  // Errors: CORRUPT, IO.
  static Result<std::unique_ptr<store::Store>> open(std::shared_ptr<Mount> mount, const std::string& path,
                                                    bool wal);
  // Makes durable what waits, as RocksDB does.
  ~DiskStore() override;

  Result<std::optional<Bytes>> get(BytesView key) const override;
  std::unique_ptr<store::Iterator> iterate() const override;
  std::unique_ptr<store::Reader> snapshot() const override;
  Result<> write(store::Batch batch, store::Sync sync) override;
  Result<> flush() override;
  // From memory with the next flush(), from the file with its next image.
  void drop(Obsolete obsolete) override { memory_->drop(std::move(obsolete)); }

 private:
  DiskStore(std::shared_ptr<Mount> mount, std::string path, bool wal);
  Result<> recover();
  // Reads the file that CURRENT names. False when something has to be dropped from it, or is in doubt.
  Result<bool> read_file();
  Result<> start_file();
  Result<> write_image(const std::string& file);
  Result<> write_out();
  Result<> check_usable() const;
  std::string file_path(uint64_t number) const { return fmt::format("{}/{}", path_, number); }

  // Passes `result` on; the store fails for good when it is an error.
  Result<> or_stop(Result<> result);

  std::shared_ptr<Mount> mount_;
  const std::string path_;
  const bool wal_;
  const uint64_t log_bytes_max_;
  const uint64_t unwritten_bytes_max_;
  std::unique_ptr<store::Store> memory_;
  uint64_t file_number_ = 0;
  std::string file_;  // its path
  uint64_t image_bytes_ = 0;
  uint64_t log_bytes_ = 0;   // after the image
  uint64_t replace_at_ = 0;  // log bytes
  uint64_t sequence_ = 0;    // of the last write
  Bytes unwritten_;
  std::optional<Error> failure_;
};

}  // namespace aspen::lab
