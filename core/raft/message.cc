// The wire and disk forms of consensus.
//
// Peer ids are fixed 8 bytes, little endian (they are random); other unsigned numbers are varints below
// 2^62, times zigzag varints. A message is `varint kind, varint length, fields`; every kind starts with
//
//   from peer, to peer, term        neither peer is 0
//
// and goes on with
//
//   1 pre_vote, 3 vote              last index, last term, transfer (always 0 in a pre_vote)
//   2 pre_vote_reply, 4 vote_reply  reject
//   5 append                        previous index, previous term, commit, count, entries
//   6 append_reply                  index, reject; if rejected: hint index, hint term; else: wait
//   7 heartbeat                     commit, round
//   8 heartbeat_reply               round, promise in nanoseconds
//   9 snapshot                      snapshot meta
//   11 timeout_now                  nothing; 10 is reserved
//   12 read_index                   round
//   13 read_index_reply             round, reject, and if not rejected: index
//   14 fetch                        previous index, last index
//   15 fetched                      previous index, previous term, count, entries
//
//   entry           term, kind (0 command, 1 config, 2 noop), time, data
//   config          members, outgoing peers, leaving members; each counted and sorted by peer, no peer twice
//   member          peer, 32 bytes node id, address, role (0 learner, 1 voter)
//   hard state      term, vote peer (0: nobody)
//   snapshot meta   index, term, config, time
//
// Between nodes a message follows the number of its group.
//
// In an append and in a fetched, entries are numbered from previous index + 1; their terms start at or above
// the previous term, never decrease and never exceed the message's term. A config entry's data is a config
// with a voter, a noop's is empty. The leaving members of a config are exactly the outgoing peers that are
// not members.
#include <algorithm>

#include "core/base/assert.h"
#include "core/raft/types.h"

