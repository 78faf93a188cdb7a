#include "core/node/backup_reader.h"

#include <algorithm>

namespace aspen::node {
namespace {

constexpr size_t kLengthBytes = 4;

uint64_t length_of(BytesView bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{byte_data(bytes)[i]} << (8 * i);
  return length;
}

}  // namespace

Result<std::unique_ptr<BackupReader>> BackupReader::open(std::unique_ptr<journal::Directory> directory,
                                                         std::string path) {
  std::unique_ptr<BackupReader> reader(new BackupReader(std::move(directory), std::move(path)));
  ASPEN_CHECK(reader->load());
  return reader;
}

Result<> BackupReader::load() {
  ASPEN_TRY(std::vector<std::string> names, directory_->list());
  auto is_there = [&](const std::string& name) { return std::ranges::binary_search(names, name); };
  if (!is_there(kManifestName)) {
    bool begun = std::ranges::any_of(names, [](const std::string& name) {
      return name.ends_with(kChunksSuffix) || name.starts_with(kManifestName);
    });
    if (!begun) return fail(Code::NOT_FOUND, "{} holds no backup: it has no {}", path_, kManifestName);
    return fail(Code::CORRUPT,
                "{} has no {}: the backup in it was interrupted, or is being made; it cannot be used", path_,
                kManifestName);
  }
  const std::string manifest_path = path_ + "/" + kManifestName;
  ASPEN_TRY(auto manifest, directory_->open(kManifestName));
  ASPEN_TRY(uint64_t size, manifest->size());
  if (size > kManifestBytesMax) {
    return fail(Code::CORRUPT, "{} is {} bytes; at most {}", manifest_path, size, kManifestBytesMax);
  }
  Bytes text(size, '\0');
  ASPEN_TRY(size_t got, manifest->read(0, text));
  ASPEN_TRY(manifest_, decode_manifest(BytesView(text).substr(0, got), manifest_path));
  for (index_ = 0; index_ < manifest_.files.size(); ++index_) {
    if (!is_there(manifest_.files[index_].name)) return damaged("is missing");
    ASPEN_TRY(auto file, directory_->open(manifest_.files[index_].name));
    ASPEN_TRY(uint64_t bytes, file->size());
    if (bytes != manifest_.files[index_].bytes) {
      return fail(Code::CORRUPT, "{} is {} bytes, the manifest says {}; use another copy of the backup",
                  place(), bytes, manifest_.files[index_].bytes);
    }
  }
  index_ = 0;
  return {};
}

std::string BackupReader::place() const {
  if (manifest_.files.empty()) return path_ + "/" + kManifestName;
  return path_ + "/" + manifest_.files[std::min(index_, manifest_.files.size() - 1)].name;
}

std::unexpected<Error> BackupReader::damaged(const char* how) const {
  return fail(Code::CORRUPT, "{} {}; use another copy of the backup", place(), how);
}

void BackupReader::rewind() {
  index_ = 0;
  offset_ = 0;
  file_.reset();
}

Result<Bytes> BackupReader::next() {
  if (file_ != nullptr && offset_ == manifest_.files[index_].bytes) ASPEN_CHECK(end_file());
  if (index_ == manifest_.files.size()) return Bytes();
  if (file_ == nullptr) {
    ASPEN_TRY(file_, directory_->open(manifest_.files[index_].name));
    offset_ = 0;
    hash_ = ContentHash();
  }
  ASPEN_TRY(Bytes head, read(*file_, kLengthBytes));
  uint64_t length = length_of(head);
  if (length == 0 || length > kBackupChunkBytesMax) return damaged("is damaged");
  return read(*file_, length);
}

Result<Bytes> BackupReader::read(const journal::File& file, uint64_t size) {
  if (size > manifest_.files[index_].bytes - offset_) return damaged("is damaged");
  Bytes bytes(size, '\0');
  ASPEN_TRY(size_t got, file.read(offset_, bytes));
  if (got < size) return damaged("got shorter while it was read");
  offset_ += size;
  hash_.add(bytes);
  return bytes;
}

Result<> BackupReader::end_file() {
  if (hash_.finish() != manifest_.files[index_].hash) return damaged("does not match its checksum");
  file_.reset();
  ++index_;
  return {};
}

Result<bool> BackupCheck::step() {
  ASPEN_TRY(Bytes chunk, reader_.next());
  if (!chunk.empty()) {
    auto added = scan_.add(chunk);
    if (!added) {
      return fail(Code::CORRUPT, "{}: {}; use another copy of the backup", reader_.place(),
                  added.error().message);
    }
    return true;
  }
  ASPEN_TRY(kv::SnapshotContents contents, scan_.finish());
  if (contents != reader_.manifest().contents) {
    return fail(Code::CORRUPT, "{} is not of what its files hold", reader_.place());
  }
  return false;
}

}  // namespace aspen::node
