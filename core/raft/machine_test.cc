// A group that carries something other than the key-value store: a bank, through the public interface alone.
//
// Commands are text: "open", or "SESSION SEQUENCE deposit ACCOUNT AMOUNT" or "... move FROM TO AMOUNT". What
// is no command, or cannot be carried out, is an answer like any other. A query reads a balance,
// linearizably.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <sstream>

#include "core/raft/driver.h"
#include "core/raft/session_table.h"
#include "core/raft/test_log.h"
#include "core/raft/test_loop.h"

namespace aspen::raft {
namespace {

constexpr size_t kSessionsMax = 4;

// What survives the process: the state as it was flushed last.
struct BankDisk {
  Bytes state;
  std::optional<SnapshotMeta> restored;
};

class Bank final : public StateMachine {
 public:
  explicit Bank(BankDisk& disk) : disk_(disk) {
    if (!disk.state.empty()) EXPECT_TRUE(decode(disk.state));
  }

  int64_t balance(const std::string& account) const {
    auto it = accounts_.find(account);
    return it == accounts_.end() ? 0 : it->second;
  }
  int64_t sum() const {
    return std::accumulate(accounts_.begin(), accounts_.end(), int64_t{0},
                           [](int64_t sum, const auto& account) { return sum + account.second; });
  }

  Result<std::vector<Bytes>> apply(std::span<const EntryPtr> entries) override {
    std::vector<Bytes> replies;
    for (const EntryPtr& entry : entries) {
      replies.push_back(entry->kind == EntryKind::command ? answer(*entry) : Bytes());
      applied_ = entry->index;
    }
    return replies;
  }
  Index applied() const override { return applied_; }
  Result<Index> flush() override {
    disk_.state = encode();
    return applied_;
  }
  Result<std::unique_ptr<SnapshotSource>> snapshot() override { return std::make_unique<Source>(encode()); }
  Result<std::unique_ptr<SnapshotSink>> restore(const SnapshotMeta& meta) override {
    return std::make_unique<Sink>(*this, meta);
  }
  std::optional<SnapshotMeta> restored() const override { return disk_.restored; }
  Result<Bytes> fingerprint() override { return encode(); }

 private:
  Bytes answer(const Entry& entry) {
    std::istringstream words(entry.data);
    std::string first;
    words >> first;
    if (first == "open") return fmt::format("session {}", sessions_.open(entry.index));
    uint64_t session = std::strtoull(first.c_str(), nullptr, 10);
    uint64_t sequence = 0;
    words >> sequence;
    auto reply = sessions_.once(session, sequence, [&] { return carry_out(words); });
    return reply ? *reply : "refused: " + reply.error().to_string();
  }
  Bytes carry_out(std::istringstream& words) {
    std::string what, from, to;
    int64_t amount = 0;
    words >> what >> from;
    if (what == "move") words >> to;
    words >> amount;
    bool known = (what == "deposit" || what == "move") && !words.fail() && amount > 0;
    if (!known) return "refused: that is no command";
    if (what == "deposit") return fmt::format("{}", accounts_[from] += amount);
    if (balance(from) < amount) return fmt::format("refused: {} has only {}", from, balance(from));
    accounts_[to] += amount;
    return fmt::format("{}", accounts_[from] -= amount);
  }

  Bytes encode() const {
    wire::Writer writer;
    writer.u64(applied_);
    sessions_.encode(writer);
    writer.u64(accounts_.size());
    for (const auto& [account, balance] : accounts_) {
      writer.bytes(account);
      writer.i64(balance);
    }
    return writer.take();
  }
  Result<> decode(BytesView state) {
    wire::Reader reader(state);
    applied_ = reader.u64();
    sessions_.decode(reader);
    accounts_.clear();
    for (size_t n = reader.count(10'000, "accounts"); n > 0 && reader.ok(); --n) {
      std::string account(reader.bytes(100, "account"));
      accounts_[account] = reader.i64();
    }
    return reader.finish("bank");
  }

  struct Source final : SnapshotSource {
    explicit Source(Bytes state) : state(std::move(state)) {}
    Result<Bytes> next() override {
      return state.substr(std::min(state.size(), 16 * std::exchange(at, at + 1)), 16);
    }
    Result<uint64_t> seek(uint64_t) override { return at = 0; }
    Bytes state;
    size_t at = 0;
  };
  struct Sink final : SnapshotSink {
    Sink(Bank& bank, SnapshotMeta meta) : bank(bank), meta(std::move(meta)) {}
    Result<> write(BytesView chunk) override {
      state += chunk;
      return {};
    }
    Result<> finish() override {
      BankDisk nothing;
      Bank check(nothing);
      if (!check.decode(state) || check.applied() != meta.index) {
        return fail(Code::CORRUPT, "the bank's snapshot is damaged");
      }
      bank.disk_ = {.state = state, .restored = meta};
      return bank.decode(state);
    }
    Bank& bank;
    SnapshotMeta meta;
    Bytes state;
  };

  BankDisk& disk_;
  std::map<std::string, int64_t> accounts_;
  SessionTable sessions_{kSessionsMax};
  std::atomic<Index> applied_{0};
};

class BankGroup;

struct Branch final : Transport, TestLog {
  Branch(BankGroup& group, PeerId id) : group(group), id(id) {}
  void send(const Message& message) override;
  void send_snapshot(Message offer, std::shared_ptr<SnapshotSource> source) override;