namespace aspen::raft {
namespace {

using wire::Reader;
using wire::Writer;

PeerId get_peer_or_nobody(Reader& reader) {
  BytesView in = reader.fixed(8);
  PeerId peer = 0;
  for (size_t i = 0; i < in.size(); ++i) peer |= PeerId{static_cast<uint8_t>(in[i])} << (8 * i);
  return peer;
}

uint64_t get_number(Reader& reader, const char* what) {
  return reader.u64_max(kNumberMax, what);
}

void put_member(Writer& writer, const Member& member) {
  encode_peer(writer, member.peer);
  writer.fixed(member.node.view());
  writer.bytes(member.address);
  writer.u8(static_cast<uint8_t>(member.role));
}

Member get_member(Reader& reader) {
  Member member;
  member.peer = decode_peer(reader);
  BytesView node = reader.fixed(NodeId::kSize);
  std::ranges::copy(node, member.node.key.begin());
  member.address = Bytes(reader.text(limits::kAddressBytesMax, "address"));
  uint8_t role = reader.u8();
  if (role > 1) reader.refuse(fmt::format("member role {}", role));
  member.role = static_cast<MemberRole>(role & 1);
  return member;
}

std::vector<Member> get_members(Reader& reader, const char* what) {
  std::vector<Member> members;
  for (size_t n = reader.count(limits::kMembersMax, what); n > 0 && reader.ok(); --n) {
    Member member = get_member(reader);
    if (!members.empty() && member.peer <= members.back().peer) reader.refuse("members not sorted by peer");
    members.push_back(std::move(member));
  }
  return members;
}

// The leaving members are what `outgoing` names beyond `members`, no more and no less.
bool leaving_fits(const Config& config) {
  auto leaving = config.leaving.begin();
  for (PeerId peer : config.outgoing) {
    if (std::ranges::binary_search(config.members, peer, {}, &Member::peer)) continue;
    if (leaving == config.leaving.end() || leaving->peer != peer) return false;
    ++leaving;
  }
  return leaving == config.leaving.end();
}

void put_entry(Writer& writer, const Entry& entry) {
  writer.u64(entry.term);
  writer.u8(static_cast<uint8_t>(entry.kind));
  writer.i64(entry.time);
  writer.bytes(entry.data);
}

Entry get_entry(Reader& reader, Index index) {
  Entry entry;
  entry.index = index;
  entry.term = get_number(reader, "term");
  uint8_t kind = reader.u8();
  if (kind > static_cast<uint8_t>(EntryKind::noop)) reader.refuse(fmt::format("entry kind {}", kind));
  entry.kind = static_cast<EntryKind>(kind);
  entry.time = reader.i64();
  entry.data = Bytes(reader.bytes(kEntryBytesMax, "entry"));
  if (!reader.ok()) return entry;
  if (entry.kind == EntryKind::noop && !entry.data.empty()) reader.refuse("data in a noop");
  if (entry.kind == EntryKind::config) {
    Result<Config> config = decode_config(entry.data);
    if (!config) {
      reader.refuse(config.error().message);
    } else if (std::ranges::none_of(config->members,
                                    [](const Member& m) { return m.role == MemberRole::voter; })) {
      reader.refuse("a configuration entry without a voter");
    }
  }
  return entry;
}

void put_meta(Writer& writer, const SnapshotMeta& meta) {
  writer.u64(meta.index);
  writer.u64(meta.term);
  encode(writer, meta.config);
  writer.i64(meta.time);
}

SnapshotMeta get_meta(Reader& reader) {
  SnapshotMeta meta;
  meta.index = get_number(reader, "index");
  meta.term = get_number(reader, "term");
  meta.config = decode_config(reader);
  meta.time = reader.i64();
  return meta;
}

// The entries behind message.index.
void get_entries(Reader& reader, Message& message) {
  size_t count = reader.count(limits::kLogEntriesMax, "entries");
  Term term = message.log_term;
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    Entry entry = get_entry(reader, message.index + 1 + i);
    if (entry.term < term || entry.term > message.term) {
      reader.refuse(
          fmt::format("entry term {} after {} in a message of term {}", entry.term, term, message.term));
    }
    term = entry.term;
    message.entries.push_back(std::make_shared<const Entry>(std::move(entry)));
  }
}

void put_entries(Writer& writer, const Message& message) {
  writer.u64(message.entries.size());
  for (const EntryPtr& entry : message.entries) put_entry(writer, *entry);
}

void put_fields(Writer& writer, const Message& message) {
  switch (message.kind) {
    case MessageKind::pre_vote:
    case MessageKind::vote:
      writer.u64(message.index);
      writer.u64(message.log_term);
      writer.boolean(message.transfer);
      break;
    case MessageKind::pre_vote_reply:
    case MessageKind::vote_reply:
      writer.boolean(message.reject);
      break;
    case MessageKind::append:
      writer.u64(message.index);
      writer.u64(message.log_term);
      writer.u64(message.commit);
      put_entries(writer, message);
      break;
    case MessageKind::fetch:
      writer.u64(message.index);
      writer.u64(message.commit);
      break;
    case MessageKind::fetched:
      writer.u64(message.index);
      writer.u64(message.log_term);
      put_entries(writer, message);
      break;
    case MessageKind::append_reply:
      writer.u64(message.index);
      writer.boolean(message.reject);
      if (!message.reject) {
        writer.boolean(message.wait);
        break;
      }
      writer.u64(message.hint);
      writer.u64(message.log_term);
      break;
    case MessageKind::heartbeat:
      writer.u64(message.commit);
      writer.u64(message.round);
      break;
    case MessageKind::heartbeat_reply:
      writer.u64(message.round);
      writer.u64(static_cast<uint64_t>(message.promise));
      break;
    case MessageKind::read_index:
      writer.u64(message.round);
      break;
    case MessageKind::read_index_reply:
      writer.u64(message.round);
      writer.boolean(message.reject);
      if (!message.reject) writer.u64(message.index);
      break;
    case MessageKind::snapshot:
      ASPEN_ASSERT(message.snapshot.has_value());
      put_meta(writer, *message.snapshot);
      break;
    case MessageKind::timeout_now:
      break;
  }
}

void get_fields(Reader& reader, Message& message) {
  switch (message.kind) {
    case MessageKind::pre_vote:
    case MessageKind::vote:
      message.index = get_number(reader, "last index");
      message.log_term = get_number(reader, "last term");
      message.transfer = reader.boolean();
      if (message.transfer && message.kind == MessageKind::pre_vote) reader.refuse("transfer in a pre-vote");
      break;
    case MessageKind::pre_vote_reply:
    case MessageKind::vote_reply:
      message.reject = reader.boolean();
      break;
    case MessageKind::append:
      message.index = get_number(reader, "previous index");
      message.log_term = get_number(reader, "previous term");
      message.commit = get_number(reader, "commit index");
      get_entries(reader, message);
      break;
    case MessageKind::fetch:
      message.index = get_number(reader, "previous index");
      message.commit = get_number(reader, "last index");
      break;
    case MessageKind::fetched:
      message.index = get_number(reader, "previous index");
      message.log_term = get_number(reader, "previous term");
      get_entries(reader, message);
      break;
    case MessageKind::append_reply:
      message.index = get_number(reader, "index");
      message.reject = reader.boolean();
      if (!message.reject) {
        message.wait = reader.boolean();
        break;
      }
      message.hint = get_number(reader, "hint index");
      message.log_term = get_number(reader, "hint term");
      break;
    case MessageKind::heartbeat:
      message.commit = get_number(reader, "commit index");
      message.round = get_number(reader, "round");
      break;
    case MessageKind::heartbeat_reply:
      message.round = get_number(reader, "round");
      message.promise = static_cast<DurationNs>(get_number(reader, "promise"));
      break;
    case MessageKind::read_index:
      message.round = get_number(reader, "round");
      break;
    case MessageKind::read_index_reply:
      message.round = get_number(reader, "round");
      message.reject = reader.boolean();
      if (!message.reject) message.index = get_number(reader, "index");
      break;
    case MessageKind::snapshot:
      message.snapshot = get_meta(reader);
      break;
    case MessageKind::timeout_now:
      break;
  }
}

void put_message(Writer& writer, const Message& message) {
  writer.begin(static_cast<uint64_t>(message.kind));
  encode_peer(writer, message.from);
  encode_peer(writer, message.to);
  writer.u64(message.term);
  put_fields(writer, message);
  writer.end();
}

Message get_message(Reader& reader) {
  Message message;
  uint64_t kind = reader.begin();
  bool known = kind >= static_cast<uint64_t>(MessageKind::pre_vote) &&
               (kind <= static_cast<uint64_t>(MessageKind::snapshot) ||
                (kind >= static_cast<uint64_t>(MessageKind::timeout_now) &&
                 kind <= static_cast<uint64_t>(MessageKind::fetched)));
  if (!known) {
    reader.refuse(fmt::format("message kind {}", kind));
  } else {
    message.kind = static_cast<MessageKind>(kind);
  }
  message.from = decode_peer(reader);
  message.to = decode_peer(reader);
  message.term = get_number(reader, "term");
  if (reader.ok()) get_fields(reader, message);
  reader.end();
  return message;
}

}  // namespace

