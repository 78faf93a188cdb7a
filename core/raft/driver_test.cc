// Drivers on a real loop with real lanes, their disks in memory, their messages carried by hand: what is
// answered to whom when leaders change, snapshots arrive, disks fail and drivers close.
#include "core/raft/driver.h"

#include <gtest/gtest.h>

#include <set>

#include "core/base/buggify.h"
#include "core/raft/list_machine.h"
#include "core/raft/test_log.h"
#include "core/raft/test_loop.h"

namespace aspen::raft {
namespace {

class DriverTest;

struct TestMember final : Transport, TestLog {
  TestMember(DriverTest& test, PeerId id) : test(test), id(id) {}
  void send(const Message& message) override;
  void send_snapshot(Message offer, std::shared_ptr<SnapshotSource> source) override;

  DriverTest& test;
  PeerId id;
  ListMachine machine;
  std::unique_ptr<rt::Lane> background;
  std::unique_ptr<Driver> driver;
  std::vector<Error> failures;
  size_t sent = 0;
};

class DriverTest : public testing::Test, public TestLoop {
 protected:
  void TearDown() override {
    for (auto& [id, member] : members_) {
      member->disk.hold(false);
      close(*member);
    }
  }

 public:
  TestMember& add(PeerId id) {
    auto& member = members_[id] = std::make_unique<TestMember>(*this, id);
    open(*member);
    return *member;
  }
  void open(TestMember& member) {
    member.open_log(loop_, member.id);
    member.background = std::make_unique<rt::ThreadLane>(loop_);
    DriverOptions options;
    options.core.self = member.id;
    options.core.heartbeat = 10 * kMillisecond;
    options.core.election = 60 * kMillisecond;
    options.core.random = [this] { return loop_.executor().env().random_u64(); };
    options.core.lease_reads = lease_reads;
    options.log_entries_max = log_entries_max;
    options.on_failure = [&member](const Error& error) { member.failures.push_back(error); };
    auto driver = Driver::open(loop_.executor(), *member.background, *member.log, member.machine, member,
                               std::move(options));
    ASSERT_TRUE(driver) << driver.error().to_string();
    member.driver = std::move(*driver);
  }
  // What another start would find.
  Durable stored(TestMember& member) {
    member.open_log(loop_, member.id);
    return *member.log->load();
  }
  void close(TestMember& member) {
    if (!member.driver) return;
    bool closed = false;
    member.driver->close([&] { closed = true; });
    EXPECT_TRUE(run_until([&] { return closed; })) << "close hangs";
    member.driver.reset();
    member.background.reset();
  }
  void run_for(DurationNs duration) {
    TimeNs end = loop_.executor().env().now() + duration;
    run_until([&] { return loop_.executor().env().now() >= end; });
  }

  static Member as_member(PeerId id) {
    return {.peer = id, .node = {}, .address = fmt::format("n{}:1", id), .role = MemberRole::voter};
  }
  TestMember& founder() {
    TestMember& first = add(1);
    first.driver->bootstrap(as_member(1));
    EXPECT_TRUE(run_until([&] { return first.driver->core().role() == Role::leader; }));
    return first;
  }
  // Voters 1, 2, 3, led by 1.
  TestMember& group_of_three() {
    TestMember& first = founder();
    add(2);
    add(3);
    for (PeerId last : {2, 3}) {
      std::vector<Member> members;
      for (PeerId id = 1; id <= last; ++id) {
        members.push_back(as_member(id));
        members.back().node.key[0] = static_cast<uint8_t>(id);
      }
      // The leader's first entry has to be committed before. Answers to calls that were one too many come
      // later.
      auto changed = std::make_shared<bool>(false);
      EXPECT_TRUE(run_until([&] {
        if (!*changed) {
          first.driver->change_members(members, [changed](const Result<>& r) { *changed |= r.has_value(); });
        }
        return *changed;
      }));
    }
    EXPECT_TRUE(run_until([&] { return member(3).driver->core().config().members.size() == 3; }));
    return first;
  }
  TestMember& member(PeerId id) { return *members_.at(id); }
  TestMember* leader() {
    for (auto& [id, member] : members_) {
      if (!cut.contains(id) && member->driver && !member->driver->failure() &&
          member->driver->core().role() == Role::leader)
        return member.get();
    }
    return nullptr;
  }

