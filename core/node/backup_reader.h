// Reads a backup's chunks in order, and checks that it is whole.
//
//   ASPEN_TRY(auto reader, BackupReader::open(std::move(directory), path));
//   BackupCheck check(*reader);
//   for (;;) { ASPEN_TRY(bool more, check.step()); if (!more) break; }   // nothing is used before that
//   reader->rewind();
//   for (;;) { ASPEN_TRY(Bytes chunk, reader->next()); if (chunk.empty()) break; ... }
//
// Thread safety: none. Blocks on the disk.
#pragma once

#include <memory>

#include "core/journal/directory.h"
#include "core/node/backup_manifest.h"
#include "core/node/content_hash.h"

namespace aspen::node {

class BackupReader {
 public:
  // `path` names the directory in messages. Errors: NOT_FOUND when there is no backup in it; CORRUPT naming
  // the file: it has no manifest, which makes it a backup that was interrupted, a file is missing or has
  // another size; UNSUPPORTED; IO.
  static Result<std::unique_ptr<BackupReader>> open(std::unique_ptr<journal::Directory> directory,
                                                    std::string path);

  const BackupManifest& manifest() const { return manifest_; }
  // The next chunk; empty after the last one. Errors: CORRUPT naming the file, at the latest when it has been
  // read; IO.
  Result<Bytes> next();
  void rewind();
  // The file that the last chunk was in, with its path.
  std::string place() const;

 private:
  BackupReader(std::unique_ptr<journal::Directory> directory, std::string path)
      : directory_(std::move(directory)), path_(std::move(path)) {}
  Result<> load();
  Result<Bytes> read(const journal::File& file, uint64_t size);
  Result<> end_file();
  std::unexpected<Error> damaged(const char* how) const;

  std::unique_ptr<journal::Directory> directory_;
  const std::string path_;
  BackupManifest manifest_;
  size_t index_ = 0;  // of the file that is read
  std::unique_ptr<journal::File> file_;
  uint64_t offset_ = 0;
  ContentHash hash_;
};

// Reads all of it, and compares it with what the manifest says.
class BackupCheck {
 public:
  // From where the reader is: its beginning. The reader outlives the check.
  explicit BackupCheck(BackupReader& reader) : reader_(reader) {}
  // A chunk; false when all is read and right. Errors: as BackupReader::next.
  Result<bool> step();

 private:
  BackupReader& reader_;
  kv::SnapshotScan scan_;
};

}  // namespace aspen::node
