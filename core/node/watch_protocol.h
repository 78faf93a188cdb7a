// What is said on a kWatch stream. docs/wire.md specifies the bytes.
//
// A node keeps one such stream to a member, for any number of watches; each has an id that the node chose,
// which is not used twice on a stream. The member answers each `open` with `opened` or `ended`; then come
// events and marks, in the order in which the watch is to take them. After `ended` nothing more comes.
#pragma once

#include <variant>

#include "core/kv/watch_hub.h"

namespace aspen::node {

// From the node that watches.
struct WatchOpen {
  uint64_t id = 0;
  kv::WatchRequest request = {};
  uint64_t credit = 0;
  bool operator==(const WatchOpen&) const = default;
};
struct WatchCredit {
  uint64_t id = 0;
  uint64_t bytes = 0;
  bool operator==(const WatchCredit&) const = default;
};
struct WatchAsk {  // for a mark
  uint64_t id = 0;
  bool operator==(const WatchAsk&) const = default;
};
struct WatchCancel {
  uint64_t id = 0;
  bool operator==(const WatchCancel&) const = default;
};
using WatchCall = std::variant<WatchOpen, WatchCredit, WatchAsk, WatchCancel>;

// From the member.
struct WatchOpened {
  uint64_t id = 0;
  uint64_t first_revision = 0;  // that it will be told of
};
// Events of one revision, by ascending key.
struct WatchPart {
  uint64_t revision = 0;
  bool last = false;  // of the revision's
  std::vector<kv::Event> events = {};
};
struct WatchEvents {
  uint64_t id = 0;
  std::vector<WatchPart> parts = {};  // by ascending revision; all but the last one are their revision's last
};
struct WatchMark {
  uint64_t id = 0;
  uint64_t revision = 0;  // everything up to it was sent
};
struct WatchEnded {
  uint64_t id = 0;
  uint64_t compacted = 0;  // with COMPACTED: the first revision from which a watch is possible
  Error error;
};
using WatchNews = std::variant<WatchOpened, WatchEvents, WatchMark, WatchEnded>;

Bytes encode(const WatchCall& call);
Result<WatchCall> decode_watch_call(BytesView frame);

Bytes encode(const WatchNews& news);
// The same bytes, without copying events.
Bytes encode(uint64_t id, const kv::WatchOutput& output);
Result<WatchNews> decode_watch_news(BytesView frame);

}  // namespace aspen::node