  struct Answers {
    size_t ok = 0;
    std::vector<Error> errors;
    size_t total() const { return ok + errors.size(); }
  };
  void propose(TestMember& member, Bytes command, Answers& answers) {
    member.driver->propose(std::move(command), [&answers](Result<Bytes> reply) {
      reply ? void(++answers.ok) : answers.errors.push_back(reply.error());
    });
  }
  void read(TestMember& member, Answers& answers, ReadKind kind = ReadKind::index) {
    member.driver->read(kind, [&answers](Result<> ready) {
      ready ? void(++answers.ok) : answers.errors.push_back(ready.error());
    });
  }
  // Proposes and waits; tries again, anywhere, until it is applied.
  void put(Bytes command) {
    bool applied = false;
    bool busy = false;
    EXPECT_TRUE(run_until([&] {
      TestMember* to = leader();
      if (!applied && !busy && to != nullptr) {
        busy = true;
        to->driver->propose(command, [&](Result<Bytes> reply) {
          applied = reply.has_value();
          busy = false;
        });
      }
      return applied;
    }));
  }
  bool same_everywhere() {
    for (auto& [id, member] : members_) {
      if (member->driver->replacing() ||
          member->machine.commands != members_.begin()->second->machine.commands)
        return false;
    }
    return true;
  }

