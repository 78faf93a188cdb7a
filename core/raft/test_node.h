// A core with a simulated asynchronous disk and a state machine that remembers what it applied: the node
// that the interaction scripts and the random simulation are made of.
//
// Writes wait in `writes` until sync_one(); a crash keeps a prefix of them. The state machine is the list of
// applied entries, of which a crash keeps what was flushed.
//
// Thread safety: none; for tests.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/raft/core.h"

namespace aspen::raft::testing {

inline Member member(PeerId peer, MemberRole role = MemberRole::voter) {
  Member m{.peer = peer, .node = {}, .address = fmt::format("n{}:1", peer), .role = role};
  m.node.key[0] = static_cast<uint8_t>(peer);
  return m;
}

inline Config voters(std::initializer_list<PeerId> peers) {
  Config config;
  for (PeerId peer : peers) config.members.push_back(member(peer));
  return config;
}

inline EntryPtr entry(Index index, Term term, Bytes data = "x", EntryKind kind = EntryKind::command) {
  return std::make_shared<const Entry>(
      Entry{.index = index, .term = term, .kind = kind, .time = 0, .data = std::move(data)});
}

class TestNode {
 public:
  struct Write {
    uint64_t token;
    std::optional<HardState> hard_state;
    Index truncate_from;
    std::vector<EntryPtr> entries;
    std::vector<Message> after_sync;
  };

  TestNode(Options options, Durable disk, std::vector<EntryPtr> state)
      : options(std::move(options)), disk(std::move(disk)), state(std::move(state)) {
    flushed = this->state.size();
  }

  PeerId id() const { return options.self; }
  bool up() const { return core != nullptr; }
  Index applied() const { return state.size(); }

  void start(TimeNs now) {
    ASPEN_ASSERT(!up());
    core = std::make_unique<Core>(options, disk, applied(), now);
  }

  // The first `kept` of the writes in flight had reached the disk.
  void crash(size_t kept) {
    for (size_t i = 0; i < kept; ++i) persist(writes[i]);
    writes.clear();
    core.reset();
    state.resize(flushed);
  }

  // Does what the driver does with `effects`, except for the messages and the apply order's checks.
  void keep(Effects& effects) {
    if (effects.sync_token != 0) {
      writes.push_back({effects.sync_token, effects.hard_state, effects.truncate_from, effects.entries,
                        std::move(effects.messages_after_sync)});
    }
    if (effects.committed.empty()) return;
    state.insert(state.end(), effects.committed.begin(), effects.committed.end());
    core->applied(applied());
  }

  // Completes the oldest write and returns the messages that waited for it.
  std::vector<Message> sync_one(TimeNs now) {
    Write write = std::move(writes.front());
    writes.pop_front();
    persist(write);
    core->synced(write.token, now);
    return std::move(write.after_sync);
  }

  // The log keeps what follows `index`, which has been applied.
  void compact(Index index) {
    SnapshotMeta meta = core->snapshot_meta(index);
    flushed = std::max(flushed, index);
    core->compacted(meta);
    if (meta.index <= disk.snapshot.index) return;
    std::erase_if(disk.entries, [&](const EntryPtr& e) { return e->index <= index; });
    disk.snapshot = meta;
  }

  // Installs the snapshot whose state is `from`'s first entries. Requires: wanted, no write in flight.
  void install(const Message& offer, const std::vector<EntryPtr>& from, TimeNs now) {
    ASPEN_ASSERT(writes.empty());
    const SnapshotMeta& meta = *offer.snapshot;
    state.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(meta.index));
    flushed = meta.index;
    disk.snapshot = meta;
    disk.entries.clear();
    core->snapshot_installed(offer, now);
  }

  bool on_disk(const Entry& e) const {
    if (e.index <= disk.snapshot.index) return true;
    Index at = e.index - disk.snapshot.index - 1;
    return at < disk.entries.size() && disk.entries[at]->term == e.term;
  }

  Options options;
  Durable disk;  // what a crash leaves
  std::vector<EntryPtr> state;
  Index flushed = 0;
  std::deque<Write> writes;
  std::unique_ptr<Core> core;

 private:
  void persist(const Write& write) {
    if (write.hard_state) disk.hard_state = *write.hard_state;
    if (write.truncate_from != 0) {
      std::erase_if(disk.entries, [&](const EntryPtr& e) { return e->index >= write.truncate_from; });
    }
    for (const EntryPtr& e : write.entries) {
      ASPEN_ASSERT(e->index == disk.snapshot.index + disk.entries.size() + 1);
      disk.entries.push_back(e);
    }
  }
};

}  // namespace aspen::raft::testing
