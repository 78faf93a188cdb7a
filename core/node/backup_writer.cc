#include "core/node/backup_writer.h"

#include "core/base/mutant.h"

namespace aspen::node {
namespace {

const std::string kUnfinishedManifest = std::string(kManifestName) + ".new";

Bytes frame(BytesView chunk) {
  Bytes bytes;
  bytes.reserve(4 + chunk.size());
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(chunk.size() >> shift));
  return bytes.append(chunk);
}

}  // namespace

Result<std::unique_ptr<BackupWriter>> BackupWriter::begin(std::unique_ptr<journal::Directory> directory,
                                                          std::string path, const BackupOrigin& origin,
                                                          size_t file_bytes) {
  ASPEN_TRY(std::vector<std::string> names, directory->list());
  if (!names.empty()) {
    return fail(Code::ALREADY_EXISTS, "{} holds '{}'; a backup goes into a directory that is empty or new",
                path, names.front());
  }
  return std::unique_ptr<BackupWriter>(
      new BackupWriter(std::move(directory), std::move(path), origin, file_bytes));
}

Result<> BackupWriter::write(BytesView chunk) {
  if (chunk.size() > kBackupChunkBytesMax) {
    return fail(Code::CORRUPT, "a chunk of {} bytes; at most {}", chunk.size(), kBackupChunkBytesMax);
  }
  ASPEN_CHECK(scan_.add(chunk));
  if (file_ == nullptr) {
    if (manifest_.files.size() >= kBackupFilesMax) {
      return fail(Code::LIMIT_EXCEEDED, "the backup in {} has {} files of {} bytes; at most that", path_,
                  kBackupFilesMax, file_bytes_);
    }
    BackupFile& begun = manifest_.files.emplace_back(backup_file_name(manifest_.files.size() + 1));
    ASPEN_TRY(file_, directory_->create(begun.name));
    hash_ = ContentHash();
  }
  BackupFile& file = manifest_.files.back();
  Bytes bytes = frame(chunk);
  bool skipped = manifest_.files.size() == 2 && ASPEN_MUTANT("node-backup-file-skipped");
  if (!skipped) ASPEN_CHECK(file_->write(file.bytes, bytes));
  hash_.add(bytes);
  file.bytes += bytes.size();
  return file.bytes >= file_bytes_ ? end_file() : Result<>();
}

Result<> BackupWriter::end_file() {
  if (file_ == nullptr) return {};
  manifest_.files.back().hash = hash_.finish();
  if (!ASPEN_MUTANT("node-backup-not-synced")) ASPEN_CHECK(file_->sync());
  file_.reset();
  return {};
}

Result<BackupManifest> BackupWriter::finish() {
  ASPEN_TRY(manifest_.contents, scan_.finish());
  ASPEN_CHECK(end_file());
  ASPEN_CHECK(directory_->sync());
  ASPEN_CHECK(write_manifest());
  return manifest_;
}

Result<> BackupWriter::write_manifest() {
  {
    ASPEN_TRY(auto file, directory_->create(kUnfinishedManifest));
    ASPEN_CHECK(file->write(0, encode_manifest(manifest_)));
    ASPEN_CHECK(file->sync());
  }
  ASPEN_CHECK(directory_->rename(kUnfinishedManifest, kManifestName));
  return directory_->sync();
}

// The manifest first: without it, nobody takes what is left for a backup.
void BackupWriter::abandon() {
  file_.reset();
  (void)directory_->remove(kManifestName);
  (void)directory_->remove(kUnfinishedManifest);
  for (const BackupFile& file : manifest_.files) (void)directory_->remove(file.name);
}

}  // namespace aspen::node