  std::map<PeerId, std::unique_ptr<TestMember>> members_;
  std::set<PeerId> cut;  // neither hear nor are heard
  size_t log_entries_max = limits::kLogEntriesMax;
  bool lease_reads = false;
  size_t snapshots_sent = 0;
  size_t snapshots_to_break = 0;  // the stream of this many ends early
  std::vector<Result<>> snapshot_verdicts;
  struct Began {
    Index index;
    uint64_t chunk;
    bool operator==(const Began&) const = default;
  };
  std::vector<Began> snapshots_began;  // where the receiver wanted them to
};

void TestMember::send(const Message& message) {
  ++sent;
  test.loop_.post([&test = test, message] {
    auto to = test.members_.find(message.to);
    if (test.cut.contains(message.from) || test.cut.contains(message.to) || to == test.members_.end()) return;
    if (to->second->driver) to->second->driver->step(message);
  });
}

void TestMember::send_snapshot(Message offer, std::shared_ptr<SnapshotSource> source) {
  ++test.snapshots_sent;
  auto ended = [this, offer, source](Result<> verdict) {
    test.snapshot_verdicts.push_back(verdict);
    if (driver) driver->snapshot_sent(offer, source, verdict);
  };
  test.loop_.post([this, offer, source, ended]() mutable {
    auto found = test.members_.find(offer.to);
    if (test.cut.contains(offer.to) || found == test.members_.end() || !found->second->driver) {
      return ended(fail(Code::CONNECTION_LOST, "cut"));
    }
    Driver& to = *found->second->driver;
    auto incoming = to.receive_snapshot(offer);
    if (!incoming) return ended(std::unexpected(incoming.error()));
    test.snapshots_began.push_back({offer.snapshot->index, incoming->chunks});
    ASSERT_EQ(*source->seek(incoming->chunks), incoming->chunks);
    for (Bytes chunk = *source->next(); !chunk.empty(); chunk = *source->next()) {
      (void)incoming->sink->write(chunk);
      ++incoming->chunks;
      if (test.snapshots_to_break == 0) continue;
      --test.snapshots_to_break;
      to.abandon_snapshot(offer, *std::move(incoming));
      return ended(fail(Code::CONNECTION_LOST, "broken"));
    }
    to.install_snapshot(offer, incoming->sink, ended);
  });
}

TEST_F(DriverTest, AFounderAppliesWhatIsProposedAndServesReads) {
  TestMember& one = founder();
  Answers answers;
  one.driver->propose("a", [&](Result<Bytes> reply) { answers.ok += reply.has_value() && *reply == "a"; });
  read(one, answers);
  EXPECT_TRUE(run_until([&] { return answers.total() == 2; }));
  EXPECT_EQ(answers.ok, 2u);
  EXPECT_EQ(one.machine.commands.back(), "a");
  EXPECT_FALSE(one.driver->empty());
}

TEST_F(DriverTest, WhatWaitsWhileTheDiskWorksSharesOneSync) {
  TestMember& one = founder();
  run_for(20 * kMillisecond);
  int before = one.disk.syncs;
  Answers answers;
  for (int i = 0; i < 1000; ++i) propose(one, "x", answers);
  EXPECT_TRUE(run_until([&] { return answers.total() == 1000; }));
  EXPECT_EQ(answers.ok, 1000u);
  EXPECT_LE(one.disk.syncs - before, 3);
}

TEST_F(DriverTest, EveryMemberAppliesTheSame) {
  TestMember& one = group_of_three();
  Answers answers;
  for (int i = 0; i < 300; ++i) propose(one, fmt::format("{}", i), answers);
  read(one, answers);
  EXPECT_TRUE(run_until([&] { return answers.total() == 301; }));
  EXPECT_EQ(answers.ok, 301u);
  EXPECT_TRUE(run_until([&] { return same_everywhere(); }));
}

TEST_F(DriverTest, RarePathsLoseNothing) {
  static std::atomic<uint64_t> asked;
  asked = 0;
  // On both threads of every member: a mixed counter instead of a generator.
  buggify_hook = [](const char*) { return (++asked * 0x9e3779b97f4a7c15) >> 62 == 0; };
  group_of_three();
  cut = {3};
  for (int i = 0; i < 30; ++i) put(fmt::format("alone {}", i));
  cut.clear();
  Answers answers;
  for (int i = 0; i < 300; ++i) {
    propose(member(1), fmt::format("{}", i), answers);
    read(member(1), answers);
  }
  EXPECT_TRUE(run_until([&] { return answers.total() == 600; }));
  EXPECT_GT(answers.ok, 300u);
  for (const Error& error : answers.errors) EXPECT_EQ(error.code, Code::OVERLOADED) << error.to_string();
  EXPECT_TRUE(run_until([&] { return same_everywhere(); }));
  buggify_hook = nullptr;
  EXPECT_GT(asked.load(), 1000u);
  put("at last");
  EXPECT_TRUE(run_until([&] { return same_everywhere(); }));
}

// The member that was cut off does not know it, and must not answer from what it has.
TEST_F(DriverTest, AReadThatNoMajorityConfirmsIsNotServed) {
  TestMember& one = group_of_three();
  put("x");
  cut = {1};
  Answers answers;
  read(one, answers);
  EXPECT_TRUE(run_until([&] { return answers.total() == 1; }));
  EXPECT_EQ(answers.ok, 0u);
}

TEST_F(DriverTest, ALeaderWithALeaseServesReadsWhenNobodyHearsIt) {
  lease_reads = true;
  TestMember& one = group_of_three();
  put("x");
  bool served = false;
  for (int attempts = 0; attempts < 20 && !served; ++attempts) {  // a busy machine may be too late for it
    cut.clear();
    ASSERT_TRUE(run_until([&] { return one.driver->core().lease_end() > loop_.executor().now(); }));
    cut = {1};
    Answers answers;
    read(one, answers, ReadKind::lease);
    ASSERT_TRUE(run_until([&] { return answers.total() == 1; }));
    served = answers.ok == 1;
  }
  EXPECT_TRUE(served);
  run_for(70 * kMillisecond);
  Answers late;
  read(one, late, ReadKind::lease);
  EXPECT_TRUE(run_until([&] { return late.total() == 1; }));
  EXPECT_EQ(late.ok, 0u);
}

TEST_F(DriverTest, NoFollowerAcknowledgesWhatItsDiskHolds) {
  TestMember& one = group_of_three();
  cut = {3};
  put("x");
  member(2).disk.hold(true);
  Answers answers;
  propose(one, "y", answers);
  run_for(40 * kMillisecond);
  EXPECT_EQ(answers.ok, 0u);
  member(2).disk.hold(false);
  EXPECT_TRUE(run_until([&] { return answers.ok == 1; }));
}

TEST_F(DriverTest, ASnapshotThatIsNoLongerWantedIsNotInstalled) {
  TestMember& one = group_of_three();
  put("x");
  EXPECT_TRUE(run_until([&] { return same_everywhere(); }));
  TestMember& two = member(2);
  Message offer{.kind = MessageKind::snapshot,
                .from = 1,
                .to = 2,
                .term = one.driver->core().term(),
                .snapshot = one.driver->core().snapshot_meta(two.machine.applied())};
  std::shared_ptr<SnapshotSink> sink = *two.machine.restore(*offer.snapshot);
  std::optional<Result<>> verdict;
  two.driver->install_snapshot(offer, sink, [&](Result<> result) { verdict = result; });
  EXPECT_TRUE(run_until([&] { return verdict.has_value(); }));
  ASSERT_FALSE(*verdict);
  EXPECT_EQ(verdict->error().code, Code::UNAVAILABLE);
}

TEST_F(DriverTest, AChangeThatIsNotCommittedMayBeTakenBack) {
  TestMember& one = group_of_three();
  cut = {2, 3};
  auto members = one.driver->core().config().members;
  members.push_back({.peer = 4, .role = MemberRole::learner});
  one.driver->change_members(members, [](Result<>) {});
  run_for(10 * kMillisecond);
  EXPECT_EQ(one.driver->core().config().members.size(), 4u);
  EXPECT_EQ(one.driver->core().committed_config().members.size(), 3u);
  cut.clear();
  EXPECT_TRUE(run_until([&] { return one.driver->core().committed_config().members.size() == 4; }));
}

TEST_F(DriverTest, AFollowerTakesNeitherProposalsNorReadsNorChanges) {
  group_of_three();
  Answers answers;
  propose(member(2), "x", answers);
  read(member(2), answers);
  member(2).driver->change_members({}, [&](Result<> r) { answers.errors.push_back(r.error()); });
  ASSERT_EQ(answers.errors.size(), 3u);
  for (const Error& error : answers.errors) {
    EXPECT_EQ(error.code, Code::NOT_LEADER);
    EXPECT_EQ(error.applied, Applied::NO);
  }
}

TEST_F(DriverTest, ALeaderThatIsCutOffSaysMaybeAndTheCommandCanBeTriedElsewhere) {
  TestMember& one = group_of_three();
  cut = {1};
  Answers answers;
  propose(one, "lost", answers);
  Answers reads;
  read(one, reads);
  EXPECT_TRUE(run_until([&] { return answers.total() == 1 && reads.total() == 1; }));
  ASSERT_EQ(answers.errors.size(), 1u);
  EXPECT_EQ(answers.errors[0].code, Code::NOT_LEADER);
  EXPECT_EQ(answers.errors[0].applied, Applied::MAYBE);
  ASSERT_EQ(reads.errors.size(), 1u);
  EXPECT_EQ(reads.errors[0].applied, Applied::NO);
  put("again");
  cut.clear();
  EXPECT_TRUE(run_until([&] { return same_everywhere(); }));
  auto& commands = member(2).machine.commands;
  EXPECT_EQ(std::count(commands.begin(), commands.end(), "lost"), 0);
  EXPECT_EQ(std::count(commands.begin(), commands.end(), "again"), 1);
}

TEST_F(DriverTest, LeadershipIsHandedOver) {
  TestMember& one = group_of_three();
  ASSERT_TRUE(one.driver->transfer_leadership(kNobody));
  EXPECT_TRUE(run_until([&] { return leader() != nullptr && leader() != &one; }));
  put("after");
}

TEST_F(DriverTest, TheLogStaysSmallAndIsOpenedAgainAsItWas) {
  log_entries_max = 32;
  TestMember& one = founder();
  for (int round = 0; round < 20; ++round) {
    Answers answers;
    for (int i = 0; i < 25; ++i) propose(one, fmt::format("{} {}", round, i), answers);
    ASSERT_TRUE(run_until([&] { return answers.ok == 25; }));
  }
  EXPECT_TRUE(run_until(
      [&] { return one.driver->core().last_index() - one.driver->core().first_index() < log_entries_max; }));
  auto before = one.machine.commands;
  close(one);
  Durable durable = stored(one);
  EXPECT_LE(durable.entries.size(), 2 * log_entries_max);
  EXPECT_GT(durable.snapshot.index, 400u);
  open(one);
  put("after");
  before.resize(one.machine.commands.size());
  EXPECT_EQ(one.machine.commands.back(), "after");
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 500, one.machine.commands.begin()));
}

