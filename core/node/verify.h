// Looks at a directory that no node is using, a node's or a backup's, and says whether all of it is as it was
// written. Changes nothing but the lock file of a node's directory.
//
// Of a node's directory: the node file; every record of the journal, as a start would read them, and the
// chain over each log; every block of the store, every row of the state; that state and log fit together. Of
// a backup: its manifest, every file, every row.
//
// Thread safety: none. Blocks on the disk, for as long as it takes to read everything.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/base/error.h"

namespace aspen::node {

struct VerifyReport {
  // One line of JSON: {"kind": "backup" or "node", "path", "ok", "problems": [{"code", "message"}]} and what
  // was found: of a backup `backup`, as Backups has it; of a node `node_id`, `network_id`, `log` {"groups",
  // "segments", "first", "last", "term"}, `state` {"revision", "compacted", "keys", "key_bytes", "leases",
  // "quotas", "indexes", "sessions", "fingerprint"}.
  std::string json;
  std::optional<Error> damage;  // the first of the problems
};

// Errors: NOT_FOUND when the directory holds neither, IN_USE naming the process, CANCELLED when `stop` says
// so. What is wrong with the directory is in the report.
Result<VerifyReport> verify_directory(const std::string& path, const std::function<bool()>& stop);

}  // namespace aspen::node
