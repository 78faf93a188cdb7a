// Members that an operator removes, and leadership that it hands on.
#include "core/node/test_cluster.h"
#include "core/node/test_hostile.h"

namespace aspen::node {
namespace {

NodeId id_of(const TestNode& node) {
  return *NodeId::parse(node.facts.id);
}

class MembersTest : public ClusterTest {
 protected:
  static Result<bool> remove(TestNode& by, const NodeId& node, DurationNs timeout = kCallTimeout) {
    return wait_for<bool>(
        [&](auto done) { by.node->remove_member(kStoreGroup, node, timeout, std::move(done)); });
  }
  static Result<NodeId> transfer(TestNode& by, const NodeId& to = {}) {
    return wait_for<NodeId>(
        [&](auto done) { by.node->transfer_leadership(kStoreGroup, to, kCallTimeout, std::move(done)); });
  }
  static size_t members_of(TestNode& node) { return node.status()["members"].size(); }
};

// Three of which one is gone for good: the others go on, take a new one in, and can lose another.
TEST_F(MembersTest, ADeadMemberIsReplaced) {
  auto nodes = cluster(3);
  ASSERT_TRUE(nodes[0].put("a", "1"));
  const NodeId dead = id_of(nodes[2]);
  nodes[2].close();
  const size_t leader = leader_of(nodes);
  TestNode client = open(options(Mode::client, "", ticket_));
  auto removed = remove(client, dead);
  ASSERT_TRUE(removed) << removed.error().to_string();
  EXPECT_TRUE(*removed);
  EXPECT_EQ(members_of(nodes[leader]), 2u);
  auto again = remove(client, dead);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_FALSE(*again);

  nodes[2] = open(options(Mode::join, "3", ticket_));
  ASSERT_TRUE(eventually([&] { return members_of(client) == 3; }));
  nodes[1].close();
  EXPECT_TRUE(client.put("a", "2"));
  EXPECT_EQ(nodes[2].value("a"), "2");
}

TEST_F(MembersTest, WhoWasRemovedStopsAndSaysSo) {
  auto nodes = cluster(3);
  ASSERT_TRUE(nodes[0].put("a", "1"));
  const size_t leader = leader_of(nodes);
  const size_t gone = (leader + 1) % 3;
  ASSERT_TRUE(*remove(nodes[leader], id_of(nodes[gone])));
  EXPECT_TRUE(eventually([&] { return nodes[gone].status()["role"] == "failed"; }));
  // What it is asked for it asks of the others.
  EXPECT_EQ(nodes[gone].value("a"), "1");
  EXPECT_TRUE(nodes[gone].put("b", "2"));
  EXPECT_EQ(nodes[leader].value("b"), "2");
  EXPECT_EQ(nodes[gone].value("a", kAnyAge), "1");
  EXPECT_EQ(members_of(nodes[leader]), 2u);
  BackupOptions backup{.dir = root_.path("backup")};
  auto made = wait_for<BackupManifest>(
      [&](auto done) { nodes[gone].node->backup(backup, kCallTimeout, std::move(done)); });
  EXPECT_TRUE(made || made.error().code == Code::UNAVAILABLE) << made.error().to_string();

  nodes[gone].close();
  NodeOptions options = nodes[gone].options;
  options.listen = nodes[gone].facts.address;
  auto reopened = try_open(options);
  if (reopened) {
    EXPECT_TRUE(eventually([&] { return reopened->status()["role"] == "failed"; }));
  } else {
    EXPECT_EQ(reopened.error().code, Code::NOT_A_MEMBER) << reopened.error().to_string();
  }
  EXPECT_EQ(members_of(nodes[leader]), 2u) << "it came back by itself";
}

// It did not hear of it, and asks.
TEST_F(MembersTest, WhoWasRemovedWhileItWasAwayIsToldSo) {
  auto nodes = cluster(3);
  ASSERT_TRUE(nodes[0].put("a", "1"));
  const size_t leader = leader_of(nodes);
  const size_t gone = (leader + 1) % 3;
  const NodeId away = id_of(nodes[gone]);
  nodes[gone].close();
  ASSERT_TRUE(*remove(nodes[leader], away));
  reopen(nodes[gone]);
  EXPECT_TRUE(eventually([&] { return nodes[gone].status()["role"] == "failed"; }));
  EXPECT_EQ(members_of(nodes[leader]), 2u) << "it came back by itself";
  EXPECT_EQ(nodes[gone].value("a"), "1");
}

TEST_F(MembersTest, ALeaderThatIsRemovedHandsOverFirst) {
  auto nodes = cluster(3);
  const size_t leader = leader_of(nodes);
  auto removed = remove(nodes[leader], id_of(nodes[leader]));
  ASSERT_TRUE(removed) << removed.error().to_string();
  EXPECT_TRUE(*removed);
  TestNode& other = nodes[(leader + 1) % 3];
  EXPECT_TRUE(other.put("a", "1"));
  EXPECT_EQ(members_of(other), 2u);
  EXPECT_TRUE(eventually([&] { return nodes[leader].status()["role"] == "failed"; }));
}

TEST_F(MembersTest, AMajorityIsLeft) {
  auto nodes = cluster(3);
  const size_t leader = leader_of(nodes);
  const size_t dead = (leader + 1) % 3;
  const size_t alive = (leader + 2) % 3;
  nodes[dead].close();
  // Until then the leader has no reason to think so.
  std::this_thread::sleep_for(std::chrono::nanoseconds(3 * nodes[leader].options.election));
  auto refused = remove(nodes[leader], id_of(nodes[alive]), kSecond);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no majority"), std::string::npos) << refused.error().to_string();
  EXPECT_TRUE(nodes[leader].put("a", "1"));
  EXPECT_EQ(members_of(nodes[leader]), 3u);
  ASSERT_TRUE(*remove(nodes[leader], id_of(nodes[dead])));
  ASSERT_TRUE(*remove(nodes[leader], id_of(nodes[alive])));
  auto last = remove(nodes[leader], id_of(nodes[leader]));
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::INVALID_ARGUMENT) << last.error().to_string();
  EXPECT_EQ(last.error().applied, Applied::NO);
  EXPECT_TRUE(nodes[leader].put("a", "2"));
}

// It takes everybody for alive at first.
TEST_F(MembersTest, ANewLeaderDoesNotRelyOnTheDead) {
  auto nodes = cluster(3);
  ASSERT_TRUE(nodes[0].put("a", "1"));
  const size_t leader = leader_of(nodes);
  const size_t dead = (leader + 1) % 3;
  const size_t other = (leader + 2) % 3;
  nodes[dead].close();
  std::this_thread::sleep_for(std::chrono::nanoseconds(3 * nodes[leader].options.election));
  ASSERT_TRUE(transfer(nodes[leader], id_of(nodes[other])));
  EXPECT_FALSE(remove(nodes[other], id_of(nodes[leader]), kSecond));
  EXPECT_TRUE(nodes[other].put("a", "2"));
}

// One that lost its data and catches up has a log that does not name it yet.
TEST_F(MembersTest, WhoCatchesUpWasNotRemoved) {
  auto nodes = cluster(3);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(nodes[0].put(fmt::format("k{}", i), Bytes(1u << 20, 'x')));
  const size_t victim = (leader_of(nodes) + 1) % 3;
  TestNode& node = nodes[victim];
  NodeOptions options = node.options;
  options.listen = node.facts.address;
  for (int delay : {30, 60, 100}) {
    node.close();
    std::filesystem::remove_all(options.dir + "/journal");
    std::filesystem::remove_all(options.dir + "/state");
    std::unique_ptr<Node> first = Node::start(options, [](Result<NodeFacts>) {});
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    (void)wait_for<void>([&](auto done) { first->close(std::move(done)); });
    first.reset();
    node = open(options);
    EXPECT_NE(node.status()["role"], "failed");
  }
}

TEST_F(MembersTest, ALearnerThatWasRemovedStaysAway) {
  auto nodes = cluster(3);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(nodes[0].put(fmt::format("k{}", i), Bytes(1u << 20, 'x')));
  const size_t leader = leader_of(nodes);
  const NodeOptions joiner = options(Mode::join, "9", ticket_);
  std::unique_ptr<Node> first = Node::start(joiner, [](Result<NodeFacts>) {});
  NodeId id;
  ASSERT_TRUE(eventually([&] {
    for (const auto& member : nodes[leader].status()["members"]) {
      if (member["role"] == "learner") id = *NodeId::parse(member["node_id"].get<std::string>());
    }
    return id != NodeId();
  }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // it has its answer
  (void)wait_for<void>([&](auto done) { first->close(std::move(done)); });
  first.reset();
  ASSERT_TRUE(*remove(nodes[leader], id));
  auto again = try_open(joiner);
  EXPECT_TRUE(again || again.error().code == Code::NOT_A_MEMBER) << again.error().to_string();
  EXPECT_TRUE(!again || eventually([&] { return again->status()["role"] == "failed"; }));
  EXPECT_EQ(members_of(nodes[leader]), 3u);
}

TEST_F(MembersTest, LeadershipIsHandedOn) {
  auto nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  for (size_t i : {0u, 1u, 2u, 2u, 0u}) {
    auto leads = transfer(client, id_of(nodes[i]));
    ASSERT_TRUE(leads) << leads.error().to_string();
    EXPECT_EQ(*leads, id_of(nodes[i]));
    EXPECT_EQ(client.status()["leader"], nodes[i].facts.id);
  }
  auto any = transfer(nodes[1]);
  ASSERT_TRUE(any) << any.error().to_string();
  EXPECT_NE(*any, id_of(nodes[0]));
  auto nobody = transfer(client, id_of(client));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, Code::NOT_FOUND) << nobody.error().to_string();
  EXPECT_TRUE(client.put("a", "1"));
}

TEST_F(HostileTest, OnlyWhoMayBeAMemberSaysWhoIsOne) {
  const std::vector<std::pair<crypto::Roles, Bytes>> callers = {
      {crypto::kRoleClient, ""}, {crypto::kRolesAll, "app/"}, {crypto::kRoleClient, "app/"}};
  for (const auto& [roles, scope] : callers) {
    RawPeer peer(ticket_for(roles, scope), roles);
    for (RequestKind kind : {RequestKind::remove_member, RequestKind::transfer_leadership}) {
      Bytes body = kind == RequestKind::remove_member
                       ? encode(MemberRequest{kStoreGroup, NodeId{{7}}})
                       : encode(TransferRequest{kStoreGroup, NodeId{{7}}, NodeId()});
      auto refused = peer.request({.kind = kind, .body = std::move(body)});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Code::PERMISSION_DENIED) << refused.error().to_string();
    }
  }
  RawPeer peer(ticket_, crypto::kRolesAll);
  auto unknown = peer.request(
      {.kind = RequestKind::remove_member, .body = encode(MemberRequest{kStoreGroup, NodeId{{7}}})});
  ASSERT_TRUE(unknown) << unknown.error().to_string();
  EXPECT_FALSE(decode_member_removed(*unknown)->was_member);
}

}  // namespace
}  // namespace aspen::node