// It stops taking commands while its journal has room for what must be written, and goes on when there is
// more.
TEST_F(DriverTest, ANearlyFullDiskRefusesCommandsAndNothingElse) {
  TestMember& one = founder();
  run_for(20 * kMillisecond);
  one.disk.memory.bytes_max = 0;
  put(Bytes(36u << 10, 'x'));
  Answers answers;
  EXPECT_TRUE(run_until([&] {
    if (one.logs->short_of_room()) propose(one, "x", answers);
    return !answers.errors.empty();
  }));
  EXPECT_EQ(answers.errors.at(0).code, Code::OVERLOADED) << answers.errors[0].to_string();
  EXPECT_EQ(answers.errors[0].applied, Applied::NO);
  Answers reads;
  read(one, reads);
  EXPECT_TRUE(run_until([&] { return reads.ok == 1; }));
  EXPECT_FALSE(one.driver->failure());
  one.disk.memory.bytes_max = ~uint64_t{0};
  EXPECT_TRUE(run_until([&] { return !one.logs->short_of_room(); }));
  put("later");
}

TEST_F(DriverTest, AFollowerWithANearlyFullDiskTakesNoEntriesAndCatchesUp) {
  group_of_three();
  TestMember& three = member(3);
  three.disk.memory.bytes_max = 0;
  put(Bytes(36u << 10, 'x'));
  EXPECT_TRUE(run_until([&] { return three.logs->short_of_room(); }));
  put("later");
  Index taken = three.driver->core().last_index();
  put("and later");
  EXPECT_EQ(three.driver->core().last_index(), taken);
  EXPECT_FALSE(three.driver->failure());
  three.disk.memory.bytes_max = ~uint64_t{0};
  EXPECT_TRUE(run_until([&] { return same_everywhere() && three.machine.commands.back() == "and later"; }));
}

