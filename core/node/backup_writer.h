// Writes a backup into an empty directory, chunk by chunk (backup_manifest.h says what of).
//
//   ASPEN_TRY(auto writer, BackupWriter::begin(std::move(directory), path, origin));
//   for (...) ASPEN_CHECK(writer->write(chunk));
//   ASPEN_TRY(BackupManifest manifest, writer->finish());
//
// Each chunk is checked as it passes, so that what was made can be used. Order: every file is synced, then
// their names, then the manifest, and only then has the manifest its name.
//
// Failure: after an error the backup is lost; abandon() takes away what was written, as far as it can.
// Without it, or after a crash, the directory has no manifest.
//
// Thread safety: none. Blocks on the disk, so it belongs on a lane.
#pragma once

#include <memory>

#include "core/journal/directory.h"
#include "core/node/backup_manifest.h"
#include "core/node/content_hash.h"

namespace aspen::node {

class BackupWriter {
 public:
  // `path` names the directory in messages. Errors: ALREADY_EXISTS when there is anything in it; IO.
  static Result<std::unique_ptr<BackupWriter>> begin(std::unique_ptr<journal::Directory> directory,
                                                     std::string path, const BackupOrigin& origin,
                                                     size_t file_bytes = kBackupFileBytes);

  // Errors: CORRUPT when it is not the next chunk of a snapshot; IO; LIMIT_EXCEEDED.
  Result<> write(BytesView chunk);
  // Durable when it returns. Errors: CORRUPT when the last chunk has not come; IO.
  Result<BackupManifest> finish();
  void abandon();

 private:
  BackupWriter(std::unique_ptr<journal::Directory> directory, std::string path, const BackupOrigin& origin,
               size_t file_bytes)
      : directory_(std::move(directory)), path_(std::move(path)), file_bytes_(file_bytes) {
    manifest_.origin = origin;
  }
  Result<> end_file();
  Result<> write_manifest();

  std::unique_ptr<journal::Directory> directory_;
  const std::string path_;
  const size_t file_bytes_;
  BackupManifest manifest_;
  kv::SnapshotScan scan_;
  std::unique_ptr<journal::File> file_;  // the last of manifest_.files, while it grows
  ContentHash hash_;                     // its
};

}  // namespace aspen::node
