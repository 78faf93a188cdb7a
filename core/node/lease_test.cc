// Leases on real clusters: their keys go when the time has run out, at the whole cluster at once, and never
// before.
#include "core/node/lease_renewer.h"
#include "core/node/test_cluster.h"

namespace aspen::node {
namespace {

using Clock = std::chrono::steady_clock;

DurationNs since(Clock::time_point then) {
  return std::chrono::nanoseconds(Clock::now() - then).count();
}

void pause(DurationNs duration) {
  std::this_thread::sleep_for(std::chrono::nanoseconds(duration));
}

class LeaseTest : public ClusterTest {
 protected:
  // How long after `then` the key was gone.
  static DurationNs gone_after(TestNode& node, const Bytes& key, Clock::time_point then) {
    EXPECT_TRUE(eventually([&] { return node.value(key) == "(absent)"; })) << key << " stays";
    return since(then);
  }
};

TEST_F(LeaseTest, ItsKeysGoTogetherWhenItsTimeHasRunOut) {
  std::vector<TestNode> nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  const Clock::time_point began = Clock::now();
  const kv::LeaseId lease = client.grant(400 * kMillisecond);
  ASSERT_TRUE(client.attach("a", lease));
  ASSERT_TRUE(nodes[1].attach("b", lease));
  ASSERT_TRUE(nodes[2].put("c", "stays"));
  EXPECT_GE(gone_after(client, "a", began), 400 * kMillisecond);
  auto rest = client.range({});
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->entries.size(), 1u);
  EXPECT_EQ(client.lease({lease}).error().code, Code::NOT_FOUND);
  EXPECT_EQ(client.keep_alive(lease).error().code, Code::NOT_FOUND);
}

TEST_F(LeaseTest, AKeepAliveGivesItAllItsTime) {
  TestNode node = open(options(Mode::embedded, "db"));
  const kv::LeaseId lease = node.grant(400 * kMillisecond);
  ASSERT_TRUE(node.attach("a", lease));
  Clock::time_point kept;
  for (int i = 0; i < 10; ++i) {
    pause(100 * kMillisecond);
    kept = Clock::now();
    auto ttl = node.keep_alive(lease);
    ASSERT_TRUE(ttl) << ttl.error().to_string();
    EXPECT_EQ(*ttl, 400 * kMillisecond);
  }
  EXPECT_EQ(node.value("a"), "v");
  EXPECT_GE(gone_after(node, "a", kept), 400 * kMillisecond);
}

TEST_F(LeaseTest, ANodeKeepsALeaseUntilItIsDropped) {
  std::vector<TestNode> nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  const kv::LeaseId lease = client.grant(600 * kMillisecond);
  ASSERT_TRUE(client.attach("a", lease));
  auto ended = std::make_shared<std::promise<Result<>>>();
  auto end = ended->get_future();
  client.node->keep_lease(lease, [ended](Result<> how) { ended->set_value(std::move(how)); });
  pause(2 * kSecond);
  EXPECT_EQ(client.value("a"), "v");
  const Clock::time_point dropped = Clock::now();
  client.node->drop_lease(lease);
  EXPECT_TRUE(end.get());
  EXPECT_GE(gone_after(client, "a", dropped), 300 * kMillisecond) << "it was renewed not long before";
}

TEST_F(LeaseTest, WhoKeepsALeaseHearsThatItIsGone) {
  std::vector<TestNode> nodes = cluster(2);
  const kv::LeaseId lease = nodes[0].grant(300 * kMillisecond);
  auto keep = [&](TestNode& node) {
    auto ended = std::make_shared<std::promise<Result<>>>();
    auto id = node.node->keep_lease(lease, [ended](Result<> how) { ended->set_value(std::move(how)); });
    return std::pair(id, ended->get_future());
  };
  auto [first, one] = keep(nodes[1]);
  auto [second, other] = keep(nodes[1]);
  pause(600 * kMillisecond);
  nodes[1].node->cancel(first);
  EXPECT_EQ(one.get().error().code, Code::CANCELLED);
  pause(600 * kMillisecond);
  EXPECT_TRUE(nodes[0].lease({lease})) << "the other one keeps it";
  EXPECT_TRUE(nodes[0].revoke(lease));
  EXPECT_EQ(other.get().error().code, Code::NOT_FOUND);
}

TEST_F(LeaseTest, SoManyAreKeptByANodeAndDoNotCountAsOperations) {
  TestNode node = open(options(Mode::embedded, "db"));
  const kv::LeaseId lease = node.grant(60 * kSecond);
  auto ended = std::make_shared<std::atomic<size_t>>(0);
  auto refused = std::make_shared<std::promise<Result<>>>();
  for (size_t i = 0; i < LeaseRenewer::kKeepsMax; ++i) {
    node.node->keep_lease(lease, [ended](const Result<>& how) { *ended += how ? 1 : 0; });
  }
  node.node->keep_lease(lease, [refused](Result<> how) { refused->set_value(std::move(how)); });
  EXPECT_EQ(refused->get_future().get().error().code, Code::OVERLOADED);
  EXPECT_TRUE(node.put("a", "1"));
  node.node->drop_lease(lease);
  EXPECT_TRUE(eventually([&] { return *ended == LeaseRenewer::kKeepsMax; })) << *ended;
}

TEST_F(LeaseTest, ANewLeaderBeginsWithFullLeases) {
  std::vector<TestNode> nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  const DurationNs ttl = 1500 * kMillisecond;
  const kv::LeaseId lease = client.grant(ttl);
  ASSERT_TRUE(client.attach("a", lease));
  pause(kSecond);
  const Clock::time_point closing = Clock::now();
  nodes[leader_of(nodes)].close();
  EXPECT_GE(gone_after(client, "a", closing), ttl);
}

TEST_F(LeaseTest, RevokingErasesAtOnce) {
  std::vector<TestNode> nodes = cluster(3);
  const kv::LeaseId lease = nodes[0].grant(3600 * kSecond);
  for (BytesView key : {"a", "b", "c"}) ASSERT_TRUE(nodes[0].attach(Bytes(key), lease));
  auto info = nodes[1].lease({.id = lease, .start = "b", .limit = 1});
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(info->lease.ttl, 3600 * kSecond);
  EXPECT_LE(info->lease.remaining, 3600 * kSecond);
  EXPECT_GT(info->lease.remaining, 3500 * kSecond);
  EXPECT_EQ(info->lease.keys, 3u);
  EXPECT_EQ(info->keys, std::vector<Bytes>{"b"});
  EXPECT_TRUE(info->more);
  EXPECT_FALSE(nodes[1].lease({.id = lease, .start = "c"})->more);
  auto revoked = nodes[2].revoke(lease);
  ASSERT_TRUE(revoked);
  EXPECT_EQ(revoked->result, 3u);
  EXPECT_EQ(nodes[1].range({})->entries.size(), 0u);
  EXPECT_EQ(nodes[2].revoke(lease).error().code, Code::NOT_FOUND);
  EXPECT_EQ(nodes[2].attach("a", lease).error().code, Code::NOT_FOUND);
}

TEST_F(LeaseTest, AreListedInPages) {
  TestNode node = open(options(Mode::embedded, "db"));
  std::vector<kv::LeaseId> granted;
  for (int i = 0; i < 3; ++i) granted.push_back(node.grant(60 * kSecond));
  auto first = node.leases({.limit = 2});
  ASSERT_TRUE(first) << first.error().to_string();
  ASSERT_EQ(first->leases.size(), 2u);
  EXPECT_EQ(first->leases[0].id, granted[0]);
  EXPECT_TRUE(first->more);
  auto rest = node.leases({.after = first->leases[1].id, .limit = 2});
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->leases.size(), 1u);
  EXPECT_FALSE(rest->more);
}

TEST_F(LeaseTest, ATimeOutOfBoundsIsRefused) {
  TestNode node = open(options(Mode::embedded, "db"));
  for (DurationNs ttl : {DurationNs(-1), DurationNs(0), limits::kLeaseTtlMin - 1, limits::kLeaseTtlMax + 1}) {
    auto granted = node.run({.kind = kv::Command::Kind::lease_grant, .ttl = ttl});
    EXPECT_EQ(granted.error().code, Code::INVALID_ARGUMENT) << ttl;
  }
}

}  // namespace
}  // namespace aspen::node