void encode_peer(Writer& writer, PeerId peer) {
  char out[8];
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(peer >> (8 * i));
  writer.fixed(BytesView(out, 8));
}

PeerId decode_peer(Reader& reader) {
  PeerId peer = get_peer_or_nobody(reader);
  if (reader.ok() && peer == kNobody) reader.refuse("peer 0");
  return peer;
}

Bytes encode(const Message& message) {
  Writer writer;
  put_message(writer, message);
  return writer.take();
}

Result<Message> decode_message(BytesView bytes) {
  Reader reader(bytes);
  Message message = get_message(reader);
  ASPEN_CHECK(reader.finish("raft message"));
  return message;
}

Bytes encode(GroupId group, const Message& message) {
  Writer writer;
  writer.u64(group);
  put_message(writer, message);
  return writer.take();
}

Result<GroupMessage> decode_group_message(BytesView frame) {
  Reader reader(frame);
  GroupMessage out{.group = get_number(reader, "group"), .message = get_message(reader)};
  ASPEN_CHECK(reader.finish("raft message of a group"));
  return out;
}

void encode(Writer& writer, const Config& config) {
  writer.u64(config.members.size());
  for (const Member& member : config.members) put_member(writer, member);
  writer.u64(config.outgoing.size());
  for (PeerId peer : config.outgoing) encode_peer(writer, peer);
  writer.u64(config.leaving.size());
  for (const Member& member : config.leaving) put_member(writer, member);
}

Config decode_config(Reader& reader) {
  Config config;
  config.members = get_members(reader, "members");
  for (size_t n = reader.count(limits::kMembersMax, "outgoing voters"); n > 0 && reader.ok(); --n) {
    PeerId peer = decode_peer(reader);
    if (!config.outgoing.empty() && peer <= config.outgoing.back())
      reader.refuse("outgoing voters not sorted");
    config.outgoing.push_back(peer);
  }
  config.leaving = get_members(reader, "leaving members");
  if (reader.ok() && !leaving_fits(config))
    reader.refuse("leaving members are not the outgoing voters' rest");
  return reader.ok() ? config : Config{};
}

Bytes encode(const Config& config) {
  Writer writer;
  encode(writer, config);
  return writer.take();
}

Result<Config> decode_config(BytesView bytes) {
  Reader reader(bytes);
  Config config = decode_config(reader);
  ASPEN_CHECK(reader.finish("raft configuration"));
  return config;
}

Bytes encode(const Entry& entry) {
  Writer writer;
  put_entry(writer, entry);
  return writer.take();
}

Result<Entry> decode_entry(Index index, BytesView bytes) {
  Reader reader(bytes);
  Entry entry = get_entry(reader, index);
  ASPEN_CHECK(reader.finish("raft entry"));
  return entry;
}

Bytes encode(const HardState& state) {
  Writer writer;
  writer.u64(state.term);
  encode_peer(writer, state.vote);
  return writer.take();
}

Result<HardState> decode_hard_state(BytesView bytes) {
  Reader reader(bytes);
  HardState state;
  state.term = get_number(reader, "term");
  state.vote = get_peer_or_nobody(reader);
  ASPEN_CHECK(reader.finish("raft hard state"));
  return state;
}

Bytes encode(const SnapshotMeta& meta) {
  Writer writer;
  put_meta(writer, meta);
  return writer.take();
}

Result<SnapshotMeta> decode_snapshot_meta(BytesView bytes) {
  Reader reader(bytes);
  SnapshotMeta meta = get_meta(reader);
  ASPEN_CHECK(reader.finish("raft snapshot meta"));
  return meta;
}

}  // namespace aspen::raft
