// The nouns of consensus, as in Ongaro's thesis ("Consensus: Bridging Theory and Practice", 2014).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/base/node_id.h"
#include "core/base/time.h"
#include "core/base/wire.h"

namespace aspen::raft {

using Term = uint64_t;
using Index = uint64_t;

// Which of a node's groups: a number that all members of the group know it by, at most kNumberMax. It names
// the group on the wire and in the journal.
using GroupId = uint64_t;

// One incarnation of a member: a random number a node draws when it creates its log. A node whose disk
// was wiped comes back with the same NodeId and a new PeerId, so the votes and acknowledgements it has
// forgotten can never be taken for the new one's. 0 is nobody.
using PeerId = uint64_t;
inline constexpr PeerId kNobody = 0;

enum class MemberRole : uint8_t { learner = 0, voter = 1 };

struct Member {
  PeerId peer = kNobody;
  NodeId node;
  std::string address;  // "host:port" the others dial
  MemberRole role = MemberRole::learner;

  bool operator==(const Member&) const = default;
};

// Who takes part. While `outgoing` is not empty the group is in joint consensus (thesis 4.3): elections
// and commits need a majority of the voters in `members` and a majority of `outgoing`.
struct Config {
  std::vector<Member> members;        // sorted by peer
  std::vector<PeerId> outgoing = {};  // sorted; the voters of the configuration being left
  std::vector<Member> leaving = {};   // sorted by peer; those of `outgoing` that are not in `members`
  bool joint() const { return !outgoing.empty(); }
  // Both look in `members` first, then in `leaving`: whoever has to be reached is found.
  const Member* find(PeerId peer) const;
  const Member* find(const NodeId& node) const;
  bool is_voter(PeerId peer) const;  // in either half

  bool operator==(const Config&) const = default;
};

enum class EntryKind : uint8_t {
  command = 0,  // for the state machine
  config = 1,   // an encoded Config, in force from the moment it is appended
  noop = 2,     // a new leader's first entry (thesis 6.4)
};

// The largest `data` of an entry: an append message that carries just one still fits a frame.
inline constexpr size_t kEntryBytesMax = limits::kFrameBytesMax - (64u << 10);

// The highest term, index and round on the wire and on disk, so that sums cannot wrap.
inline constexpr uint64_t kNumberMax = (uint64_t{1} << 62) - 1;

// `time` is the leader's stamp (law 6): wall nanoseconds, never less than the entry before it.
struct Entry {
  Index index = 0;
  Term term = 0;
  EntryKind kind = EntryKind::command;
  WallNs time = 0;
  Bytes data = {};

  size_t size_bytes() const { return data.size() + 32; }
  bool operator==(const Entry&) const = default;
};

// Entries are immutable once appended and are shared by the log, messages in flight and the writer.
using EntryPtr = std::shared_ptr<const Entry>;

struct HardState {
  Term term = 0;
  PeerId vote = kNobody;
  bool operator==(const HardState&) const = default;
};

// What a snapshot stands for: the state after applying everything up to `index`.
struct SnapshotMeta {
  Index index = 0;
  Term term = 0;
  Config config = {};
  WallNs time = 0;  // of the entry at `index`
  bool operator==(const SnapshotMeta&) const = default;
};

enum class MessageKind : uint8_t {
  pre_vote = 1,
  pre_vote_reply = 2,
  vote = 3,
  vote_reply = 4,
  append = 5,
  append_reply = 6,
  heartbeat = 7,
  heartbeat_reply = 8,
  snapshot = 9,      // offers one; its bytes travel apart (driver.h), accepted or refused by the driver
  timeout_now = 11,  // leadership transfer; 10 is reserved
  read_index = 12,   // a follower asks for the index at which it may serve a read
  read_index_reply = 13,
  fetch = 14,  // a follower asks another member for committed entries
  fetched = 15,
};

// One flat message; which fields mean something depends on the kind (message.cc, docs/wire.md).
struct Message {
  MessageKind kind = MessageKind::heartbeat;
  PeerId from = kNobody;
  PeerId to = kNobody;
  Term term = 0;
  // append: previous index; vote: last index; append_reply: match or rejected index; read_index_reply: to
  // be applied before the read
  Index index = 0;
  Term log_term = 0;  // append: previous term; vote: last term; append_reply: hint term
  Index commit = 0;   // append, heartbeat; fetch: the last index wanted
  Index hint = 0;     // append_reply, rejected: where the follower's log may agree
  bool reject = false;
  bool transfer = false;  // vote: a leadership transfer, which leader stickiness must not stop
  // heartbeat and its reply: the newest read round, and that it was heard; read_index and its reply: which
  uint64_t round = 0;
  bool wait = false;       // append_reply, accepted: others bring what follows (core_catch_up.cc)
  DurationNs promise = 0;  // heartbeat_reply: for this long the sender gives nobody a vote (core_lease.cc)
  std::vector<EntryPtr> entries = {};
  std::optional<SnapshotMeta> snapshot = {};
};

// Wire forms (message.cc). Decoders refuse everything that is not canonical or over a limit with PROTOCOL,
// and an append whose entries are not numbered and ordered as Raft requires, so a Core need not look again.
Bytes encode(const Message& message);
Result<Message> decode_message(BytesView bytes);
// As it travels between nodes, whose groups share a stream.
struct GroupMessage {
  GroupId group = 0;
  Message message;
};
Bytes encode(GroupId group, const Message& message);
Result<GroupMessage> decode_group_message(BytesView frame);
void encode_peer(wire::Writer& writer, PeerId peer);
PeerId decode_peer(wire::Reader& reader);  // refuses nobody
void encode(wire::Writer& writer, const Config& config);
Config decode_config(wire::Reader& reader);
Bytes encode(const Config& config);
Result<Config> decode_config(BytesView bytes);
Bytes encode(const Entry& entry);  // as the log stores it: everything but the index
Result<Entry> decode_entry(Index index, BytesView bytes);
Bytes encode(const HardState& state);
Result<HardState> decode_hard_state(BytesView bytes);
Bytes encode(const SnapshotMeta& meta);
Result<SnapshotMeta> decode_snapshot_meta(BytesView bytes);

}  // namespace aspen::raft