  BankGroup& group;
  PeerId id;
  BankDisk bank_disk;
  std::unique_ptr<Bank> bank;
  std::unique_ptr<rt::Lane> background;
  std::unique_ptr<Driver> driver;
};

class BankGroup : public testing::Test, public TestLoop {
 public:
  void SetUp() override {
    for (PeerId id : {1, 2, 3}) open(id);
    branch(1).driver->bootstrap(as_member(1));
    for (PeerId last : {2, 3}) {
      std::vector<Member> members;
      for (PeerId id = 1; id <= last; ++id) members.push_back(as_member(id));
      bool changed = false, asked = false;
      EXPECT_TRUE(run_until([&] {
        if (!asked && !changed && leader() != nullptr) {
          asked = true;
          leader()->driver->change_members(members,
                                           [&](Result<> r) { changed = r.has_value(), asked = false; });
        }
        return changed;
      }));
    }
  }
  void TearDown() override {
    for (PeerId id : {1, 2, 3}) close(id);
  }

  void open(PeerId id) {
    auto& slot = branches_[id];
    if (!slot) slot = std::make_unique<Branch>(*this, id);
    slot->open_log(loop_, id);
    slot->bank = std::make_unique<Bank>(slot->bank_disk);
    slot->background = std::make_unique<rt::ThreadLane>(loop_);
    DriverOptions options{
        .core = {.self = id, .heartbeat = 10 * kMillisecond, .election = 80 * kMillisecond}};
    options.core.random = [this] { return loop_.executor().env().random_u64(); };
    options.log_entries_max = 24;
    slot->driver = *Driver::open(loop_.executor(), *slot->background, *slot->log, *slot->bank, *slot,
                                 std::move(options));
  }
  // The process ends, in order or not: what was not flushed is gone.
  void close(PeerId id) {
    Branch& it = branch(id);
    if (!it.driver) return;
    bool closed = false;
    it.driver->close([&] { closed = true; });
    EXPECT_TRUE(run_until([&] { return closed; }));
    it.driver.reset();
    it.close_log();
    it.background.reset();
  }
  static Member as_member(PeerId id) {
    Member member{.peer = id, .node = {}, .address = fmt::format("b{}:1", id), .role = MemberRole::voter};
    member.node.key[0] = static_cast<uint8_t>(id);
    return member;
  }
  Branch& branch(PeerId id) { return *branches_.at(id); }
  Branch* leader() {
    for (auto& [id, it] : branches_) {
      if (!cut.contains(id) && it->driver && it->driver->core().role() == Role::leader) return it.get();
    }
    return nullptr;
  }
  // The answer to a command, asked for until there is one.
  Bytes ask(Bytes command) {
    std::optional<Bytes> answer;
    bool asked = false;
    EXPECT_TRUE(run_until([&] {
      Branch* to = leader();
      if (!answer && !asked && to != nullptr) {
        asked = true;
        to->driver->propose(command, [&](Result<Bytes> reply) {
          if (reply) answer = *reply;
          asked = false;
        });
      }
      return answer.has_value();
    }));
    return answer.value_or("");
  }
  int64_t balance(const std::string& account, PeerId at) {
    std::optional<int64_t> seen;
    bool asked = false;
    EXPECT_TRUE(run_until([&] {
      if (!seen && !asked) {
        asked = true;
        branch(at).driver->read(ReadKind::member, [&](Result<> ready) {
          if (ready) seen = branch(at).bank->balance(account);
          asked = false;
        });
      }
      return seen.has_value();
    }));
    return seen.value_or(-1);
  }
  bool equal() {
    return run_until([&] {
      for (PeerId id : {1, 2, 3}) {
        if (branch(id).driver->replacing()) return false;
        if (*branch(id).bank->fingerprint() != *branch(1).bank->fingerprint()) return false;
      }
      return true;
    });
  }
  std::string open_session() { return ask("open").substr(8); }

