// The oracles of the random simulation: what Raft promises, checked from outside.
//
// Thread safety: none; for tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/raft/quorum.h"
#include "core/raft/test_node.h"

namespace aspen::raft::testing {

// What must hold. Each check returns on success and fails the test otherwise.
class Oracles {
 public:
  // Election safety, and leader completeness: a new leader has every entry that was ever committed.
  void leader_seen(const TestNode& node) {
    const Core& core = *node.core;
    auto [it, fresh] = leaders_.emplace(core.term(), core.status().self);
    EXPECT_EQ(it->second, node.id()) << "two leaders in term " << core.term();
    if (!fresh) return;
    ++elections;
    for (const auto& [index, committed] : committed_) {
      if (index < core.first_index()) continue;
      EXPECT_EQ(core.term_at(index), committed->term)
          << "leader " << node.id() << " of term " << core.term() << " misses committed entry " << index;
    }
  }

  // Durability: what a leader calls committed is on the disks of a majority, its own copy included only
  // if it is there.
  void commit_advanced(const TestNode& leader, const std::map<PeerId, TestNode>& nodes) {
    const Core& core = *leader.core;
    for (Index& index = durable_to_; index < core.commit(); ++index) {
      if (index + 1 < core.first_index()) continue;
      const EntryPtr& e = core.log().at(index + 1);
      auto has = [&](PeerId peer) -> uint64_t { return nodes.at(peer).on_disk(*e); };
      EXPECT_NE(quorum_reached(core.config(), has), 0u)
          << "entry " << e->index << " is committed by " << leader.id() << " but not on a majority of disks";
      remember(e);
    }
  }

  // State machine safety: every node applies the same entry at an index, once and in order.
  void applied(const TestNode& node, const std::vector<EntryPtr>& entries) {
    Index next = node.applied() + 1;
    for (const EntryPtr& e : entries) {
      EXPECT_EQ(e->index, next++) << "node " << node.id() << " applies out of order";
      EXPECT_TRUE(node.on_disk(*e)) << "node " << node.id() << " applies what it may lose";
      remember(e);
    }
  }

  // What leaves a node must survive its crash.
  static void sent(const TestNode& node, const Message& m) {
    const HardState& disk = node.disk.hard_state;
    if (m.kind != MessageKind::pre_vote && m.kind != MessageKind::pre_vote_reply) {
      EXPECT_LE(m.term, disk.term) << "node " << node.id() << " speaks of a term it may forget";
    }
    bool votes = m.kind == MessageKind::vote || (m.kind == MessageKind::vote_reply && !m.reject);
    if (votes && m.term == disk.term) {
      EXPECT_EQ(disk.vote, m.kind == MessageKind::vote ? node.id() : m.to)
          << "node " << node.id() << " may forget its vote in term " << m.term;
    }
  }

  void read_asked(uint64_t id, Index committed_before) { reads_[id] = committed_before; }
  void read_ready(const Effects::ReadReady& read) {
    EXPECT_GE(read.index, reads_.at(read.id)) << "read " << read.id << " is stale";
    ++reads;
  }

  void proposed(PeerId node, Index first, size_t count, Term term) {
    for (size_t i = 0; i < count; ++i) proposals_[{node, first + i}] = term;
  }
  void dropped(PeerId node, Index index) {
    auto it = proposals_.find({node, index});
    ASSERT_NE(it, proposals_.end()) << "node " << node << " drops " << index << ", which it did not propose";
    Term term = it->second;
    proposals_.erase(it);
    EXPECT_FALSE(committed_.contains(index) && committed_[index]->term == term)
        << "entry " << index << " was reported as dropped but is committed";
    dropped_.insert({index, term});
    ++drops;
  }

  // Log matching: two logs that agree on the term at an index agree on everything before it.
  static void logs_match(const Core& a, const Core& b) {
    Index index = std::min(a.last_index(), b.last_index());
    Index first = std::max(a.first_index(), b.first_index());
    while (index >= first && a.term_at(index) != b.term_at(index)) --index;
    for (; index >= first && index > 0; --index) {
      const Entry& x = *a.log().at(index);
      const Entry& y = *b.log().at(index);
      EXPECT_EQ(x, y) << "logs of " << a.status().self << " and " << b.status().self << " at " << index;
      if (index > first) {
        EXPECT_GE(x.time, a.log().at(index - 1)->time);
      }
    }
  }

  Index committed() const { return committed_.empty() ? 0 : committed_.rbegin()->first; }

  // How much a run exercised.
  int elections = 0;
  int reads = 0;
  int drops = 0;

 private:
  void remember(const EntryPtr& e) {
    auto [it, fresh] = committed_.emplace(e->index, e);
    EXPECT_EQ(*it->second, *e) << "entry " << e->index << " was committed twice, differently";
    EXPECT_FALSE(dropped_.contains({e->index, e->term})) << "dropped entry " << e->index << " is committed";
  }

  std::map<Term, PeerId> leaders_;
  std::map<Index, EntryPtr> committed_;
  Index durable_to_ = 0;
  std::map<uint64_t, Index> reads_;
  std::map<std::pair<PeerId, Index>, Term> proposals_;
  std::set<std::pair<Index, Term>> dropped_;
};

}  // namespace aspen::raft::testing
