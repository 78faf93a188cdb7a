#include "core/lab/cluster.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/base/buggify.h"
#include "core/crypto/key.h"
#include "core/lab/scripts.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kLimit = 60 * kSecond;
constexpr DurationNs kConnectionsEnd = 20 * kSecond;  // with what they would have sent again

TEST(Cluster, PacketsAndRolesAreTraced) {
  World world({.seed = 8, .recording = Trace::Recording::on});
  Cluster cluster(world, {.members = 1});
  ASSERT_TRUE(cluster.form());
  std::string text = world.trace().text();
  EXPECT_TRUE(text.contains(R"("role" "leader of term )")) << text;
  EXPECT_TRUE(text.contains(R"("deliver" "10.0.1.1:)")) << text;
  TraceHash before = world.trace().hash();
  world.network().trace("lose", 0, 1, 100);
  EXPECT_NE(world.trace().hash(), before);
}

NodeId first_key() {
  World world({.seed = 8});
  Cluster cluster(world, {.members = 1});
  if (!cluster.form()) std::abort();
  return crypto::KeyPair::generate().id();
}

// In a process of its own: what a process initialises once must not take from the randomness of its first
// world.
TEST(ClusterDeathTest, TheFirstRunOfAProcessIsLikeTheSecond) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::exit(first_key() == first_key() ? 0 : 1), testing::ExitedWithCode(0), "");
}

// Both leave the member, whatever becomes of them.
TEST(Cluster, TwoVotesOfAMemberInOneTermAreSeen) {
  World world({.seed = 6});
  Cluster cluster(world, {.members = 3});
  ASSERT_TRUE(cluster.form());
  node::Replica& voter = *cluster.member(1).replica();
  raft::Message vote{.kind = raft::MessageKind::vote_reply, .from = voter.group().peer(), .term = 1000};
  vote.to = cluster.member(0).replica()->group().peer();
  voter.group().transport().send(vote);
  voter.group().transport().send(vote);
  EXPECT_FALSE(world.violation());
  vote.to = cluster.member(2).replica()->group().peer();
  voter.group().transport().send(vote);
  ASSERT_TRUE(world.violation());
  EXPECT_EQ(world.violation()->oracle, "voted-twice");
}

void cut_off(World& world, Cluster& cluster, const Machine& machine) {
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (&cluster.member(i) == &machine) continue;
    world.network().cut(cluster.member(i).address(), machine.address());
    world.network().cut(machine.address(), cluster.member(i).address());
  }
}

// Its store takes no more writes after a sync that failed: as a member it would answer and vote, and refuse
// every snapshot from then on.
TEST(Cluster, AMemberWhoseStoreFailsWhileItTakesASnapshotStops) {
  World world({.seed = 5});
  Cluster cluster(world, {.members = 3, .log_entries_max = 20});
  ASSERT_TRUE(cluster.form());
  ASSERT_TRUE(world.run_until([&] { return cluster.leader() != nullptr; }, kLimit));
  Machine& machine = cluster.member(cluster.leader() == &cluster.member(0) ? 1 : 0);
  cut_off(world, cluster, machine);
  cluster.add_clients(4, [](uint64_t client) { return writer_script(client, 300); });
  world.run_for(kConnectionsEnd);

  static Disk* failing;
  failing = &machine.disk();
  buggify_hook = [](const char* site) {
    if (std::string_view(site) != "kv-restore-synced") return false;
    failing->set_faults({.sync_fails = 1});
    return true;
  };
  world.network().heal();
  ASSERT_TRUE(world.run_until([&] { return machine.disk().counters().faults > 0; }, kLimit));
  machine.disk().set_faults({});
  auto stopped = [&] { return machine.replica() != nullptr && machine.replica()->driver().failure(); };
  ASSERT_TRUE(world.run_until(stopped, kLimit));
  const Error& failure = *machine.replica()->driver().failure();
  EXPECT_EQ(failure.code, Code::IO);
  EXPECT_TRUE(failure.message.contains("node/state")) << failure.message;
}