  std::map<PeerId, std::unique_ptr<Branch>> branches_;
  std::set<PeerId> cut;
  size_t snapshots = 0;
};

void Branch::send(const Message& message) {
  group.loop_.post([&group = group, message] {
    Branch& to = group.branch(message.to);
    if (group.cut.contains(message.from) || group.cut.contains(message.to) || !to.driver) return;
    to.driver->step(message);
  });
}

void Branch::send_snapshot(Message offer, std::shared_ptr<SnapshotSource> source) {
  group.loop_.post([this, offer, source]() mutable {
    auto ended = [this, offer, source](Result<> verdict) {
      if (driver) driver->snapshot_sent(offer, source, verdict);
    };
    Branch& to = group.branch(offer.to);
    if (group.cut.contains(offer.to) || !to.driver) return ended(fail(Code::CONNECTION_LOST, "cut"));
    auto incoming = to.driver->receive_snapshot(offer);
    if (!incoming) return ended(std::unexpected(incoming.error()));
    ASSERT_EQ(*source->seek(0), 0u);
    for (Bytes chunk = *source->next(); !chunk.empty(); chunk = *source->next()) {
      (void)incoming->sink->write(chunk);
    }
    ++group.snapshots;
    to.driver->install_snapshot(offer, incoming->sink, ended);
  });
}

TEST_F(BankGroup, MoneyMovesTheSameEverywhere) {
  std::string session = open_session();
  EXPECT_EQ(ask(session + " 1 deposit ann 100"), "100");
  EXPECT_EQ(ask(session + " 2 move ann bob 30"), "70");
  std::mt19937 random(4);
  for (int i = 3; i < 60; ++i) {
    const char* names[] = {"ann", "bob", "cid"};
    ask(fmt::format("{} {} move {} {} {}", session, i, names[random() % 3], names[random() % 3],
                    1 + random() % 50));
  }
  ASSERT_TRUE(equal());
  EXPECT_EQ(branch(2).bank->sum(), 100);
}

TEST_F(BankGroup, WhatCannotBeCarriedOutIsAnAnswer) {
  std::string session = open_session();
  EXPECT_EQ(ask(session + " 1 deposit ann 5"), "5");
  EXPECT_EQ(ask(session + " 2 move ann bob 6"), "refused: ann has only 5");
  EXPECT_EQ(ask(session + " 3 burn ann 5"), "refused: that is no command");
  EXPECT_EQ(ask(session + " 4 deposit ann -5"), "refused: that is no command");
  EXPECT_TRUE(ask(Bytes("\xff\0\1", 3)).starts_with("refused: "));
  EXPECT_TRUE(ask("").starts_with("refused: "));
  ASSERT_TRUE(equal());
  for (PeerId id : {1, 2, 3}) EXPECT_FALSE(branch(id).driver->failure());
  EXPECT_EQ(ask(session + " 5 deposit ann 1"), "6");
}

TEST_F(BankGroup, ACommandThatIsSentAgainIsCarriedOutOnce) {
  std::string session = open_session();
  EXPECT_EQ(ask(session + " 1 deposit ann 100"), "100");
  EXPECT_EQ(ask(session + " 1 deposit ann 100"), "100");
  EXPECT_EQ(ask(session + " 2 deposit ann 1"), "101");
  EXPECT_TRUE(ask(session + " 1 deposit ann 100").starts_with("refused: INVALID_ARGUMENT"));
  // With too many others in between it is forgotten, and says so.
  for (size_t i = 0; i < kSessionsMax; ++i) open_session();
  EXPECT_TRUE(ask(session + " 2 deposit ann 1").starts_with("refused: SESSION_EXPIRED"));
  ASSERT_TRUE(equal());
  EXPECT_EQ(branch(3).bank->sum(), 101);
}

TEST_F(BankGroup, EveryMemberAnswersQueriesWithWhatIsCommitted) {
  std::string session = open_session();
  for (int i = 1; i <= 10; ++i) {
    ask(fmt::format("{} {} deposit ann 10", session, i));
    for (PeerId id : {1, 2, 3}) EXPECT_EQ(balance("ann", id), 10 * i);
  }
}

TEST_F(BankGroup, ABranchThatWasAwayGetsASnapshotWithItsSessions) {
  std::string session = open_session();
  EXPECT_EQ(ask(session + " 1 deposit ann 100"), "100");
  ASSERT_TRUE(equal());
  cut = {3};
  for (int i = 2; i < 80; ++i) ask(fmt::format("{} {} deposit ann 1", session, i));
  ASSERT_TRUE(run_until([&] { return leader()->driver->core().first_index() > 40; }));
  cut.clear();
  ASSERT_TRUE(equal());
  EXPECT_GE(snapshots, 1u);
  // It knows what was carried out before the snapshot was taken.
  ASSERT_TRUE(run_until([&] {
    if (branch(3).driver->core().role() == Role::leader) return true;
    if (leader() != nullptr) (void)leader()->driver->transfer_leadership(3);
    return false;
  }));
  EXPECT_EQ(ask(session + " 79 deposit ann 1"), "178");
  EXPECT_EQ(balance("ann", 3), 178);
}

TEST_F(BankGroup, ARestartBringsTheStateForwardFromTheLog) {
  std::string session = open_session();
  for (int i = 1; i <= 40; ++i) ask(fmt::format("{} {} deposit ann 1", session, i));
  ASSERT_TRUE(equal());
  BankDisk flushed = branch(2).bank_disk;  // by compaction, somewhere on the way
  close(2);
  EXPECT_FALSE(flushed.state.empty());
  branch(2).bank_disk = flushed;
  open(2);
  ASSERT_TRUE(equal());
  EXPECT_EQ(branch(2).bank->balance("ann"), 40);
}

}  // namespace
}  // namespace aspen::raft
