// The frames of a kBackup stream (docs/wire.md): a node without a replica asks a member for its state.
//
//   asker:  BackupRequest
//   member: BackupOrigin, the chunks of a snapshot, end; a reset says why not, or why no further
//
// Thread safety: none needed; functions.
#pragma once

#include "core/node/backup_manifest.h"

namespace aspen::node {

struct BackupRequest {
  bool stale = false;  // what the member has applied will do
};

Bytes encode(const BackupRequest& request);
Result<BackupRequest> decode_backup_request(BytesView frame);
Bytes encode(const BackupOrigin& origin);
Result<BackupOrigin> decode_backup_origin(BytesView frame);

}  // namespace aspen::node
