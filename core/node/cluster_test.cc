// Members and clients together: what they agree on while members come, go, move, forget and fall behind.
#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/node/test_cluster.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;

TEST_F(ClusterTest, AFounderTwoJoinersAndAClientAreOneStore) {
  auto nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  for (size_t i = 0; i < nodes.size(); ++i) {
    ASSERT_TRUE(nodes[i].put(fmt::format("from {}", i), "v"));
    EXPECT_EQ(client.value(fmt::format("from {}", i)), "v");
  }
  ASSERT_TRUE(client.put("from the client", "v"));
  for (TestNode& node : nodes) {
    EXPECT_EQ(node.range({})->entries.size(), 4u);
    EXPECT_TRUE(eventually([&] { return node.range({}, kAnyAge)->entries.size() == 4; }));
    nlohmann::json status = node.status();
    EXPECT_EQ(status["members"].size(), 3u);
    for (auto& member : status["members"]) EXPECT_EQ(member["role"], "voter");
  }
  EXPECT_EQ(client.status()["role"], "client");
  EXPECT_EQ(client.status()["members"].size(), 3u);
}

TEST_F(ClusterTest, ConcurrentWritesHappenOnceEachWhileTheLeaderLeaves) {
  auto nodes = cluster(3);
  constexpr int kWriters = 4;
  constexpr int kWrites = 150;
  std::vector<TestNode> clients;
  for (int i = 0; i < kWriters; ++i) clients.push_back(open(options(Mode::client, "", ticket_)));
  std::atomic<int> acknowledged = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> writers;
  for (TestNode& client : clients) {
    writers.emplace_back([&] {
      for (int i = 0; i < kWrites; ++i) client.put("counter", "v", 30 * kSecond) ? ++acknowledged : ++failed;
    });
  }
  for (int round = 0; round < 2; ++round) {
    size_t leader = leader_of(nodes);
    nodes[leader].close();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    reopen(nodes[leader]);
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(acknowledged, kWriters * kWrites);
  // One put more or less would show in the version.
  EXPECT_EQ((*clients[0].get("counter"))->version, static_cast<uint64_t>(acknowledged));
}

TEST_F(ClusterTest, ALeaderThatClosesHandsOverAtOnce) {
  auto nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  ASSERT_TRUE(client.put("a", "1"));
  size_t leader = leader_of(nodes);
  std::atomic<bool> stop = false;
  std::chrono::steady_clock::duration longest{};
  std::thread writer([&] {
    while (!stop) {
      auto before = std::chrono::steady_clock::now();
      EXPECT_TRUE(client.put("a", "2"));
      longest = std::max(longest, std::chrono::steady_clock::now() - before);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  nodes[leader].close();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  writer.join();
  EXPECT_LT(longest, std::chrono::milliseconds(1500));
}

TEST_F(ClusterTest, AnIndexIsBuiltByWhoeverLeads) {
  auto nodes = cluster(3);
  for (int i = 0; i < 3; ++i) {
    std::vector<kv::Op> ops;
    for (int j = 0; j < 1000; ++j) {
      ops.push_back({.key = fmt::format("k{}", 1000 * i + j), .value = std::to_string(j)});
    }
    ASSERT_TRUE(nodes[0].write({.transaction = {.then = std::move(ops)}}));
  }
  ASSERT_TRUE(nodes[1].run({.kind = kv::Command::Kind::index_create, .name = "i", .extractor = "json:"}));
  const size_t leader = leader_of(nodes);
  nodes[leader].close();
  TestNode& other = nodes[(leader + 1) % 3];
  Result<kv::IndexScanReply> all = other.scan({.index = "i"});
  ASSERT_TRUE(eventually([&] { return (all = other.scan({.index = "i"})).has_value(); }));
  EXPECT_EQ(all->entries.size(), 3000u);
  reopen(nodes[leader]);
  EXPECT_EQ(nodes[leader].scan({.index = "i"})->entries, all->entries);
}

TEST_F(ClusterTest, AMemberThatWasAwayCatchesUp) {
  auto nodes = cluster(3);
  ASSERT_TRUE(nodes[0].put("before", "v"));
  nodes[2].close();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(nodes[0].put(fmt::format("k{}", i), "v"));
  reopen(nodes[2]);
  EXPECT_TRUE(eventually([&] { return nodes[2].range({}, kAnyAge)->entries.size() == 51; }));
  EXPECT_EQ(nodes[2].value("k49"), "v");
}

TEST_F(ClusterTest, AMemberFarBehindGetsASnapshotWhileTheOthersGoOn) {
  static std::atomic<int> snapshots;
  auto count = [](LogLevel, std::string_view line, void*) {
    if (line.find("receiving a snapshot") != line.npos) ++snapshots;
  };
  set_log_sink(count, nullptr, LogLevel::info);
  auto nodes = cluster(3, 64);
  nodes[2].close();
  snapshots = 0;
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(nodes[0].put(fmt::format("k{}", i), Bytes(100, 'v')));
  reopen(nodes[2]);
  // What it serves meanwhile is old, but never half of something.
  uint64_t seen = 0;
  EXPECT_TRUE(eventually([&] {
    auto range = nodes[2].range({}, kAnyAge);
    if (!range) return false;
    EXPECT_GE(range->entries.size(), seen);
    seen = range->entries.size();
    return seen == 400;
  }));
  set_log_sink(nullptr, nullptr, LogLevel::off);
  EXPECT_GE(snapshots, 1);
  ASSERT_TRUE(nodes[2].put("after", "v"));
  EXPECT_TRUE(eventually([&] { return nodes[2].value("after", kAnyAge) == "v"; }));
}

// Also after the offer, which is the first.
TEST_F(ClusterTest, ASnapshotStreamMayPauseAfterEveryFrame) {
  buggify_hook = [](const char* site) { return std::string_view(site) == "node-inbox-pause-early"; };
  {
    auto nodes = cluster(3, 64);
    nodes[2].close();
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(nodes[0].put(fmt::format("k{}", i), Bytes(100, 'v')));
    reopen(nodes[2]);
    EXPECT_TRUE(eventually([&] { return nodes[2].value("k399", kAnyAge) == Bytes(100, 'v'); }));
  }
  buggify_hook = nullptr;
}

TEST_F(ClusterTest, AMemberThatLostItsDataComesBackAsANewIncarnation) {
  auto nodes = cluster(3, 64);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(nodes[0].put(fmt::format("k{}", i), "v"));
  std::string id = nodes[2].facts.id;
  nodes[2].close();
  fs::remove_all(nodes[2].options.dir + "/journal");
  fs::remove_all(nodes[2].options.dir + "/state");
  reopen(nodes[2]);
  EXPECT_EQ(nodes[2].facts.id, id);
  EXPECT_EQ(nodes[2].range({}, kAnyAge)->entries.size(), 100u);
  nlohmann::json status = nodes[2].status();
  EXPECT_EQ(status["members"].size(), 3u);
  for (auto& member : status["members"]) EXPECT_EQ(member["role"], "voter");
}

TEST_F(ClusterTest, AFounderThatLostItsDataJoinsWhatItFounded) {
  auto nodes = cluster(3);
  ASSERT_TRUE(nodes[0].put("a", "1"));
  std::string ticket = *nodes[1].ticket();
  NodeOptions back = nodes[0].options;
  nodes[0].close();
  fs::remove_all(back.dir + "/journal");
  fs::remove_all(back.dir + "/state");
  EXPECT_EQ(try_open(back).error().code, Code::CORRUPT);
  back.ticket = ticket_;  // names the founder alone
  auto alone = try_open(back);
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().code, Code::INVALID_ARGUMENT) << alone.error().to_string();
  back.ticket = ticket;
  TestNode founder = open(back);
  EXPECT_EQ(founder.value("a", kAnyAge), "1");
  EXPECT_EQ(founder.status()["members"].size(), 3u);
}

TEST_F(ClusterTest, AMemberThatMovesTellsTheOthers) {
  auto nodes = cluster(3);
  std::string before = nodes[2].facts.address;
  nodes[2].close();
  nodes[2] = open(nodes[2].options);
  if (nodes[2].facts.address == before) GTEST_SKIP() << "the system gave the same port again";
  EXPECT_TRUE(eventually([&] {
    for (auto& member : nodes[0].status()["members"]) {
      if (member["address"] == nodes[2].facts.address) return true;
    }
    return false;
  }));
  ASSERT_TRUE(nodes[0].put("a", "1"));
  EXPECT_TRUE(eventually([&] { return nodes[2].value("a", kAnyAge) == "1"; }));
}

TEST_F(ClusterTest, AClientOutlivesTheAbsenceOfEveryMember) {
  auto nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  ASSERT_TRUE(client.put("a", "1"));
  for (TestNode& node : nodes) node.close();
  auto missed = client.put("a", "2", 300 * kMillisecond);
  ASSERT_FALSE(missed);
  EXPECT_EQ(missed.error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(missed.error().applied, Applied::NO) << missed.error().to_string();
  EXPECT_EQ(client.get("a", {}, 300 * kMillisecond).error().code, Code::DEADLINE_EXCEEDED);
  // One that waits the while out.
  std::thread waiting([&] { EXPECT_TRUE(client.put("b", "3", 50 * kSecond)); });
  for (TestNode& node : nodes) reopen(node);
  waiting.join();
  EXPECT_EQ(client.value("a"), "1");
  EXPECT_EQ(client.value("b"), "3");
}

TEST_F(ClusterTest, WithoutAMajorityEveryOperationEndsAtItsDeadlineAndRecovers) {
  auto nodes = cluster(3);
  TestNode client = open(options(Mode::client, "", ticket_));
  ASSERT_TRUE(client.put("a", "1"));
  nodes[1].close();
  nodes[2].close();
  for (TestNode* node : {&nodes[0], &client}) {
    for (int i = 0; i < 2; ++i) {
      Bytes key = fmt::format("{} {}", node->facts.id, i);
      auto before = std::chrono::steady_clock::now();
      auto put = node->put(key, "v", 400 * kMillisecond);
      EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3));
      ASSERT_FALSE(put);
      EXPECT_EQ(put.error().code, Code::DEADLINE_EXCEEDED) << put.error().to_string();
      auto get = node->get("a", {}, 200 * kMillisecond);
      ASSERT_FALSE(get);
      EXPECT_EQ(get.error().code, Code::DEADLINE_EXCEEDED);
      EXPECT_EQ(get.error().applied, Applied::NO);
      // By the second round the leader has stepped down: nobody took the write.
      if (i == 1) EXPECT_EQ(put.error().applied, Applied::NO) << put.error().to_string();
    }
  }
  EXPECT_EQ(nodes[0].value("a", kAnyAge), "1");
  reopen(nodes[1]);
  ASSERT_TRUE(client.put("b", "2", 30 * kSecond));
  EXPECT_EQ(nodes[0].value(nodes[0].facts.id + " 1"), "(absent)");
  EXPECT_EQ(nodes[0].value("b"), "2");
}

TEST_F(ClusterTest, MoreOperationsThanANodeTakesAreRefusedAndTheRestCompleted) {
  auto nodes = cluster(2);
  nodes[1].close();
  constexpr size_t kExtra = 50;
  std::atomic<size_t> overloaded = 0;
  std::atomic<size_t> late = 0;
  std::atomic<size_t> other = 0;
  for (size_t i = 0; i < limits::kOpsInFlightMax + kExtra; ++i) {
    nodes[0].node->write(
        {.transaction = {.then = {{.key = "k", .value = "v"}}}}, 2 * kSecond, [&](Result<kv::WriteReply> r) {
          Code code = r ? Code::OK : r.error().code;
          ++(code == Code::OVERLOADED ? overloaded : code == Code::DEADLINE_EXCEEDED ? late : other);
        });
  }
  EXPECT_TRUE(eventually([&] { return overloaded + late + other == limits::kOpsInFlightMax + kExtra; }));
  EXPECT_EQ(other, 0u);
  EXPECT_EQ(overloaded, kExtra);
  reopen(nodes[1]);
  EXPECT_TRUE(nodes[0].put("after", "v", 30 * kSecond));
}

TEST_F(ClusterTest, AMemberClosesWithoutAMajority) {
  auto nodes = cluster(3);
  nodes[1].close();
  nodes[2].close();
  std::atomic<int> completed = 0;
  for (int i = 0; i < 100; ++i) {
    nodes[0].node->write({.transaction = {.then = {{.key = "k", .value = "v"}}}}, 0,
                         [&](Result<kv::WriteReply>) { ++completed; });
  }
  nodes[0].close();
  EXPECT_EQ(completed, 100);
}

}  // namespace
}  // namespace aspen::node