class FarBehind : public DriverTest {
 protected:
  // Member 3 hears nothing of 200 commands, of which the log keeps a few.
  void SetUp() override {
    log_entries_max = 32;
    group_of_three();
    cut = {3};
    for (int round = 0; round < 10; ++round) {
      Answers answers;
      for (int i = 0; i < 20; ++i) propose(member(1), fmt::format("{} {}", round, i), answers);
      ASSERT_TRUE(run_until([&] { return answers.total() == 20; }));
      ASSERT_EQ(answers.ok, 20u);
    }
    ASSERT_TRUE(run_until(
        [&] { return member(1).driver->core().first_index() > member(3).driver->core().last_index() + 1; }));
  }
  bool caught_up() {
    return run_until([&] { return same_everywhere(); });
  }
};

TEST_F(FarBehind, ItGetsASnapshotAndThenTheLog) {
  cut.clear();
  EXPECT_TRUE(caught_up());
  EXPECT_GE(snapshots_sent, 1u);
  Index after = member(3).machine.restored()->index + 1;
  EXPECT_TRUE(run_until([&] { return member(3).driver->core().first_index() == after; }));
  put("after");
  EXPECT_TRUE(caught_up());
}

TEST_F(FarBehind, AStreamThatBreaksIsFollowedByOneThatGoesOnWhereItEnded) {
  snapshots_to_break = 2;
  cut.clear();
  ASSERT_TRUE(run_until([&] { return snapshots_to_break == 1; }));
  put("meanwhile");
  EXPECT_TRUE(caught_up());
  const Index index = snapshots_began.at(0).index;
  EXPECT_EQ(snapshots_began, (std::vector<Began>{{index, 0}, {index, 1}, {index, 2}}));
}

TEST_F(FarBehind, ACopyThatTheLogHasOutrunIsNotSentAgain) {
  snapshots_to_break = 1;
  cut.clear();
  ASSERT_TRUE(run_until([&] { return snapshots_to_break == 0; }));
  const Index index = snapshots_began.at(0).index;
  cut = {3};
  while (member(1).driver->core().first_index() <= index + 1) put("more");
  cut.clear();
  EXPECT_TRUE(caught_up());
  EXPECT_GT(snapshots_began.at(1).index, index);
  EXPECT_EQ(snapshots_began.at(1).chunk, 0u);
  EXPECT_EQ(snapshots_began.size(), 2u);
}

