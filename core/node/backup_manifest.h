// A backup: the state of the key-value store at one revision, in a directory of ordinary files.
//
//   DIR/1.chunks, DIR/2.chunks, ...   the chunks of a snapshot (kv/snapshot.h), each after its length, a
//                                     32-bit number, little endian
//   DIR/manifest.json                 where it is from, what is in it, a checksum of each file, and its own
//
// The manifest is written last, when everything else is durable, and takes its name in one step: a directory
// with chunks and without a manifest is a backup that was interrupted, and is never restored. What is in it
// is a text that a person can read; there is one way to write it, and every other text is refused, so that a
// change of any byte of a backup is noticed:
//
//   - of the manifest, by its form and its checksum;
//   - of a file, by its size and checksum in the manifest, and by the chunks' own chain of hashes.
//
// These checksums find damage, not malice: who may write the files can write all of them.
//
// Thread safety: none needed; values.
#pragma once

#include <string>
#include <vector>

#include "core/base/node_id.h"
#include "core/kv/snapshot_scan.h"

namespace aspen::node {

inline constexpr uint64_t kBackupVersion = 1;
inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kChunksSuffix = ".chunks";
// A file ends with the chunk that makes it so long.
inline constexpr size_t kBackupFileBytes = 64u << 20;
inline constexpr size_t kBackupFilesMax = 65'536;
inline constexpr size_t kManifestBytesMax = 16u << 20;
inline constexpr size_t kBackupChunkBytesMax = limits::kFrameBytesMax;

// A restored store goes on at its backup's revision plus this: beyond all that the store it was made of can
// have come to since (10,000 writes a second for three years), so that no revision ever means two things.
inline constexpr uint64_t kRestoreLeap = uint64_t{1} << 40;

// Where a backup is from.
struct BackupOrigin {
  NodeId network;
  NodeId node;
  raft::Term term = 0;  // of the entry at the revision

  bool operator==(const BackupOrigin&) const = default;
};

struct BackupFile {
  std::string name;
  uint64_t bytes = 0;
  Hash hash{};

  bool operator==(const BackupFile&) const = default;
};

struct BackupManifest {
  BackupOrigin origin;
  kv::SnapshotContents contents;
  std::vector<BackupFile> files;

  uint64_t revision() const { return contents.applied; }
  bool operator==(const BackupManifest&) const = default;
};

std::string backup_file_name(size_t number);
std::string encode_manifest(const BackupManifest& manifest);
// `path` is for messages. Errors: CORRUPT; UNSUPPORTED naming both versions.
Result<BackupManifest> decode_manifest(BytesView text, const std::string& path);

// For callers: one line of JSON, with the number of files instead of the files.
std::string summary(const BackupManifest& manifest);

std::string to_hex(const Hash& hash);

}  // namespace aspen::node
