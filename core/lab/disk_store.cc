#include "core/lab/disk_store.h"

#include <algorithm>

#include "core/lab/disk_record.h"

namespace aspen::lab {
namespace {

constexpr size_t kImageRecordBytes = 64u << 10;

// A cursor that notices a crash, and may notice damage when it is positioned.
class DiskIterator final : public store::Iterator {
 public:
  DiskIterator(std::unique_ptr<store::Iterator> memory, std::shared_ptr<Mount> mount, std::string file)
      : memory_(std::move(memory)), mount_(std::move(mount)), file_(std::move(file)) {}

  void seek(BytesView key) override {
    check();
    memory_->seek(key);
  }
  void seek_for_prev(BytesView key) override {
    check();
    memory_->seek_for_prev(key);
  }
  void seek_to_last() override {
    check();
    memory_->seek_to_last();
  }
  bool valid() const override { return error_ && !mount_->dead() && memory_->valid(); }
  void next() override { memory_->next(); }
  void prev() override { memory_->prev(); }
  BytesView key() const override { return memory_->key(); }
  BytesView value() const override { return memory_->value(); }
  Result<> status() const override {
    if (!error_) return error_;
    return mount_->check_alive(file_);
  }

 private:
  void check() {
    if (error_) error_ = mount_->check_read(file_);
  }

  std::unique_ptr<store::Iterator> memory_;
  std::shared_ptr<Mount> mount_;
  const std::string file_;
  Result<> error_;
};

class DiskSnapshot final : public store::Reader {
 public:
  DiskSnapshot(std::unique_ptr<store::Reader> memory, std::shared_ptr<Mount> mount, std::string file)
      : memory_(std::move(memory)), mount_(std::move(mount)), file_(std::move(file)) {}

  Result<std::optional<Bytes>> get(BytesView key) const override {
    ASPEN_CHECK(mount_->check_read(file_));
    return memory_->get(key);
  }
  std::unique_ptr<store::Iterator> iterate() const override {
    return std::make_unique<DiskIterator>(memory_->iterate(), mount_, file_);
  }