TEST_F(FarBehind, AnotherLeaderBeginsAnew) {
  snapshots_to_break = 1;
  cut.clear();
  ASSERT_TRUE(run_until([&] { return snapshots_to_break == 0; }));
  cut = {3};
  ASSERT_TRUE(run_until([&] { return member(1).driver->transfer_leadership(2).has_value(); }));
  ASSERT_TRUE(run_until([&] { return member(2).driver->core().role() == Role::leader; }));
  cut.clear();
  EXPECT_TRUE(caught_up());
  EXPECT_EQ(snapshots_began.at(1).chunk, 0u);
}

TEST_F(FarBehind, ASnapshotThatIsRefusedAsDamagedHarmsNobody) {
  member(3).machine.fail_finish = Error(Code::CORRUPT, "a chunk is damaged");
  cut.clear();
  // Others may be refused before it.
  EXPECT_TRUE(run_until([&] {
    return std::ranges::any_of(snapshot_verdicts,
                               [](const Result<>& v) { return !v && v.error().code == Code::CORRUPT; });
  }));
  EXPECT_FALSE(member(3).driver->failure());
  member(3).machine.fail_finish.reset();
  EXPECT_TRUE(caught_up());
}

TEST_F(FarBehind, ADiskThatFailsWhileTheStateIsReplacedStopsTheMember) {
  member(3).machine.fail_finish = Error(Code::IO, "the disk is broken");
  cut.clear();
  ASSERT_TRUE(run_until([&] { return member(3).driver->failure().has_value(); }));
  EXPECT_EQ(member(3).failures.size(), 1u);
  put("the others go on");
}

TEST_F(FarBehind, OnlyTheLeadersSnapshotIsTaken) {
  Message offer{.kind = MessageKind::snapshot,
                .from = 2,
                .to = 3,
                .term = member(3).driver->core().term(),
                .snapshot = member(1).driver->core().snapshot_meta(member(1).machine.applied())};
  cut.clear();
  ASSERT_TRUE(run_until([&] { return member(3).driver->core().leader() == 1; }));
  offer.snapshot->index += 1000;
  offer.term = member(3).driver->core().term();
  auto sink = member(3).driver->receive_snapshot(offer);
  ASSERT_FALSE(sink);
  EXPECT_EQ(sink.error().code, Code::UNAVAILABLE);
}

TEST_F(FarBehind, ACrashBetweenTheRestoreAndTheLogsResetIsRepairedWhenOpened) {
  member(3).machine.finished = [&] { member(3).disk.fail_writes = true; };
  cut.clear();
  ASSERT_TRUE(run_until([&] { return member(3).driver->failure().has_value(); }));
  member(3).machine.finished = [] {};
  EXPECT_FALSE(snapshot_verdicts.at(0));
  close(member(3));
  member(3).disk.fail_writes = false;
  ASSERT_LT(stored(member(3)).snapshot.index, member(3).machine.applied());
  open(member(3));
  EXPECT_EQ(member(3).driver->core().first_index(), member(3).machine.restored()->index + 1);
  EXPECT_TRUE(caught_up());
}

TEST_F(FarBehind, AnInstallThatWaitsForAWriteThatFailsIsAnswered) {
  TestMember& three = member(3);
  three.disk.hold(true);
  // A new term has to be written before the snapshot can be installed.
  Message offer{.kind = MessageKind::snapshot,
                .from = 1,
                .to = 3,
                .term = three.driver->core().term() + 1,
                .snapshot = member(1).driver->core().snapshot_meta(member(1).machine.applied())};
  auto sink = three.driver->receive_snapshot(offer);
  ASSERT_TRUE(sink) << sink.error().to_string();
  run_for(5 * kMillisecond);
  std::vector<Result<>> installed;
  three.driver->install_snapshot(offer, sink->sink, [&](Result<> r) { installed.push_back(r); });
  run_for(5 * kMillisecond);
  EXPECT_TRUE(three.driver->replacing());
  ASSERT_TRUE(installed.empty());
  three.disk.fail_writes = true;
  three.disk.hold(false);
  EXPECT_TRUE(run_until([&] { return !installed.empty(); }));
  EXPECT_EQ(installed.at(0).error().code, Code::IO);
  EXPECT_TRUE(three.driver->failure());
  EXPECT_FALSE(three.machine.restored());
  close(three);
}

