// Places where the engine may take a rare but legal path on purpose, so that the lab meets it often: a batch
// cut short, a buffer taken for full, a flush begun early. After FoundationDB's BUGGIFY.
//
//   size_t count_max = ASPEN_BUGGIFY("raft-append-one-entry") ? 1 : limits::kAppendEntriesMax;
//
// What a site does must be allowed at any time: it may cost speed, never correctness. Outside the lab no hook
// is set and a site is one predictable branch.
//
// Thread safety: the hook is set before the engine runs and called on the engine's thread.
#pragma once

namespace aspen {

// Null outside the lab. `site` is a literal, unique in the engine.
inline bool (*buggify_hook)(const char* site) = nullptr;

}  // namespace aspen

#define ASPEN_BUGGIFY(site) (::aspen::buggify_hook != nullptr && ::aspen::buggify_hook(site))