 private:
  std::unique_ptr<store::Reader> memory_;
  std::shared_ptr<Mount> mount_;
  const std::string file_;
};

}  // namespace

DiskStore::DiskStore(std::shared_ptr<Mount> mount, std::string path, bool wal)
    : mount_(std::move(mount)),
      path_(std::move(path)),
      wal_(wal),
      log_bytes_max_(static_cast<uint64_t>(mount_->draw(kLogBytesMin, kLogBytesMax))),
      unwritten_bytes_max_(static_cast<uint64_t>(mount_->draw(1, kUnwrittenBytesMax))),
      memory_(store::open_memory()) {}

Result<std::unique_ptr<store::Store>> DiskStore::open(std::shared_ptr<Mount> mount, const std::string& path,
                                                      bool wal) {
  std::unique_ptr<DiskStore> store(new DiskStore(std::move(mount), path, wal));
  if (auto recovered = store->recover(); !recovered) {
    store->failure_ = recovered.error();
    return forward_error(std::move(recovered));
  }
  return store;
}

DiskStore::~DiskStore() {
  (void)flush();
  mount_->closed(path_);
}

Result<> DiskStore::recover() {
  ASPEN_TRY(std::optional<Bytes> current, mount_->read_file(path_ + "/CURRENT"));
  if (!current) {
    // Whatever is here was begun by an opening that crashed.
    ASPEN_CHECK(mount_->remove(path_));
    return start_file();
  }
  BytesView rest = *current;
  auto record = take_record(rest);
  if (!record || record->kind != DiskRecord::Kind::current) {
    return fail(Code::CORRUPT, "{}/CURRENT does not match its checksum; {}", path_, kCorruptRemedy);
  }
  file_number_ = record->sequence;
  file_ = file_path(file_number_);
  ASPEN_TRY(bool as_it_is, read_file());
  return as_it_is ? Result<>() : start_file();
}

Result<bool> DiskStore::read_file() {
  if (!mount_->exists(file_)) return fail(Code::CORRUPT, "{} is missing; {}", file_, kCorruptRemedy);
  const DiskFile& file = mount_->file(file_);
  BytesView rest = file.bytes;
  auto position = [&] { return file.bytes.size() - rest.size(); };
  bool image_ended = false;
  while (!rest.empty()) {
    size_t at = position();
    auto record = take_record(rest);
    bool next =
        record && (image_ended ? record->kind == DiskRecord::Kind::write && record->sequence == sequence_ + 1
                               : record->kind == DiskRecord::Kind::image ||
                                     record->kind == DiskRecord::Kind::image_end);
    if (!next && at < file.synced) {
      return fail(Code::CORRUPT, "{}: the record at byte {} of {} is damaged; {}", file_, at,
                  file.bytes.size(), kCorruptRemedy);
    }
    if (!next) break;
    sequence_ = record->sequence;
    image_ended |= record->kind == DiskRecord::Kind::image_end;
    if (image_ended && image_bytes_ == 0) image_bytes_ = position();
    ASPEN_CHECK(memory_->write(std::move(record->batch), store::Sync::no));
  }
  if (!image_ended) return fail(Code::CORRUPT, "{}: its image does not end; {}", file_, kCorruptRemedy);
  replace_at_ = std::max(log_bytes_max_, 2 * image_bytes_);
  return image_bytes_ == file.bytes.size();
}

// Until CURRENT names the new file the old one is the store.
Result<> DiskStore::start_file() {
  std::string next = file_path(file_number_ + 1);
  ASPEN_CHECK(mount_->remove(next));  // one that was begun before a crash
  ASPEN_CHECK(write_image(next));
  Bytes current = encode(DiskRecord::Kind::current, file_number_ + 1, {});
  ASPEN_CHECK(mount_->write_file(path_ + "/CURRENT", current));
  if (file_number_ > 0) ASPEN_CHECK(mount_->remove(file_));
  ++file_number_;
  file_ = std::move(next);
  image_bytes_ = mount_->file(file_).bytes.size();
  log_bytes_ = 0;
  unwritten_.clear();  // the image has it
  replace_at_ = std::max(log_bytes_max_, 2 * image_bytes_);
  return {};
}

Result<> DiskStore::write_image(const std::string& file) {
  store::Batch batch;
  auto write = [&](DiskRecord::Kind kind) {
    Bytes record = encode(kind, sequence_, batch);
    batch.clear();
    return mount_->append(file, record);
  };
  auto it = memory_->iterate();
  for (it->seek({}); it->valid(); it->next()) {
    batch.put(it->key(), it->value());
    if (batch.size_bytes() >= kImageRecordBytes) ASPEN_CHECK(write(DiskRecord::Kind::image));
  }
  ASPEN_CHECK(write(DiskRecord::Kind::image_end));
  return mount_->sync(file);
}

Result<std::optional<Bytes>> DiskStore::get(BytesView key) const {
  ASPEN_CHECK(mount_->check_read(file_));
  return memory_->get(key);
}

std::unique_ptr<store::Iterator> DiskStore::iterate() const {
  return std::make_unique<DiskIterator>(memory_->iterate(), mount_, file_);
}

std::unique_ptr<store::Reader> DiskStore::snapshot() const {
  return std::make_unique<DiskSnapshot>(memory_->snapshot(), mount_, file_);
}

Result<> DiskStore::check_usable() const {
  if (!failure_ || mount_->dead()) return mount_->check_alive(path_);
  return fail(Code::IO, "{} takes no more writes after a failure, open it again: {}", path_,
              failure_->message);
}

Result<> DiskStore::or_stop(Result<> result) {
  if (!result) failure_ = result.error();
  return result;
}

Result<> DiskStore::write(store::Batch batch, store::Sync sync) {
  ASPEN_CHECK(check_usable());
  Bytes record = encode(DiskRecord::Kind::write, sequence_ + 1, batch);
  ASPEN_CHECK(mount_->check_space(file_, unwritten_.size() + record.size()));
  ++sequence_;
  if (wal_) {
    ASPEN_CHECK(or_stop(mount_->append(file_, record)));
    log_bytes_ += record.size();
    if (sync == store::Sync::yes) ASPEN_CHECK(or_stop(mount_->sync(file_)));
  } else {
    unwritten_ += record;
    if (sync == store::Sync::yes || unwritten_.size() > unwritten_bytes_max_) ASPEN_CHECK(write_out());
  }
  ASPEN_CHECK(memory_->write(std::move(batch), store::Sync::no));
  if (log_bytes_ <= replace_at_) return {};
  // The write itself is done: should this fail, it is the next one that hears of it. While the disk is
  // full the log goes on growing.
  if (mount_->check_space(file_, image_bytes_ + log_bytes_)) {
    (void)or_stop(start_file());
  } else {
    replace_at_ += log_bytes_max_;
  }
  return {};
}

Result<> DiskStore::write_out() {
  if (unwritten_.empty()) return {};
  ASPEN_CHECK(mount_->check_space(file_, unwritten_.size()));
  ASPEN_CHECK(or_stop(mount_->append(file_, unwritten_)));
  ASPEN_CHECK(or_stop(mount_->sync(file_)));
  log_bytes_ += unwritten_.size();
  unwritten_.clear();
  return {};
}

Result<> DiskStore::flush() {
  ASPEN_CHECK(check_usable());
  ASPEN_CHECK(wal_ ? or_stop(mount_->sync(file_)) : write_out());
  return memory_->flush();
}

}  // namespace aspen::lab