class Failing : public DriverTest {
 protected:
  // What waits when the fault shows, what comes after it, and that the driver is quiet and closes.
  void expect_fail_stop(TestMember& one, Answers& answers, size_t expected) {
    EXPECT_TRUE(run_until([&] { return answers.total() == expected; }));
    EXPECT_EQ(answers.ok, 0u);
    for (const Error& error : answers.errors) EXPECT_EQ(error.code, Code::IO) << error.to_string();
    ASSERT_EQ(one.failures.size(), 1u);
    size_t sent = one.sent;
    size_t applied = one.machine.applied();
    Answers later;
    propose(one, "later", later);
    read(one, later);
    one.driver->change_members({}, [&](Result<> r) { later.errors.push_back(r.error()); });
    EXPECT_EQ(one.driver->transfer_leadership(kNobody).error().code, Code::IO);
    EXPECT_EQ(one.driver->leader(), kNobody);
    run_for(100 * kMillisecond);
    EXPECT_EQ(later.errors.size(), 3u);
    EXPECT_EQ(one.failures.size(), 1u);
    EXPECT_EQ(one.sent, sent) << "a member that failed still speaks";
    EXPECT_EQ(one.machine.applied(), applied);
  }
};

TEST_F(Failing, ALogThatCannotBeWrittenAnswersAllThatWait) {
  TestMember& one = founder();
  one.disk.hold(true);
  Answers answers;
  for (int i = 0; i < 10; ++i) propose(one, "in the write", answers);
  run_for(5 * kMillisecond);
  for (int i = 0; i < 10; ++i) propose(one, "behind it", answers);
  run_for(5 * kMillisecond);
  one.disk.fail_writes = true;
  one.disk.hold(false);
  expect_fail_stop(one, answers, 20);
  for (const Error& error : answers.errors) EXPECT_EQ(error.applied, Applied::MAYBE);
}

TEST_F(Failing, TheOthersElectALeaderAndLoseNothing) {
  TestMember& one = group_of_three();
  put("before");
  one.disk.fail_writes = true;
  Answers answers;
  propose(one, "perhaps", answers);
  expect_fail_stop(one, answers, 1);
  cut = {1};
  put("after");
  const auto& commands = leader()->machine.commands;
  EXPECT_EQ(std::count(commands.begin(), commands.end(), "before"), 1);
  EXPECT_EQ(commands.back(), "after");
}

TEST_F(Failing, AStateMachineThatCannotApplyStopsTheMember) {
  TestMember& one = founder();
  one.machine.fail_apply = true;
  Answers answers;
  propose(one, "x", answers);
  expect_fail_stop(one, answers, 1);
}

// It is in the logs of others, who go on: also an error that by itself means "not applied" leaves a doubt.
TEST_F(Failing, WhatWasProposedIsInDoubtWhateverStoppedTheMember) {
  TestMember& one = group_of_three();
  put("before");
  one.machine.fail_code = Code::CORRUPT;
  one.machine.fail_apply = true;
  Answers answers;
  propose(one, "perhaps", answers);
  EXPECT_TRUE(run_until([&] { return answers.total() == 1; }));
  ASSERT_EQ(answers.errors.size(), 1u);
  EXPECT_EQ(answers.errors[0].code, Code::CORRUPT);
  EXPECT_EQ(answers.errors[0].applied, Applied::MAYBE);
  cut = {1};
  put("after");
  const auto& commands = leader()->machine.commands;
  EXPECT_EQ(std::count(commands.begin(), commands.end(), "perhaps"), 1);
}

TEST_F(Failing, AStateThatCannotBeFlushedStopsTheMember) {
  log_entries_max = 16;
  TestMember& one = founder();
  one.machine.fail_flush = true;
  Answers ignored;
  for (int i = 0; i < 40; ++i) propose(one, "x", ignored);
  EXPECT_TRUE(run_until([&] { return one.driver->failure().has_value(); }));
  Answers none;
  expect_fail_stop(one, none, 0);
}

