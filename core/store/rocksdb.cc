// Store over RocksDB 7.8: one column family, so that every flush is a prefix of the writes.
//
// What RocksDB would do by itself and must not: write an information log beside the data, and drop what
// follows a damaged record of its write-ahead log. Warnings go to our log; damage is refused with CORRUPT.
//
// What it must not be told: memtable_insert_with_hint_prefix_extractor. 7.8 has one set of hints for its skip
// lists of rows and of erased ranges, and a hint of the one, used in the other, makes rows disappear.
#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <shared_mutex>

#include "core/base/log.h"
#include "core/store/store.h"

namespace aspen::store {
namespace {

constexpr size_t kOpenFilesMax = 256;
constexpr size_t kManifestBytesMax = 16u << 20;
// What is flushed at a time is inserted into so many skip lists, one after the other: in a short one the
// search for a row's place takes fewer steps, and each finds its cache line sooner.
constexpr int kMemtables = 8;
constexpr size_t kWriteBytesPerSync = 1u << 20;  // spreads the sync of a large table file over its writing
// A file that nothing else has rewritten for so long is, when others are: for the sake of obsolete rows in
// it.
constexpr uint64_t kRewriteSeconds = 24 * 3600;
constexpr double kBloomBitsPerKey = 10;
// Of a memtable's bytes: a filter in front of its skip list. Most writes look for a key that is new.
constexpr double kMemtableBloomRatio = 0.02;

rocksdb::Slice slice(BytesView bytes) {
  return {bytes.data(), bytes.size()};
}
BytesView view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

std::unexpected<Error> failure(const rocksdb::Status& status, const std::string& path) {
  if (status.IsCorruption()) return fail(Code::CORRUPT, "{}: {}", path, status.ToString());
  if (status.IsIOError()) return fail(Code::IO, "{}: {}", path, status.ToString());
  return fail(Code::INTERNAL, "{}: {}", path, status.ToString());
}

// RocksDB reports a held lock as an input/output error that only its text tells from others.
bool lock_is_held(const rocksdb::Status& status) {
  std::string text = status.ToString();
  return status.IsIOError() && (text.find("While lock file") != std::string::npos ||
                                text.find("lock hold by current process") != std::string::npos);
}

class ForwardingLogger final : public rocksdb::Logger {
 public:
  ForwardingLogger() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::InfoLogLevel::WARN_LEVEL, format, arguments);
  }
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    LogLevel ours = level >= rocksdb::InfoLogLevel::ERROR_LEVEL ? LogLevel::error : LogLevel::warn;
    if (level < GetInfoLogLevel() || !log_enabled(ours)) return;
    char line[1024];
    std::vsnprintf(line, sizeof line, format, arguments);
    log(ours, "rocksdb: {}", line);
  }
};

// Leaves out obsolete rows when RocksDB writes files.
class ObsoleteFilter final : public rocksdb::CompactionFilter {
 public:
  explicit ObsoleteFilter(Store::Obsolete obsolete) : obsolete_(std::move(obsolete)) {}
  const char* Name() const override { return "aspen.obsolete"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    return obsolete_(view(key), view(value));
  }

 private:
  const Store::Obsolete obsolete_;
};

class ObsoleteFilters final : public rocksdb::CompactionFilterFactory {
 public:
  void set(Store::Obsolete obsolete) {
    std::lock_guard lock(mutex_);
    obsolete_ = std::move(obsolete);
  }
  const char* Name() const override { return "aspen.obsolete"; }
  bool ShouldFilterTableFileCreation(rocksdb::TableFileCreationReason reason) const override {
    return reason == rocksdb::TableFileCreationReason::kFlush ||
           reason == rocksdb::TableFileCreationReason::kCompaction;
  }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    std::lock_guard lock(mutex_);
    return obsolete_ ? std::make_unique<ObsoleteFilter>(obsolete_) : nullptr;
  }

 private:
  std::mutex mutex_;
  Store::Obsolete obsolete_;
};

class RocksIterator final : public Iterator {
 public:
  RocksIterator(std::unique_ptr<rocksdb::Iterator> iterator, const std::string& path)
      : iterator_(std::move(iterator)), path_(path) {}

  void seek(BytesView key) override { iterator_->Seek(slice(key)); }
  void seek_for_prev(BytesView key) override { iterator_->SeekForPrev(slice(key)); }
  void seek_to_last() override { iterator_->SeekToLast(); }
  bool valid() const override { return iterator_->Valid(); }
  void next() override { iterator_->Next(); }
  void prev() override { iterator_->Prev(); }
  BytesView key() const override { return view(iterator_->key()); }
  BytesView value() const override { return view(iterator_->value()); }
  Result<> status() const override {
    if (rocksdb::Status status = iterator_->status(); !status.ok()) return failure(status, path_);
    return {};
  }

