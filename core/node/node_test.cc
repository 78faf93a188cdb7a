// One node: embedded, founding, and what keeps a node from opening.
#include "core/node/node.h"

#include "core/node/test_cluster.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;

class NodeTest : public ClusterTest {
 protected:
  TestNode embedded(const std::string& name = "db") { return open(options(Mode::embedded, name)); }
  Error refused(NodeOptions options) {
    auto opened = try_open(std::move(options));
    return opened ? Error(Code::OK, "it opened") : opened.error();
  }
};

TEST_F(NodeTest, AnEmbeddedNodeReadsWhatItWrote) {
  TestNode node = embedded();
  auto created = node.put("a", "1");
  ASSERT_TRUE(created) << created.error().to_string();
  EXPECT_FALSE(created->results.at(0).existed);
  EXPECT_EQ(node.value("a"), "1");
  EXPECT_EQ(node.value("a", kAnyAge), "1");
  auto changed = node.put("a", "2");
  EXPECT_EQ(changed->results.at(0).previous_revision, created->revision);
  EXPECT_EQ((*node.get("a"))->version, 2u);
  ASSERT_TRUE(node.put(Bytes("b\0c", 3), Bytes("\xff\0", 2)));
  EXPECT_EQ(node.value(Bytes("b\0c", 3)), Bytes("\xff\0", 2));
  EXPECT_TRUE(node.erase("a")->results.at(0).existed);
  EXPECT_EQ(node.value("a"), "(absent)");
}

TEST_F(NodeTest, RangesGoBothWaysAndContinue) {
  TestNode node = embedded();
  for (char key = 'a'; key <= 'e'; ++key) ASSERT_TRUE(node.put(Bytes(1, key), "v"));
  auto first = node.range({.start = "b", .limit = 2});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->entries.size(), 2u);
  EXPECT_TRUE(first->more);
  auto rest = node.range({.start = first->continuation});
  EXPECT_EQ(rest->entries.at(0).key, "d");
  EXPECT_FALSE(rest->more);
  EXPECT_EQ(node.range({.start = "b", .end = "d", .reverse = true, .keys_only = true})->entries.at(0).key,
            "c");
}

// Steps that find nothing are not the end of a page: the caller is not told of them.
TEST_F(NodeTest, ARangeAtARevisionPassesOverMuchThatCameLater) {
  TestNode node = open(options(Mode::embedded, "db"));
  ASSERT_TRUE(node.put("a", "1"));
  ASSERT_TRUE(node.put("z", "2"));
  const uint64_t then = node.range({})->revision;
  constexpr size_t kKeys = 2 * limits::kRangeRowsMax + 100;
  for (size_t i = 0; i < kKeys;) {
    kv::Command command;
    for (size_t in_one = 0; in_one < limits::kTransactionOpsMax && i < kKeys; ++in_one, ++i) {
      command.transaction.then.push_back({.key = fmt::format("m{:06}", i), .value = "v"});
    }
    ASSERT_TRUE(node.write(std::move(command)));
  }
  for (bool reverse : {false, true}) {
    auto page = node.range(
        {.start = reverse ? "" : "b", .end = reverse ? "y" : "", .reverse = reverse, .revision = then});
    ASSERT_TRUE(page) << page.error().to_string();
    ASSERT_EQ(page->entries.size(), 1u);
    EXPECT_EQ(page->entries[0].key, reverse ? "a" : "z");
    EXPECT_FALSE(page->more);
  }
  auto none = node.range({.start = "b", .end = "y", .revision = then});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->entries.empty());
  EXPECT_FALSE(none->more);
}

TEST_F(NodeTest, ConditionsHoldOrNothingHappens) {
  TestNode node = embedded();
  kv::Command create{
      .transaction = {.compares = {kv::key_absent("lock")},
                      .then = {{.key = "lock", .value = "mine"}, {.key = "other", .value = "x"}}}};
  EXPECT_TRUE(node.write(create)->succeeded);
  auto again = node.write(create);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->succeeded);
  EXPECT_EQ(again->current->record.value, "mine");
}

TEST_F(NodeTest, BadCommandsAreRefusedAndSayThatNothingHappened) {
  TestNode node = embedded();
  for (const auto& result : {node.put("", "v"), node.put(Bytes(limits::kKeyBytesMax + 1, 'k'), "v"),
                             node.put("k", Bytes(limits::kValueBytesMax + 1, 'v'))}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().applied, Applied::NO) << result.error().to_string();
  }
  EXPECT_EQ(node.range({})->entries.size(), 0u);
}

