// A log for tests: makes entries out of commands, keeps them, and applies them to state machines.
#pragma once

#include <gtest/gtest.h>

#include "core/kv/state_machine.h"

namespace aspen::kv {

inline Op put(BytesView key, BytesView value, LeaseId lease = 0) {
  return {.kind = Op::Kind::put, .key = Bytes(key), .value = Bytes(value), .lease = lease};
}
inline Op erase(BytesView key) {
  return {.kind = Op::Kind::erase, .key = Bytes(key)};
}

inline Command transact(Transaction transaction) {
  Command command;
  command.transaction = std::move(transaction);
  return command;
}
inline Command write(std::vector<Op> ops, std::vector<Compare> compares = {}) {
  return transact(Transaction{std::move(compares), std::move(ops)});
}

inline Command in_session(SessionId session, uint64_t sequence, uint64_t acknowledged_below,
                          Command command) {
  command.session = session;
  command.sequence = sequence;
  command.acknowledged_below = acknowledged_below;
  return command;
}

inline Command open_session(const NodeId& owner = {}) {
  Command command;
  command.kind = Command::Kind::open_session;
  command.owner = owner;
  return command;
}

inline Command close_session(SessionId session) {
  Command command;
  command.kind = Command::Kind::close_session;
  command.session = session;
  return command;
}

template <typename T>
T must(Result<T> result) {
  EXPECT_TRUE(result) << result.error().to_string();
  return result ? *std::move(result) : T();
}

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code::OK : result.error().code;
}

inline std::unique_ptr<StateMachine> open_machine(
    std::unique_ptr<store::Store> store = store::open_memory()) {
  return must(StateMachine::open(std::move(store)));
}

class TestLog {
 public:
  raft::Index last_index() const { return entries_.size(); }
  const std::vector<raft::EntryPtr>& entries() const { return entries_; }

  // Time moves by `elapsed` before the entry.
  void append_bytes(Bytes data, DurationNs elapsed = kMillisecond,
                    raft::EntryKind kind = raft::EntryKind::command) {
    time_ += elapsed;
    entries_.push_back(
        std::make_shared<raft::Entry>(raft::Entry{last_index() + 1, 1, kind, time_, std::move(data)}));
  }
  void append(const Command& command, DurationNs elapsed = kMillisecond) {
    append_bytes(encode(command), elapsed);
  }

  // Applies everything after machine.applied() up to `last`, at most `span` entries at a time.
  std::vector<Bytes> apply(StateMachine& machine, size_t span = SIZE_MAX, raft::Index last = SIZE_MAX) const {
    std::vector<Bytes> all;
    last = std::min(last, last_index());
    while (machine.applied() < last) {
      raft::Index first = machine.applied();
      size_t count = std::min<size_t>(span, last - first);
      auto replies = machine.apply(std::span(entries_).subspan(first, count));
      EXPECT_TRUE(replies) << replies.error().to_string();
      if (!replies) break;
      EXPECT_EQ(replies->size(), count);
      EXPECT_EQ(machine.applied(), first + count);
      for (Bytes& reply : *replies) all.push_back(std::move(reply));
    }
    return all;
  }

  // Appends, applies, and returns the reply.
  Bytes run_raw(StateMachine& machine, const Command& command, DurationNs elapsed = kMillisecond) {
    append(command, elapsed);
    return apply(machine).back();
  }
  WriteReply run(StateMachine& machine, const Command& command) {
    return must(decode_write_reply(run_raw(machine, command)));
  }
  Code refusal(StateMachine& machine, const Command& command) {
    auto reply = decode_write_reply(run_raw(machine, command));
    return reply ? Code::OK : reply.error().code;
  }
  SessionId open(StateMachine& machine, const NodeId& owner = {}) {
    return must(decode_session_reply(run_raw(machine, open_session(owner))));
  }

  raft::SnapshotMeta meta() const {
    raft::SnapshotMeta meta;
    meta.index = last_index();
    meta.term = 1;
    meta.time = time_;
    return meta;
  }

 private:
  std::vector<raft::EntryPtr> entries_;
  WallNs time_ = 0;
};

inline std::vector<Bytes> chunks_of(StateMachine& machine) {
  std::vector<Bytes> chunks;
  auto source = must(machine.snapshot());
  for (;;) {
    Bytes chunk = must(source->next());
    if (chunk.empty()) return chunks;
    chunks.push_back(std::move(chunk));
  }
}

inline Result<> restore_from(StateMachine& machine, const raft::SnapshotMeta& meta,
                             const std::vector<Bytes>& chunks) {
  ASPEN_TRY(auto sink, machine.restore(meta));
  for (const Bytes& chunk : chunks) ASPEN_CHECK(sink->write(chunk));
  return sink->finish();
}

}  // namespace aspen::kv