 private:
  std::unique_ptr<rocksdb::Iterator> iterator_;
  const std::string& path_;  // the store's
};

Result<std::optional<Bytes>> read(rocksdb::DB& db, const rocksdb::ReadOptions& options, BytesView key,
                                  const std::string& path) {
  Bytes value;
  rocksdb::Status status = db.Get(options, slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return failure(status, path);
  return value;
}

class RocksSnapshot final : public Reader {
 public:
  RocksSnapshot(rocksdb::DB& db, const std::string& path) : db_(db), path_(path) {
    options_.snapshot = db.GetSnapshot();
  }
  ~RocksSnapshot() override { db_.ReleaseSnapshot(options_.snapshot); }

  Result<std::optional<Bytes>> get(BytesView key) const override { return read(db_, options_, key, path_); }
  std::unique_ptr<Iterator> iterate() const override {
    rocksdb::ReadOptions options = options_;
    options.fill_cache = false;  // a copy of everything would push out what is in use
    return std::make_unique<RocksIterator>(std::unique_ptr<rocksdb::Iterator>(db_.NewIterator(options)),
                                           path_);
  }

 private:
  rocksdb::DB& db_;
  const std::string& path_;
  rocksdb::ReadOptions options_;
};

class RocksStore final : public Store {
 public:
  RocksStore(std::unique_ptr<rocksdb::DB> db, std::shared_ptr<ObsoleteFilters> filters,
             const RocksOptions& options)
      : db_(std::move(db)), filters_(std::move(filters)), path_(options.path), wal_(options.wal) {}

  Result<std::optional<Bytes>> get(BytesView key) const override { return read(*db_, {}, key, path_); }
  std::unique_ptr<Iterator> iterate() const override {
    return std::make_unique<RocksIterator>(std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({})), path_);
  }
  std::unique_ptr<Reader> snapshot() const override { return std::make_unique<RocksSnapshot>(*db_, path_); }

  Result<> write(Batch batch, Sync sync) override {
    ASPEN_CHECK(has_open_end(batch) ? write_alone(batch, sync) : write_shared(batch, sync));
    if (sync == Sync::yes && !wal_) return flush();
    return {};
  }

  Result<> flush() override {
    rocksdb::Status status = wal_ ? db_->SyncWAL() : db_->Flush(rocksdb::FlushOptions());
    if (!status.ok()) return failure(status, path_);
    return {};
  }

  void drop(Obsolete obsolete) override { filters_->set(std::move(obsolete)); }

 private:
  static bool has_open_end(const Batch& batch) {
    for (const Batch::Change& change : batch.changes()) {
      if (change.kind == Batch::Change::Kind::erase_range && change.value.empty()) return true;
    }
    return false;
  }

  Result<> write_shared(const Batch& batch, Sync sync) {
    std::shared_lock lock(writers_);
    return write_batch(batch, sync, {});
  }

  // RocksDB's ranges have an end: for "everything from here" it is just after the last key there is or
  // that the batch makes, which no other writer may move meanwhile.
  Result<> write_alone(const Batch& batch, Sync sync) {
    std::unique_lock lock(writers_);
    std::unique_ptr<Iterator> last = iterate();
    last->seek_to_last();
    ASPEN_CHECK(last->status());
    Bytes end(last->valid() ? last->key() : BytesView());
    for (const Batch::Change& change : batch.changes()) end = std::max(end, change.key);
    end.push_back('\0');
    return write_batch(batch, sync, end);
  }

  Result<> write_batch(const Batch& batch, Sync sync, BytesView open_end) {
    rocksdb::WriteBatch changes(batch.size_bytes() + 16 * batch.changes().size() + 16);
    rocksdb::Status status;
    for (const Batch::Change& change : batch.changes()) {
      switch (change.kind) {
        case Batch::Change::Kind::put:
          status = changes.Put(slice(change.key), slice(change.value));
          break;
        case Batch::Change::Kind::erase:
          status = changes.Delete(slice(change.key));
          break;
        case Batch::Change::Kind::erase_range: {
          BytesView end = change.value.empty() ? open_end : BytesView(change.value);
          if (change.key < end) status = changes.DeleteRange(slice(change.key), slice(end));
          break;
        }
      }
      if (!status.ok()) return failure(status, path_);
    }
    rocksdb::WriteOptions options;
    options.disableWAL = !wal_;
    options.sync = wal_ && sync == Sync::yes;
    status = db_->Write(options, &changes);
    if (!status.ok()) return failure(status, path_);
    return {};
  }

  std::unique_ptr<rocksdb::DB> db_;
  const std::shared_ptr<ObsoleteFilters> filters_;
  const std::string path_;
  const bool wal_;
  std::shared_mutex writers_;
};