TEST_F(NodeTest, WhatWasWrittenIsThereWhenItOpensAgain) {
  TestNode node = embedded();
  std::string id = node.facts.id;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(node.put(fmt::format("k{}", i), "v"));
  node.close();
  node = embedded();
  EXPECT_EQ(node.facts.id, id);
  EXPECT_EQ(node.range({})->entries.size(), 50u);
  EXPECT_EQ(node.status()["role"], "leader");
}

TEST_F(NodeTest, ADirectoryThatIsOpenIsInUse) {
  TestNode node = embedded();
  EXPECT_EQ(refused(options(Mode::embedded, "db")).code, Code::IN_USE);
  EXPECT_EQ(refused(options(Mode::found, "db")).code, Code::IN_USE);
  node.close();
  EXPECT_EQ(embedded().value("x"), "(absent)");
}

TEST_F(NodeTest, AnEmbeddedStoreBecomesANetworkAndStaysOneStoreUntilOthersJoin) {
  TestNode node = embedded();
  ASSERT_TRUE(node.put("a", "1"));
  EXPECT_EQ(node.ticket().error().code, Code::UNSUPPORTED);
  node.close();
  TestNode founder = open(options(Mode::found, "db"));
  EXPECT_EQ(founder.value("a"), "1");
  EXPECT_EQ(founder.status()["members"][0]["address"], founder.facts.address);
  founder.close();
  node = embedded();
  ASSERT_TRUE(node.put("b", "2"));
  node.close();

  founder = open(options(Mode::found, "db"));
  std::string ticket = *founder.ticket();
  TestNode second = open(options(Mode::join, "second", ticket));
  TestNode third = open(options(Mode::join, "third", ticket));
  EXPECT_EQ(third.value("a"), "1");
  EXPECT_EQ(third.value("b", kAnyAge), "2");
  EXPECT_EQ(founder.status()["members"].size(), 3u);
  second.close();
  third.close();
  founder.close();
  Error member = refused(options(Mode::embedded, "db"));
  EXPECT_EQ(member.code, Code::WRONG_NODE) << member.to_string();
  EXPECT_EQ(refused(options(Mode::embedded, "second")).code, Code::WRONG_NODE);
}

TEST_F(NodeTest, AFounderThatLostItsLogDoesNotBeginAgain) {
  TestNode node = embedded();
  ASSERT_TRUE(node.put("a", "1"));
  node.close();
  fs::remove_all(root_.path("db/journal"));
  fs::remove_all(root_.path("db/state"));
  EXPECT_EQ(refused(options(Mode::embedded, "db")).code, Code::CORRUPT);
}

TEST_F(NodeTest, AStateThatIsLostComesBackFromTheLogAndALostLogIsNoticed) {
  TestNode node = embedded();
  ASSERT_TRUE(node.put("a", "1"));
  node.close();
  fs::remove_all(root_.path("db/state"));
  node = embedded();
  EXPECT_EQ(node.value("a"), "1");
  node.close();
  fs::remove_all(root_.path("db/journal"));
  EXPECT_EQ(refused(options(Mode::embedded, "db")).code, Code::CORRUPT);
}

TEST_F(NodeTest, ALogThatIsDamagedWhileItRunsStopsTheMemberWhichSaysSo) {
  TestNode node = embedded();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(node.put(fmt::format("k{}", i), Bytes(100, 'v')));
  std::string path = root_.path("db/journal/0000000000000001.journal");
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(6000);
    file.write("damage", 6);
    ASSERT_TRUE(file.good());
  }
  EXPECT_TRUE(eventually([&] { return node.status()["role"] == "failed"; }));
  auto late = node.put("k", "v", kSecond);
  ASSERT_FALSE(late);
  node.close();
  Error error = refused(options(Mode::embedded, "db"));
  EXPECT_EQ(error.code, Code::CORRUPT);
  EXPECT_NE(error.message.find("0000000000000001.journal"), std::string::npos) << error.message;
}

TEST_F(NodeTest, AnOccupiedPortIsNamedAndLeavesNothingBehind) {
  TestNode first = open(options(Mode::found, "first"));
  NodeOptions second = options(Mode::found, "second");
  second.listen = first.facts.address;
  Error error = refused(second);
  EXPECT_EQ(error.code, Code::IN_USE);
  EXPECT_NE(error.message.find(first.facts.address), std::string::npos) << error.message;
  EXPECT_FALSE(fs::exists(second.dir));
  NodeOptions join = options(Mode::join, "second", *first.ticket());
  EXPECT_EQ(open(join).value("x"), "(absent)");
}