TEST(Cluster, AMemberIsAVoterOnceTheChangeIsCommitted) {
  World world({.seed = 9});
  Cluster cluster(world, {.members = 3});
  ASSERT_TRUE(cluster.form());
  ASSERT_TRUE(world.run_until([&] { return cluster.leader() != nullptr; }, kLimit));
  const size_t i = cluster.leader() == &cluster.member(0) ? 1 : 0;
  ASSERT_TRUE(cluster.lose_data(i));
  auto votes = [&](const raft::Config& config) {
    const raft::Member* self = config.find(cluster.member(i).replica()->group().peer());
    return self != nullptr && self->role == raft::MemberRole::voter;
  };
  auto replica = [&] { return cluster.member(i).replica(); };
  ASSERT_TRUE(
      world.run_until([&] { return replica() && votes(replica()->driver().core().config()); }, kLimit));
  ASSERT_FALSE(votes(replica()->driver().core().committed_config()));
  EXPECT_FALSE(replica()->group().is_voter());
  EXPECT_TRUE(world.run_until([&] { return replica()->group().is_voter(); }, kLimit));
}

// Every stream breaks after one chunk.
TEST(Cluster, ASnapshotGoesOnWhereItsStreamBroke) {
  World world({.seed = 5});
  Cluster cluster(world, {.members = 3, .log_entries_max = 20});
  ASSERT_TRUE(cluster.form());
  ASSERT_TRUE(world.run_until([&] { return cluster.leader() != nullptr; }, kLimit));
  Machine& machine = cluster.member(cluster.leader() == &cluster.member(0) ? 1 : 0);
  cut_off(world, cluster, machine);
  cluster.add_clients(4, [](uint64_t client) { return writer_script(client, 300); }, {.operations_max = 20});
  world.run_for(kConnectionsEnd);

  static size_t broken;
  broken = 0;
  buggify_hook = [](const char* site) {
    std::string_view name = site;
    if (name == "node-snapshot-cut-short") ++broken;
    return name == "node-snapshot-cut-short" || name == "node-snapshot-buffer-small" ||
           name == "kv-snapshot-chunks-small";
  };
  world.network().heal();
  EXPECT_TRUE(
      world.run_until([&] { return machine.replica()->machine().restored().has_value(); }, 10 * kLimit));
  EXPECT_GT(broken, 10u);
  EXPECT_TRUE(cluster.settle());
}

// Replaces what the machine holds by what it would hold had all entries been empty.
void forget_all(kv::StateMachine& machine) {
  auto empty = kv::StateMachine::open(store::open_memory());
  ASSERT_TRUE(empty);
  raft::SnapshotMeta meta{.index = machine.applied(), .term = 1};
  for (raft::Index index = 1; index <= meta.index; ++index) {
    std::vector<raft::EntryPtr> entries{std::make_shared<const raft::Entry>(
        raft::Entry{.index = index, .term = 1, .kind = raft::EntryKind::noop})};
    ASSERT_TRUE((*empty)->apply(entries));
  }
  auto source = (*empty)->snapshot();
  auto sink = machine.restore(meta);
  ASSERT_TRUE(source && sink);
  for (Bytes chunk = *(*source)->next(); !chunk.empty(); chunk = *(*source)->next()) {
    ASSERT_TRUE((*sink)->write(chunk));
  }
  ASSERT_TRUE((*sink)->finish());
}

// Nobody could tell at the end: the member has lost its data by then.
TEST(Cluster, StatesThatDifferForAWhileAreSeen) {
  World world({.seed = 7});
  Cluster cluster(world, {.members = 3});
  ASSERT_TRUE(cluster.form());
  cluster.add_clients(2, [](uint64_t client) { return writer_script(client, 10); }, {.operations_max = 20});
  ASSERT_TRUE(world.run_until([&] { return cluster.clients_idle(); }, kLimit));
  world.run_for(kSecond);  // all have applied all
  ASSERT_FALSE(world.violation());
  size_t i = cluster.leader() == &cluster.member(0) ? 1 : 0;
  forget_all(cluster.member(i).replica()->machine());
  world.run_for(2 * kSecond);
  cluster.lose_data(i);
  EXPECT_FALSE(cluster.settle());
  ASSERT_TRUE(world.violation());
  EXPECT_EQ(world.violation()->oracle, "state-differs");
}

}  // namespace
}  // namespace aspen::lab
