// A state machine for tests: a list of commands that can be made to fail.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "core/raft/state_machine.h"

namespace aspen::raft {

// Remembers every command by its index. The reply to one is the command itself.
class ListMachine final : public StateMachine {
 public:
  std::vector<Bytes> commands;  // by index - 1; empty for entries that are no commands
  std::atomic<bool> fail_apply{false};
  std::atomic<Code> fail_code{Code::IO};
  std::atomic<bool> fail_flush{false};
  std::atomic<bool> fail_snapshot{false};
  std::optional<Error> fail_finish;
  std::function<void()> finished = [] {};

  Result<std::vector<Bytes>> apply(std::span<const EntryPtr> entries) override {
    if (fail_apply) return fail(fail_code, "cannot apply");
    std::vector<Bytes> replies;
    for (const EntryPtr& entry : entries) {
      EXPECT_EQ(entry->index, commands.size() + 1);
      commands.push_back(entry->kind == EntryKind::command ? entry->data : Bytes());
      replies.push_back(commands.back());
    }
    applied_ = commands.size();
    return replies;
  }
  Index applied() const override { return applied_; }
  Result<Index> flush() override {
    if (fail_flush) return fail(Code::IO, "cannot flush");
    return applied_.load();
  }
  Result<std::unique_ptr<SnapshotSource>> snapshot() override {
    if (fail_snapshot) return fail(Code::IO, "cannot snapshot");
    return std::make_unique<Source>(commands);
  }
  Result<std::unique_ptr<SnapshotSink>> restore(const SnapshotMeta& meta) override {
    return std::make_unique<Sink>(*this, meta);
  }
  std::optional<SnapshotMeta> restored() const override { return restored_; }
  Result<Bytes> fingerprint() override { return Bytes(); }
  void set_applied(Index index) { applied_ = index; }

 private:
  struct Source final : SnapshotSource {
    explicit Source(std::vector<Bytes> commands) : commands(std::move(commands)) {}
    Result<Bytes> next() override { return at < commands.size() ? Bytes(1, '=') + commands[at++] : Bytes(); }
    Result<uint64_t> seek(uint64_t chunk) override { return at = std::min<size_t>(chunk, commands.size()); }
    std::vector<Bytes> commands;
    size_t at = 0;
  };
  struct Sink final : SnapshotSink {
    Sink(ListMachine& machine, SnapshotMeta meta) : machine(machine), meta(std::move(meta)) {}
    Result<> write(BytesView chunk) override {
      got.emplace_back(chunk.substr(1));
      return {};
    }
    Result<> finish() override {
      if (machine.fail_finish) return std::unexpected(*machine.fail_finish);
      if (got.size() != meta.index) return fail(Code::CORRUPT, "{} chunks of {}", got.size(), meta.index);
      machine.commands = std::move(got);
      machine.restored_ = meta;
      machine.applied_ = meta.index;
      machine.finished();
      return {};
    }
    ListMachine& machine;
    SnapshotMeta meta;
    std::vector<Bytes> got;
  };
  std::atomic<Index> applied_{0};
  std::optional<SnapshotMeta> restored_;
};

}  // namespace aspen::raft