TEST_F(NodeTest, ListeningEverywhereNeedsAnAddressToAdvertise) {
  NodeOptions founder = options(Mode::found, "db");
  founder.listen = "0.0.0.0:0";
  Error error = refused(founder);
  EXPECT_EQ(error.code, Code::INVALID_ARGUMENT);
  EXPECT_NE(error.message.find("advertise"), std::string::npos) << error.message;
  EXPECT_FALSE(fs::exists(founder.dir));
  founder.advertise = "no port";
  EXPECT_EQ(refused(founder).code, Code::INVALID_ARGUMENT);
  for (const char* nowhere : {"nonsense", "10.0.0.7", "10.0.0.7:0"}) {
    founder.advertise = nowhere;
    EXPECT_EQ(refused(founder).code, Code::INVALID_ARGUMENT) << nowhere;
  }
  EXPECT_FALSE(fs::exists(founder.dir));
  founder.advertise = "127.0.0.1:4711";
  EXPECT_EQ(open(founder).facts.address, "127.0.0.1:4711");
}

TEST_F(NodeTest, ATicketThatCannotBeUsedCreatesNothing) {
  TestNode founder = open(options(Mode::found, "founder"));
  std::string good = *founder.ticket();
  std::string brief = *founder.ticket(kMillisecond);
  std::string mistyped = good;
  mistyped[mistyped.size() / 2] = mistyped[mistyped.size() / 2] == 'a' ? 'b' : 'a';
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  for (Mode mode : {Mode::join, Mode::client}) {
    EXPECT_EQ(refused(options(mode, "x", mistyped)).code, Code::TICKET_INVALID);
    EXPECT_EQ(refused(options(mode, "x", "nonsense")).code, Code::TICKET_INVALID);
    EXPECT_EQ(refused(options(mode, "x", brief)).code, Code::GRANT_EXPIRED);
  }
  EXPECT_EQ(refused(options(Mode::join, "x")).code, Code::INVALID_ARGUMENT);
  EXPECT_FALSE(fs::exists(root_.path("x")));
}

TEST_F(NodeTest, TheStateOfAnotherNodeIsRefused) {
  TestNode first = open(options(Mode::embedded, "first"));
  TestNode second = open(options(Mode::embedded, "second"));
  ASSERT_TRUE(first.put("k", "first"));
  ASSERT_TRUE(second.put("k", "second"));
  first.close();
  second.close();
  fs::remove_all(root_.path("second/state"));
  fs::copy(root_.path("first/state"), root_.path("second/state"), fs::copy_options::recursive);
  EXPECT_EQ(refused(options(Mode::embedded, "second")).code, Code::WRONG_NODE);
}

