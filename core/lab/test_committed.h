// A log that a CommittedModel has seen: for tests of the oracles that compare with it.
#pragma once

#include <gtest/gtest.h>

#include "core/lab/committed_model.h"

namespace aspen::lab {

class CommittedTest : public testing::Test {
 protected:
  // The index of its entry.
  uint64_t run(const kv::Command& command) {
    committed_.apply(std::make_shared<raft::Entry>(
        raft::Entry{.index = committed_.upto() + 1, .term = 1, .data = kv::encode(command)}));
    return committed_.upto();
  }
  uint64_t write(kv::Transaction transaction) { return run({.transaction = std::move(transaction)}); }
  uint64_t put(Bytes key, Bytes value) {
    return write({.then = {{.key = std::move(key), .value = std::move(value)}}});
  }
  uint64_t erase(Bytes key) {
    return write({.then = {{.kind = kv::Op::Kind::erase, .key = std::move(key)}}});
  }
  uint64_t compact(uint64_t to) { return run({.kind = kv::Command::Kind::compact, .revision = to}); }
  uint64_t set_quota(Bytes prefix, uint64_t bytes, uint64_t keys) {
    return run({.kind = kv::Command::Kind::quota_set,
                .prefix = std::move(prefix),
                .bytes_max = bytes,
                .keys_max = keys});
  }
  kv::Record record(const Bytes& key) const { return committed_.model().now.at(key); }

  CommittedModel committed_;
};

}  // namespace aspen::lab