rocksdb::Options tuned_options(const RocksOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.cache_index_and_filter_blocks = true;  // the cache then bounds them too
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;

  rocksdb::Options tuned;
  tuned.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  tuned.create_if_missing = true;
  tuned.compression = rocksdb::kNoCompression;  // which codecs a build has differs; files must open anywhere
  tuned.write_buffer_size = options.memtable_bytes / kMemtables;
  tuned.min_write_buffer_number_to_merge = kMemtables;
  tuned.max_write_buffer_number = 2 * kMemtables;
  tuned.memtable_whole_key_filtering = true;
  tuned.memtable_prefix_bloom_size_ratio = kMemtableBloomRatio;
  tuned.level_compaction_dynamic_level_bytes = true;
  tuned.max_background_jobs = 2;
  tuned.max_open_files = kOpenFilesMax;
  tuned.max_manifest_file_size = kManifestBytesMax;
  tuned.bytes_per_sync = kWriteBytesPerSync;
  tuned.avoid_unnecessary_blocking_io = true;  // deleting files must not stall who drops a snapshot
  tuned.info_log = std::make_shared<ForwardingLogger>();
  tuned.stats_dump_period_sec = 0;
  tuned.stats_persist_period_sec = 0;
  // An unfinished record at the end is a write that was never acknowledged; damage before it is not.
  tuned.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  return tuned;
}

Result<> sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(Code::IO, "{}: {}", path, std::strerror(errno));
  int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return fail(Code::IO, "{}: {}", path, std::strerror(failed));
  return {};
}

// Creates the directory durably, if it is not there.
Result<> create_directory(const std::string& path) {
  namespace fs = std::filesystem;
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    return fail(Code::IO, "cannot create {}: {}", path, std::strerror(errno));
  }
  fs::path parent = fs::path(path).parent_path();
  if (fs::path(path).filename().empty()) parent = parent.parent_path();  // "a/b/"
  return sync_directory(parent.empty() ? "." : parent.string());
}

class RocksReader final : public Reader {
 public:
  RocksReader(std::unique_ptr<rocksdb::DB> db, const std::string& path) : db_(std::move(db)), path_(path) {}
  Result<std::optional<Bytes>> get(BytesView key) const override { return read(*db_, {}, key, path_); }
  std::unique_ptr<Iterator> iterate() const override {
    return std::make_unique<RocksIterator>(std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({})), path_);
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<Reader>> check_rocksdb(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path + "/CURRENT", error)) {
    return fail(Code::NOT_FOUND, "{} holds no store", path);
  }
  rocksdb::Options options = tuned_options({.path = path});
  options.create_if_missing = false;
  options.avoid_unnecessary_blocking_io = false;  // RocksDB 7.8 asserts that only a store for writing does
  rocksdb::DB* raw = nullptr;
  rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, path, &raw);
  if (!status.ok()) return fail(Code::CORRUPT, "{}: {}", path, status.ToString());
  std::unique_ptr<rocksdb::DB> db(raw);
  status = db->VerifyChecksum();
  if (!status.ok()) return fail(Code::CORRUPT, "{}: {}", path, status.ToString());
  return std::make_unique<RocksReader>(std::move(db), path);
}

Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options) {
  if (options.path.empty()) return fail(Code::INVALID_ARGUMENT, "a store's path is empty");
  ASPEN_CHECK(create_directory(options.path));
  auto filters = std::make_shared<ObsoleteFilters>();
  rocksdb::Options tuned = tuned_options(options);
  tuned.compaction_filter_factory = filters;
  tuned.periodic_compaction_seconds = kRewriteSeconds;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(tuned, options.path, &db);
  if (lock_is_held(status)) {
    return fail(Code::IN_USE, "{} is in use by another process; stop it, or use another directory",
                options.path);
  }
  if (status.IsIOError() && !status.IsPathNotFound()) return failure(status, options.path);
  // None of our settings is invalid and the directory exists: what it misses or rejects are its files.
  if (!status.ok()) return fail(Code::CORRUPT, "{}: {}", options.path, status.ToString());
  return std::make_unique<RocksStore>(std::unique_ptr<rocksdb::DB>(db), std::move(filters), options);
}

}  // namespace aspen::store
