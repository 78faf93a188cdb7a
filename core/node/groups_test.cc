// Groups beside the store's on real nodes: founded, joined, used from any member, surviving restarts and the
// loss of a member, and refused when asked for what cannot be.
#include "core/node/groups.h"

#include <set>

#include "core/node/test_hostile.h"
#include "core/raft/list_machine.h"

namespace aspen::node {
namespace {

constexpr raft::GroupId kOrders = 7;
constexpr raft::GroupId kStock = 8;

class GroupsTest : public ClusterTest {
 protected:
  static Result<> open_group(TestNode& node, raft::GroupId id, bool found = false,
                             DurationNs timeout = kCallTimeout) {
    return open_group(node, {.id = id, .machine = std::make_unique<raft::ListMachine>(), .found = found},
                      timeout);
  }
  static Result<> open_group(TestNode& node, GroupSpec spec, DurationNs timeout = kCallTimeout) {
    return wait_for<void>(
        [&](auto done) { node.node->open_group(std::move(spec), timeout, std::move(done)); });
  }
  static Result<> close_group(TestNode& node, raft::GroupId id) {
    return wait_for<void>([&](auto done) { node.node->close_group(id, kCallTimeout, std::move(done)); });
  }
  static Result<Bytes> propose(TestNode& node, raft::GroupId id, Bytes command) {
    return wait_for<Bytes>(
        [&](auto done) { node.node->propose(id, std::move(command), kCallTimeout, std::move(done)); });
  }
  static Result<raft::Status> status(TestNode& node, raft::GroupId id) {
    return wait_for<raft::Status>(
        [&](auto done) { node.node->group_status(id, kCallTimeout, std::move(done)); });
  }
  // The group's commands in order, as the node has them in a linearizable read; or what went wrong.
  static std::string commands(TestNode& node, raft::GroupId id) {
    auto list = [](raft::StateMachine& machine) -> Result<Bytes> {
      Bytes all;
      for (const Bytes& command : static_cast<raft::ListMachine&>(machine).commands) {
        if (!command.empty()) all += command + " ";
      }
      return all;
    };
    auto all = wait_for<Bytes>([&](auto done) { node.node->query(id, list, kCallTimeout, std::move(done)); });
    return all ? *all : all.error().to_string();
  }
  // Founded by the first, joined by the others.
  void found(std::vector<TestNode>& nodes, raft::GroupId id) {
    for (TestNode& node : nodes) {
      auto opened = open_group(node, id, &node == &nodes[0]);
      ASSERT_TRUE(opened) << opened.error().to_string();
    }
  }
  static size_t leader_of_group(std::vector<TestNode>& nodes, raft::GroupId id) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      for (size_t i = 0; i < nodes.size(); ++i) {
        auto now = nodes[i].node ? status(nodes[i], id) : fail(Code::UNAVAILABLE, "closed");
        if (now && now->role == raft::Role::leader) return i;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "nobody leads group " << id;
    return 0;
  }
};

TEST_F(GroupsTest, EveryMemberProposesAndReads) {
  auto nodes = cluster(3);
  found(nodes, kOrders);
  for (size_t i = 0; i < nodes.size(); ++i) {
    Bytes command(1, static_cast<char>('a' + i));
    auto reply = propose(nodes[i], kOrders, command);
    ASSERT_TRUE(reply) << reply.error().to_string();
    EXPECT_EQ(*reply, command);
  }
  for (TestNode& node : nodes) EXPECT_EQ(commands(node, kOrders), "a b c ");
  auto config = status(nodes[0], kOrders)->config;
  EXPECT_EQ(std::ranges::count(config.members, raft::MemberRole::voter, &raft::Member::role), 3);
  // The store goes its own way beside it.
  EXPECT_TRUE(nodes[1].put("k", "v"));
  EXPECT_EQ(nodes[2].value("k"), "v");
}

TEST_F(GroupsTest, GroupsKeepApart) {
  auto nodes = cluster(3);
  found(nodes, kOrders);
  found(nodes, kStock);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(propose(nodes[static_cast<size_t>(i) % 3], kOrders, "o" + std::to_string(i)));
    ASSERT_TRUE(propose(nodes[static_cast<size_t>(i) % 3], kStock, "s" + std::to_string(i)));
  }
  std::string orders, stock;
  for (int i = 0; i < 20; ++i) {
    orders += "o" + std::to_string(i) + " ";
    stock += "s" + std::to_string(i) + " ";
  }
  for (TestNode& node : nodes) {
    EXPECT_EQ(commands(node, kOrders), orders);
    EXPECT_EQ(commands(node, kStock), stock);
  }
}

TEST_F(GroupsTest, AGroupLosesAMemberAndGoesOn) {
  auto nodes = cluster(3);
  found(nodes, kOrders);
  ASSERT_TRUE(propose(nodes[0], kOrders, "before"));
  size_t lost = leader_of_group(nodes, kOrders);
  nodes[lost].close();
  TestNode& left = nodes[(lost + 1) % 3];
  ASSERT_TRUE(propose(left, kOrders, "after"));
  EXPECT_EQ(commands(left, kOrders), "before after ");
  reopen(nodes[lost]);
  ASSERT_TRUE(open_group(nodes[lost], kOrders));
  EXPECT_EQ(commands(nodes[lost], kOrders), "before after ");
}

TEST_F(GroupsTest, AMemberIsRemovedAndAnotherLeads) {
  auto nodes = cluster(4);
  found(nodes, kOrders);
  auto id = [&](size_t i) { return *NodeId::parse(nodes[i].facts.id); };
  auto transfer = [&](size_t by, const NodeId& to) {
    return wait_for<NodeId>(
        [&](auto done) { nodes[by].node->transfer_leadership(kOrders, to, kCallTimeout, std::move(done)); });
  };
  auto remove = [&](size_t by, size_t node) {
    return wait_for<bool>(
        [&](auto done) { nodes[by].node->remove_member(kOrders, id(node), kCallTimeout, std::move(done)); });
  };
  for (size_t to : {2u, 1u}) {
    auto leads = transfer(3, id(to));
    ASSERT_TRUE(leads) << leads.error().to_string();
    EXPECT_EQ(*leads, id(to));
  }
  auto any = transfer(0, NodeId());
  ASSERT_TRUE(any) << any.error().to_string();
  EXPECT_NE(*any, id(1));
  ASSERT_TRUE(transfer(0, id(3)));
  auto removed = remove(0, 3);  // which leads
  ASSERT_TRUE(removed) << removed.error().to_string();
  EXPECT_TRUE(*removed);
  EXPECT_FALSE(*remove(1, 3));
  ASSERT_TRUE(propose(nodes[0], kOrders, "after"));
  EXPECT_EQ(status(nodes[0], kOrders)->config.members.size(), 3u);
  // There it has stopped, and does not come back by being opened; the store is another matter.
  EXPECT_TRUE(eventually([&] {
    auto here = wait_for<Bytes>([&](auto done) {
      nodes[3].node->query(
          kOrders, [](raft::StateMachine&) -> Result<Bytes> { return Bytes(); }, kSecond, std::move(done));
    });
    return !here;
  }));
  EXPECT_TRUE(nodes[3].put("k", "v"));
  EXPECT_EQ(nodes[0].status()["members"].size(), 4u);
}

// Also by a part that has stopped, which answers for itself alone.
TEST_F(GroupsTest, OnlyWhoWasRemovedIsToldSo) {
  auto nodes = cluster(4);
  found(nodes, kOrders);
  auto id = [&](size_t i) { return *NodeId::parse(nodes[i].facts.id); };
  ASSERT_TRUE(wait_for<NodeId>(
      [&](auto done) { nodes[0].node->transfer_leadership(kOrders, id(3), kCallTimeout, std::move(done)); }));
  auto remove = [&](size_t by, size_t node) {
    return wait_for<bool>(
        [&](auto done) { nodes[by].node->remove_member(kOrders, id(node), kCallTimeout, std::move(done)); });
  };
  auto told = [&](size_t i) {
    auto reply =
        wait_for<Bytes>([&](auto done) { nodes[i].node->propose(kOrders, "x", kSecond, std::move(done)); });
    return !reply && reply.error().code == Code::NOT_A_MEMBER;
  };
  ASSERT_TRUE(*remove(3, 0));
  EXPECT_TRUE(eventually([&] { return told(0); }));
  // 1 alone of 1, 2, 3, and asks.
  ASSERT_TRUE(close_group(nodes[2], kOrders));
  ASSERT_TRUE(close_group(nodes[3], kOrders));
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_FALSE(told(1));
  ASSERT_TRUE(open_group(nodes[3], kOrders));
  ASSERT_TRUE(propose(nodes[1], kOrders, "after"));
  // One that was away hears of it when it is opened.
  ASSERT_TRUE(*remove(1, 2));
  (void)open_group(nodes[2], kOrders);
  EXPECT_TRUE(eventually([&] { return told(2) || !status(nodes[2], kOrders); }));
  EXPECT_EQ(status(nodes[1], kOrders)->config.members.size(), 2u);
}

TEST_F(GroupsTest, ATransferUnderWayIsAnsweredWhenTheGroupCloses) {
  auto nodes = cluster(3);
  found(nodes, kOrders);
  const size_t leader = leader_of_group(nodes, kOrders);
  const size_t away = (leader + 1) % 3;
  ASSERT_TRUE(close_group(nodes[away], kOrders));
  auto transfer = [&] {
    auto answered = std::make_shared<std::promise<Result<NodeId>>>();
    nodes[leader].node->transfer_leadership(
        kOrders, *NodeId::parse(nodes[away].facts.id), 50 * kSecond,
        [answered](Result<NodeId> result) { answered->set_value(std::move(result)); });
    return answered->get_future();
  };
  auto first = transfer();
  auto second = transfer();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ASSERT_TRUE(close_group(nodes[leader], kOrders));
  for (auto* waiting : {&first, &second}) {
    ASSERT_EQ(waiting->wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_FALSE(waiting->get());
  }
}

TEST_F(GroupsTest, AllOfItComesBackFromTheLogs) {
  auto nodes = cluster(3);
  found(nodes, kOrders);
  ASSERT_TRUE(propose(nodes[1], kOrders, "kept"));
  for (TestNode& node : nodes) node.close();
  std::vector<std::thread> starts;
  for (TestNode& node : nodes) {
    starts.emplace_back([&node] {
      reopen(node);
      // `found` means nothing for a group that is there.
      EXPECT_TRUE(open_group(node, kOrders, true));
    });
  }
  for (std::thread& start : starts) start.join();
  ASSERT_TRUE(propose(nodes[2], kOrders, "more"));
  for (TestNode& node : nodes) EXPECT_EQ(commands(node, kOrders), "kept more ");
}

TEST_F(GroupsTest, OneFarBehindGetsASnapshotOfItsGroup) {
  auto nodes = cluster(3);
  for (TestNode& node : nodes) {
    GroupSpec spec{
        .id = kOrders, .machine = std::make_unique<raft::ListMachine>(), .found = &node == &nodes[0]};
    spec.log_entries_max = 10;
    ASSERT_TRUE(open_group(node, std::move(spec)));
  }
  ASSERT_TRUE(close_group(nodes[2], kOrders));
  std::string all;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(propose(nodes[0], kOrders, std::to_string(i)));
    all += std::to_string(i) + " ";
  }
  ASSERT_TRUE(open_group(nodes[2], kOrders));
  EXPECT_EQ(commands(nodes[2], kOrders), all);
  auto restored = [](raft::StateMachine& machine) -> Result<Bytes> {
    return machine.restored() ? "yes" : "no";
  };
  auto answer = wait_for<Bytes>(
      [&](auto done) { nodes[2].node->query(kOrders, restored, kCallTimeout, std::move(done)); });
  EXPECT_EQ(answer.value_or(""), "yes");
}

TEST_F(GroupsTest, AnEmbeddedNodeHasGroupsOfItsOwn) {
  TestNode node = open(options(Mode::embedded, "alone"));
  ASSERT_TRUE(open_group(node, kOrders, true));
  EXPECT_TRUE(propose(node, kOrders, "x"));
  EXPECT_EQ(commands(node, kOrders), "x ");
  ASSERT_TRUE(close_group(node, kOrders));
  ASSERT_TRUE(open_group(node, kOrders));
  EXPECT_EQ(commands(node, kOrders), "x ");
}

TEST_F(GroupsTest, WhatCannotBeIsRefused) {
  auto nodes = cluster(1);
  TestNode& node = nodes[0];
  auto code = [](const auto& result) { return result ? Code::OK : result.error().code; };
  EXPECT_EQ(code(open_group(node, kStoreGroup, true)), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code(open_group(node, 0, true)), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code(open_group(node, raft::kNumberMax + 1, true)), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code(open_group(node, GroupSpec{.id = kOrders, .found = true})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code(propose(node, kOrders, "x")), Code::NOT_FOUND);
  EXPECT_EQ(code(close_group(node, kOrders)), Code::NOT_FOUND);
  EXPECT_EQ(code(status(node, kOrders)), Code::NOT_FOUND);
  ASSERT_TRUE(open_group(node, kOrders, true));
  EXPECT_EQ(code(open_group(node, kOrders)), Code::ALREADY_EXISTS);
  EXPECT_EQ(code(propose(node, kOrders, Bytes(raft::kEntryBytesMax + 1, 'x'))), Code::LIMIT_EXCEEDED);
  // Nobody has it: the join does not come about, and the number is free again.
  TestNode other = open(options(Mode::join, "other", ticket_));
  auto nowhere = open_group(other, kStock, false, 300 * kMillisecond);
  EXPECT_EQ(code(nowhere), Code::DEADLINE_EXCEEDED);
  EXPECT_NE(nowhere.error().message.find("no part in group 8"), std::string::npos) << nowhere.error().message;
  EXPECT_TRUE(open_group(node, kStock, true));
  EXPECT_TRUE(open_group(other, kStock));
  TestNode client = open(options(Mode::client, "", ticket_));
  EXPECT_EQ(code(open_group(client, kOrders)), Code::UNSUPPORTED);
  client.close();
  other.close();
}

TEST_F(HostileTest, GroupsAreForCallersWithAllKeys) {
  GroupSpec spec{.id = kOrders, .machine = std::make_unique<raft::ListMachine>(), .found = true};
  ASSERT_TRUE(wait_for<void>(
      [&](auto done) { node_.node->open_group(std::move(spec), kCallTimeout, std::move(done)); }));
  auto ask = [](RawPeer& peer, raft::GroupId group) {
    return peer.request({.kind = RequestKind::group_command, .body = encode(GroupCommand{group, "x"})});
  };
  RawPeer client(ticket_, crypto::kRoleClient);
  EXPECT_TRUE(ask(client, kOrders));
  EXPECT_EQ(ask(client, kStoreGroup).error().code, Code::PERMISSION_DENIED);
  EXPECT_EQ(ask(client, kStock).error().code, Code::NOT_FOUND);
  RawPeer scoped(ticket_for(crypto::kRoleClient, "app/"), crypto::kRoleClient);
  EXPECT_EQ(ask(scoped, kOrders).error().code, Code::PERMISSION_DENIED);
  auto join =
      client.request({.kind = RequestKind::join, .body = encode(JoinRequest{kOrders, 777, "127.0.0.1:1"})});
  EXPECT_EQ(join.error().code, Code::PERMISSION_DENIED);
}

}  // namespace
}  // namespace aspen::node