TEST_F(Failing, ALaneThatTakesNoMoreStopsTheMemberAndItCloses) {
  TestMember& one = founder();
  one.disk.hold(true);
  Answers answers;
  propose(one, "x", answers);
  run_for(5 * kMillisecond);
  while (one.disk_lane->submit([] {}, [] {})) {
  }
  propose(one, "y", answers);
  run_for(5 * kMillisecond);
  one.disk.hold(false);
  EXPECT_TRUE(run_until([&] { return answers.total() == 2; }));
  close(one);
}

TEST_F(DriverTest, ALaneThatIsFullFromTheStartStopsTheMemberAndItCloses) {
  TestMember& one = founder();
  run_for(5 * kMillisecond);
  one.disk.hold(true);
  ASSERT_TRUE(one.disk_lane->submit([&] { one.disk.wait(); }, [] {}));
  while (one.disk_lane->submit([] {}, [] {})) {
  }
  Answers answers;
  propose(one, "x", answers);
  EXPECT_TRUE(run_until([&] { return answers.total() == 1; }));
  EXPECT_EQ(answers.errors.at(0).code, Code::OVERLOADED);
  one.disk.hold(false);
  close(one);
}

TEST_F(DriverTest, ClosingAnswersWhatWaitsOnceAndKeepsWhatWasWritten) {
  TestMember& one = group_of_three();
  run_for(20 * kMillisecond);
  one.disk.hold(true);
  Answers answers;
  for (int i = 0; i < 100; ++i) propose(one, "x", answers);
  run_for(5 * kMillisecond);
  for (int i = 0; i < 100; ++i) propose(one, "y", answers);
  for (int i = 0; i < 10; ++i) read(one, answers);
  bool closed = false;
  one.driver->close([&] { closed = true; });
  EXPECT_EQ(answers.total(), 210u);
  EXPECT_EQ(answers.ok, 0u);
  for (const Error& error : answers.errors) EXPECT_EQ(error.code, Code::SHUTDOWN);
  Answers late;
  propose(one, "z", late);
  read(one, late);
  ASSERT_EQ(late.errors.size(), 2u);
  EXPECT_EQ(late.errors[0].applied, Applied::NO);
  run_for(20 * kMillisecond);
  EXPECT_FALSE(closed) << "closed before its write ended";
  one.disk.hold(false);
  EXPECT_TRUE(run_until([&] { return closed; }));
  one.driver.reset();
  put("after");
  EXPECT_EQ(answers.total(), 210u);
}

TEST_F(DriverTest, ClosingWhileASnapshotIsInstalledFinishesIt) {
  log_entries_max = 16;
  group_of_three();
  cut = {3};
  Answers answers;
  for (int i = 0; i < 100; ++i) propose(member(1), "x", answers);
  ASSERT_TRUE(run_until([&] { return member(1).driver->core().first_index() > 50; }));
  cut.clear();
  ASSERT_TRUE(run_until([&] { return member(3).driver->replacing() || member(3).machine.restored(); }));
  close(member(3));
  ASSERT_TRUE(member(3).machine.restored());
  EXPECT_EQ(stored(member(3)).snapshot.index, member(3).machine.restored()->index);
  open(member(3));
  EXPECT_TRUE(run_until([&] { return same_everywhere(); }));
}

TEST_F(DriverTest, AStateThatDoesNotFitItsLogIsRefusedAsCorrupt) {
  TestMember& one = founder();
  put("a");
  put("b");
  close(one);
  auto refused = [&] {
    rt::ThreadLane lane(loop_);
    DriverOptions options;
    options.core.self = 1;
    auto driver = Driver::open(loop_.executor(), lane, *one.log, one.machine, one, std::move(options));
    return driver ? Code::OK : driver.error().code;
  };
  one.machine.set_applied(one.machine.applied() + 1);
  EXPECT_EQ(refused(), Code::CORRUPT);
  LogJournal::Batch batch{.group = kGroup, .writes = {}};
  batch.writes.push_back(
      {.compact = SnapshotMeta{.index = 2, .term = 1, .config = {.members = {as_member(1)}}, .time = 0}});
  ASSERT_TRUE(one.logs->write(std::span(&batch, 1)));
  one.machine.set_applied(1);
  EXPECT_EQ(refused(), Code::CORRUPT);
}

}  // namespace
}  // namespace aspen::raft