TEST_F(NodeTest, AConnectionEndsWithItsMembership) {
  TestNode founder = open(options(Mode::found, "founder"));
  TestNode client = open(options(Mode::client, "", *founder.ticket(kSecond)));
  ASSERT_TRUE(client.put("k", "v"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  auto late = client.put("k", "w");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::GRANT_EXPIRED) << late.error().to_string();
}

TEST_F(NodeTest, ATicketOfAnotherNetworkDoesNotMoveANode) {
  TestNode first = open(options(Mode::found, "first"));
  TestNode second = open(options(Mode::found, "second"));
  TestNode member = open(options(Mode::join, "member", *first.ticket()));
  member.close();
  Error error = refused(options(Mode::join, "member", *second.ticket()));
  EXPECT_EQ(error.code, Code::WRONG_NODE) << error.to_string();
}

TEST_F(NodeTest, MembersThatDoNotAnswerAreNamedWhenTheTimeToOpenIsOver) {
  TestNode founder = open(options(Mode::found, "founder"));
  std::string ticket = *founder.ticket();
  std::string address = founder.facts.address;
  founder.close();
  for (Mode mode : {Mode::join, Mode::client}) {
    for (DurationNs timeout : {300 * kMillisecond, 1500 * kMillisecond}) {
      NodeOptions late = options(mode, "late", ticket);
      late.open_timeout = timeout;
      auto before = std::chrono::steady_clock::now();
      Error error = refused(late);
      EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
      EXPECT_EQ(error.code, Code::DEADLINE_EXCEEDED);
      EXPECT_NE(error.message.find(address), std::string::npos) << error.message;
    }
  }
}

TEST_F(NodeTest, ANodeThatIsNotOpenRefusesOperations) {
  NodeOptions bad = options(Mode::found, "x");
  bad.listen = "nonsense";
  TestNode node;
  auto facts =
      wait_for<NodeFacts>([&](auto done) { node.node = Node::start(std::move(bad), std::move(done)); });
  ASSERT_FALSE(facts);
  EXPECT_EQ(node.put("a", "1").error().code, Code::UNAVAILABLE);
  EXPECT_EQ(node.get("a").error().code, Code::UNAVAILABLE);
  EXPECT_EQ(node.ticket().error().code, Code::UNAVAILABLE);
  node.close();
}

TEST_F(NodeTest, AnOpenThatIsUnderWayCanBeClosed) {
  TestNode founder = open(options(Mode::found, "founder"));
  std::string ticket = *founder.ticket();
  founder.close();
  auto promise = std::make_shared<std::promise<Result<NodeFacts>>>();
  auto node = Node::start(options(Mode::join, "x", ticket),
                          [promise](Result<NodeFacts> facts) { promise->set_value(std::move(facts)); });
  EXPECT_TRUE(wait_for<void>([&](auto done) { node->close(std::move(done)); }));
  EXPECT_EQ(promise->get_future().get().error().code, Code::SHUTDOWN);
}

TEST_F(NodeTest, ATimeBeyondTheEndOfTimeIsNever) {
  NodeOptions patient = options(Mode::embedded, "db");
  patient.open_timeout = kNever;
  TestNode node = open(patient);
  EXPECT_TRUE(node.put("a", "1", kNever));
  node.close();
  TestNode founder = open(options(Mode::found, "db"));
  std::string ticket = *founder.ticket(kNever);
  EXPECT_EQ(crypto::parse_ticket(ticket, 0)->chain.at(0).not_after, 0);
}

TEST_F(NodeTest, ClosingWithOperationsInFlightCompletesEachOnce) {
  constexpr int kOperations = 1000;
  TestNode node = embedded();
  std::array<std::atomic<int>, kOperations> completed{};
  std::atomic<int> applied = 0;
  std::atomic<int> bad = 0;
  for (int i = 0; i < kOperations; ++i) {
    kv::Command command{.transaction = {.then = {{.key = fmt::format("k{}", i), .value = "v"}}}};
    node.node->write(std::move(command), kCallTimeout, [&, i](Result<kv::WriteReply> reply) {
      ++completed[i];
      if (reply) ++applied;
      if (!reply && reply.error().code != Code::SHUTDOWN) ++bad;
    });
  }
  node.close();
  for (int i = 0; i < kOperations; ++i) ASSERT_EQ(completed[i], 1) << i;
  EXPECT_EQ(bad, 0);
  EXPECT_GE(embedded().range({})->entries.size(), static_cast<size_t>(applied));
}

TEST_F(NodeTest, AfterItIsClosedEverythingIsRefused) {
  TestNode node = embedded();
  ASSERT_TRUE(wait_for<void>([&](auto done) { node.node->close(std::move(done)); }));
  auto late = node.put("a", "1");
  EXPECT_EQ(late.error().code, Code::SHUTDOWN);
  EXPECT_EQ(late.error().applied, Applied::NO);
  EXPECT_TRUE(wait_for<void>([&](auto done) { node.node->close(std::move(done)); }));
  node.node->cancel(1);
}

TEST_F(NodeTest, ACancelEndsAnOperationThatWaitsAndDoesNotHurtOneThatIsDone) {
  TestNode founder = open(options(Mode::found, "0"));
  TestNode client = open(options(Mode::client, "", *founder.ticket()));
  founder.close();
  Node::OperationId id = 0;
  auto result = wait_for<kv::WriteReply>([&](auto done) {
    id = client.node->write({.transaction = {.then = {{.key = "a", .value = "1"}}}}, 0, std::move(done));
    client.node->cancel(id);
  });
  EXPECT_EQ(result.error().code, Code::CANCELLED);
  client.node->cancel(id);
  client.node->cancel(~0ull);
  reopen(founder);
  EXPECT_TRUE(client.put("b", "2"));
}

}  // namespace
}  // namespace aspen::node
