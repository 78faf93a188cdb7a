#include "core/lab/kv_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "core/kv/state_machine.h"
#include "core/store/store.h"

namespace aspen::lab {
namespace {

// A store that answers, and whose log a test writes. Index 0 is before the first entry.
class RealStore {
 public:
  RealStore() : machine_(*kv::StateMachine::open(store::open_memory())) {}

  kv::WriteReply apply(const Operation::Write& write) {
    Bytes reply = append(raft::EntryKind::command, kv::encode(write.command()));
    return *kv::decode_write_reply(reply);
  }
  void skip() { append(raft::EntryKind::noop, {}); }
  kv::GetReply get(BytesView key) const { return *machine_->get({Bytes(key)}); }
  kv::RangeReply range(const kv::RangeRequest& request) const { return *machine_->range(request); }
  // Does what the other's next entry did.
  void follow(const RealStore& other) {
    if (log_.size() < other.log_.size()) apply_entry(other.log_[log_.size()]);
  }

 private:
  Bytes append(raft::EntryKind kind, Bytes data) {
    return apply_entry(std::make_shared<const raft::Entry>(
        raft::Entry{.index = log_.size() + 1, .term = 1, .kind = kind, .data = std::move(data)}));
  }
  Bytes apply_entry(const raft::EntryPtr& entry) {
    log_.push_back(entry);
    return (*machine_->apply({&entry, 1}))[0];
  }

  std::unique_ptr<kv::StateMachine> machine_;
  std::vector<raft::EntryPtr> log_;
};

// --- by hand ---

class KvCheck : public ::testing::Test {
 protected:
  static Operation::Write put(BytesView key, BytesView value) {
    return {.ops = {{.key = Bytes(key), .value = Bytes(value)}}};
  }
  static Operation::Write erase(BytesView key) {
    return {.ops = {{.kind = kv::Op::Kind::erase, .key = Bytes(key)}}};
  }

  size_t begin(Operation::Call call) { return *history.invoke(clients++, ++now, std::move(call)); }
  void end(size_t id, kv::WriteReply reply) { history.succeed(id, ++now, std::move(reply)); }
  void doubt(size_t id) { history.fail(id, ++now, Error(Code::CONNECTION_LOST, Applied::MAYBE, "")); }
  void refuse(size_t id) { history.fail(id, ++now, Error(Code::NOT_LEADER, Applied::NO, "")); }
  kv::WriteReply write(const Operation::Write& call) {
    size_t id = begin(call);
    kv::WriteReply reply = store.apply(call);
    end(id, reply);
    return reply;
  }
  void read(BytesView key) { read_as(key, store.get(key)); }
  void read_as(BytesView key, kv::GetReply reply, node::Freshness freshness = {}) {
    size_t id = begin(Operation::Get{.key = Bytes(key), .freshness = freshness});
    history.succeed(id, ++now, std::move(reply));
  }
  void range() {
    size_t id = begin(Operation::Range{});
    history.succeed(id, ++now, store.range({}));
  }
  void expect_linearizable() {
    KvReport report = check_kv(history);
    EXPECT_TRUE(report.linearizable()) << report.rule << ": " << report.text;
  }
  KvReport expect_violation(std::string_view rule) {
    KvReport report = check_kv(history);
    EXPECT_EQ(report.kind, Verdict::Kind::violation) << history.text();
    EXPECT_EQ(report.rule, rule) << report.text;
    return report;
  }

  RealStore store;
  History history;
  uint64_t clients = 1;
  TimeNs now = 0;
};

TEST_F(KvCheck, AcceptsWhatAStoreDoes) {
  expect_linearizable();
  write(put("a", "1"));
  read("a");
  write({.conditions = {{Condition::Kind::absent, "b"}},
         .ops = {{.key = "b", .value = "2"}, {.kind = kv::Op::Kind::erase, .key = "a"}}});
  write({.conditions = {{Condition::Kind::absent, "b"}}, .ops = {{.key = "b", .value = "3"}}});
  range();
  read("a");
  store.skip();
  write(put("a", "4"));
  read("a");
  expect_linearizable();
}

TEST_F(KvCheck, RefusesAStaleRead) {
  write(put("a", "1"));
  kv::GetReply old = store.get("a");
  write(put("a", "2"));
  read_as("a", old);
  KvReport report = expect_violation("real-time");
  EXPECT_NE(report.text.find("#1"), std::string::npos) << report.text;
  EXPECT_NE(report.text.find("#2"), std::string::npos) << report.text;
}

TEST_F(KvCheck, AcceptsAStaleReadThatWasAskedFor) {
  write(put("a", "1"));
  kv::GetReply old = store.get("a");
  write(put("a", "2"));
  read_as("a", old, node::kAnyAge);
  read("a");
  expect_linearizable();
  old.record->value = "2";
  read_as("a", old, node::kAnyAge);
  expect_violation("wrong-answer");
}

TEST_F(KvCheck, RefusesAReadThatIsOlderThanItWasAskedToBe) {
  write(put("a", "1"));
  kv::GetReply old = store.get("a");
  write(put("a", "2"));
  now += 1000;
  read_as("a", old, {node::Freshness::Kind::stale, 1100});
  expect_linearizable();
  read_as("a", old, {node::Freshness::Kind::stale, 900});
  KvReport report = expect_violation("too-old");
  EXPECT_NE(report.text.find("#1"), std::string::npos) << report.text;
  EXPECT_NE(report.text.find("#3"), std::string::npos) << report.text;
}

TEST_F(KvCheck, RefusesAReadThatClaimsToBeNewerThanItIs) {
  write(put("a", "1"));
  kv::GetReply old = store.get("a");
  old.revision = write(put("a", "2")).revision;
  read_as("a", old);
  KvReport report = expect_violation("wrong-answer");
  EXPECT_NE(report.text.find("\"a\" is \"2\""), std::string::npos) << report.text;
}

TEST_F(KvCheck, RefusesALostUpdate) {
  write(put("a", "1"));
  Operation::Write swap{.conditions = {{Condition::Kind::mod_revision_equals, "a", {}, 1}},
                        .ops = {{.key = "a", .value = "2"}}};
  kv::WriteReply first = write(swap);
  size_t second = begin(swap);
  first.revision = 3;
  end(second, first);
  expect_violation("wrong-answer");
}

TEST_F(KvCheck, RefusesWritesInAnOrderThatTimeContradicts) {
  size_t a = begin(put("a", "1"));
  end(a, {.succeeded = true, .revision = 9, .results = {{}}});
  size_t b = begin(put("b", "1"));
  end(b, {.succeeded = true, .revision = 8, .results = {{}}});
  expect_violation("real-time");
}

TEST_F(KvCheck, RefusesTwoCommandsAtOneRevision) {
  size_t a = begin(put("a", "1"));
  size_t b = begin(put("b", "1"));
  end(a, {.succeeded = true, .revision = 9, .results = {{}}});
  end(b, {.succeeded = true, .revision = 9, .results = {{}}});
  expect_violation("revision-reused");
}

TEST_F(KvCheck, RefusesADirtyRead) {
  size_t a = begin(put("a", "1"));
  store.apply(put("a", "1"));
  read("a");
  refuse(a);
  KvReport report = expect_violation("not-applied-took-effect");
  EXPECT_NE(report.text.find("#0"), std::string::npos) << report.text;
}

TEST_F(KvCheck, RefusesAWriteThatWasAppliedTwice) {
  write(put("a", "1"));
  store.apply(put("a", "1"));
  read("a");
  expect_violation("applied-twice");
}

TEST_F(KvCheck, AWriteInDoubtMayComeLate) {
  size_t lost = begin(put("a", "1"));
  doubt(lost);
  read("a");
  write(put("a", "2"));
  read("a");
  store.apply(put("a", "1"));
  read("a");
  read("a");
  expect_linearizable();
  store.apply(put("a", "1"));
  read("a");
  KvReport report = expect_violation("applied-twice");
  EXPECT_NE(report.text.find("maybe"), std::string::npos) << report.text;
}

TEST_F(KvCheck, AnEraseInDoubtMayComeOnceWithoutBeingSeenAtARevision) {
  write({.ops = {{.key = "a", .value = "1"}, {.key = "b", .value = "1"}}});
  doubt(begin(Operation::Write{
      .ops = {{.kind = kv::Op::Kind::erase, .key = "a"}, {.kind = kv::Op::Kind::erase, .key = "b"}}}));
  range();
  store.apply(
      {.ops = {{.kind = kv::Op::Kind::erase, .key = "a"}, {.kind = kv::Op::Kind::erase, .key = "b"}}});
  read("b");
  write(put("a", "2"));
  range();
  expect_linearizable();
  store.apply(erase("a"));
  read("a");
  expect_violation("wrong-answer");
}

TEST_F(KvCheck, AnEraseInDoubtNeedsAFreePlaceInTheLog) {
  write(put("a", "1"));
  doubt(begin(erase("a")));
  read_as("a", {std::nullopt, 1});
  expect_violation("wrong-answer");
}

TEST_F(KvCheck, RefusesAWriteThatIsSeenBeforeItBegan) {
  store.apply(put("a", "1"));
  read("a");
  doubt(begin(put("a", "1")));
  expect_violation("never-written");
}

TEST_F(KvCheck, RefusesHalfATransaction) {
  Operation::Write both{.ops = {{.key = "a", .value = "1"}, {.key = "b", .value = "1"}}};
  doubt(begin(both));
  store.apply(put("a", "1"));
  read("a");
  read("b");
  expect_violation("wrong-answer");
}

TEST_F(KvCheck, RefusesARangeThatLeavesOutAKey) {
  write(put("a", "1"));
  write(put("b", "1"));
  kv::RangeReply reply = store.range({});
  reply.entries.pop_back();
  size_t id = begin(Operation::Range{});
  history.succeed(id, ++now, reply);
  expect_violation("wrong-answer");
}

TEST_F(KvCheck, SaysWhenItGivesUp) {
  write(put("a", "1"));
  read("a");
  KvReport report = check_kv(history, 1);
  EXPECT_EQ(report.kind, Verdict::Kind::unknown);
  EXPECT_EQ(report.rule, "kKvStepsMax");
}

// Small histories, each in a file whose name begins with the verdict.
TEST(KvCheckFiles, AreDecided) {
  size_t count = 0;
  for (const auto& item :
       std::filesystem::directory_iterator(ASPEN_SOURCE_DIR "/core/lab/testdata/histories")) {
    std::ifstream file(item.path());
    std::stringstream text;
    text << file.rdbuf();
    auto history = History::parse(text.str());
    ASSERT_TRUE(history) << item.path() << ": " << history.error().to_string();
    KvReport report = check_kv(*history);
    bool linearizable = item.path().filename().string().starts_with("linearizable-");
    EXPECT_EQ(report.kind, linearizable ? Verdict::Kind::linearizable : Verdict::Kind::violation)
        << item.path() << ": " << report.rule << ": " << report.text;
    EXPECT_LE(report.steps, 4 * history->size()) << item.path();
    ++count;
  }
  EXPECT_GE(count, 10u);
}

// --- generated ---

struct Mix {
  size_t operations = 0;
  size_t clients = 1;
  size_t keys = 3;
  uint64_t doubt_one_in = 10;
  bool distinct_values = true;
  uint64_t skip_one_in = 15;  // log indexes that no client's write has
  bool revisions = true;      // in conditions
  uint64_t read_one_in = 2;
  uint64_t erase_one_in = 3;
};

// Clients of a real store: each operation takes effect somewhere between its call and its return. Of those
// left in doubt some happen at once, some much later, some never.
class Generator {
 public:
  Generator(uint64_t seed, Mix mix) : random_(seed), mix_(mix), running_(mix.clients) {}

  enum class Plant : uint8_t { nothing, lost_write, stale_read, applied_twice, reordered };

  // With the violation planted when half of the operations have begun.
  History run(Plant plant = Plant::nothing) {
    bool planted = false;
    while (history_.size() < mix_.operations ||
           std::ranges::any_of(running_, [](auto& r) { return r.busy; })) {
      step(running_[below(mix_.clients)]);
      if (!planted && history_.size() >= mix_.operations / 2) {
        planted = true;
        this->plant(plant);
      }
      if (below(mix_.skip_one_in) == 0) store_.skip();
      if (below(3) == 0) lagging_.follow(store_);
      if (!late_.empty() && below(10) == 0) {
        store_.apply(late_.back());
        late_.pop_back();
      }
    }
    return std::move(history_);
  }

 private:
  struct Running {
    bool busy = false;
    bool effective = false;
    size_t id = 0;
    std::optional<Operation::Call> answered;
  };

  uint64_t below(uint64_t n) { return random_() % n; }
  Bytes key() { return "k" + std::to_string(below(mix_.keys)); }
  Bytes value() { return std::to_string(mix_.distinct_values ? ++values_ : below(3)); }

  Operation::Write write() {
    Operation::Write write;
    if (below(3) == 0) {
      Bytes k = key();
      std::optional<kv::Record> record = last_seen(k);
      auto kind = static_cast<Condition::Kind>(1 + below(mix_.revisions ? 4 : 3));
      write.conditions.push_back({kind, k});
      Condition& condition = write.conditions.back();
      if (kind == Condition::Kind::value_equals) condition.value = record ? record->value : "0";
      if (kind == Condition::Kind::mod_revision_equals)
        condition.revision = record ? record->mod_revision : 0;
    }
    for (size_t n = 1 + below(5) / 4; n > 0; --n) {
      Bytes k = key();
      if (!write.ops.empty() && write.ops[0].key == k) continue;
      if (below(mix_.erase_one_in) == 0) {
        write.ops.push_back({.kind = kv::Op::Kind::erase, .key = k});
      } else {
        write.ops.push_back({.key = k, .value = value()});
      }
    }
    return write;
  }

  // What some client was told of the key last.
  std::optional<kv::Record> last_seen(BytesView key) const {
    for (size_t id = history_.size(); id-- > 0;) {
      const auto* get = std::get_if<Operation::Get>(&history_.at(id).call);
      if (get != nullptr && history_.at(id).ok() && get->key == key) return get->reply.record;
    }
    return std::nullopt;
  }

  node::Freshness freshness() { return below(8) == 0 ? node::kAnyAge : node::Freshness{}; }

  Operation::Call call() {
    if (below(mix_.read_one_in) < mix_.read_one_in - 1) return write();
    if (below(4) != 0) return Operation::Get{.key = key(), .freshness = freshness()};
    return Operation::Range{.request = {.start = below(2) == 0 ? "" : key(),
                                        .limit = static_cast<uint32_t>(below(4)),
                                        .reverse = below(2) == 0,
                                        .keys_only = below(4) == 0},
                            .freshness = freshness()};
  }

  void step(Running& r) {
    if (!r.busy) {
      if (history_.size() >= mix_.operations) return;
      r = {.busy = true, .id = *history_.invoke(static_cast<uint64_t>(&r - running_.data()), ++now_, call())};
      return;
    }
    const Operation& op = history_.at(r.id);
    if (!r.effective) {
      r.effective = true;
      if (op.write() != nullptr && below(mix_.doubt_one_in) == 0) {
        if (below(2) == 0) {
          late_.push_back(*op.write());
        } else if (below(2) == 0) {
          history_.fail(r.id, ++now_, Error(Code::NOT_LEADER, Applied::NO, ""));
          r.busy = false;
          return;
        }
        return give_up(r);
      }
      answer(r, op);
      return;
    }
    r.busy = false;
    if (op.write() != nullptr && below(mix_.doubt_one_in) == 0) return give_up(r);
    std::visit([&](auto& done) { history_.succeed(r.id, ++now_, std::move(done.reply)); }, *r.answered);
  }

  size_t begin(Operation::Call call) { return *history_.invoke(mix_.clients, ++now_, std::move(call)); }
  template <typename Reply>
  void end(size_t id, Reply reply) {
    history_.succeed(id, ++now_, std::move(reply));
  }

  // One more client is served by a wrong store.
  void plant(Plant plant) {
    if (plant == Plant::nothing) return;
    Bytes k = key();
    Operation::Write put{.ops = {{.key = k, .value = value()}}};
    Operation::Write next{.ops = {{.key = k, .value = value()}}};
    size_t first = begin(put);
    kv::GetReply before = store_.get(k);
    switch (plant) {
      case Plant::nothing:
        break;
      case Plant::lost_write:
        store_.skip();
        end(first, kv::WriteReply{
                       .succeeded = true,
                       .revision = store_.get(k).revision,
                       .results = {{.existed = before.record.has_value(),
                                    .previous_revision = before.record ? before.record->mod_revision : 0}}});
        end(begin(Operation::Get{.key = k}), store_.get(k));
        break;
      case Plant::stale_read:
        end(first, store_.apply(put));
        end(begin(Operation::Get{.key = k}), before);
        break;
      case Plant::applied_twice:
        end(first, store_.apply(put));
        store_.apply(put);
        end(begin(Operation::Get{.key = k}), store_.get(k));
        break;
      case Plant::reordered: {
        kv::WriteReply later = store_.apply(next);
        end(first, store_.apply(put));
        end(begin(next), later);
        break;
      }
    }
  }

  void give_up(Running& r) {
    r.busy = false;
    if (below(2) == 0) history_.fail(r.id, ++now_, Error(Code::CONNECTION_LOST, Applied::MAYBE, ""));
  }

  void answer(Running& r, const Operation& op) {
    RealStore& store = op.stale() ? lagging_ : store_;
    r.answered = op.call;
    if (auto* write = std::get_if<Operation::Write>(&*r.answered)) write->reply = store.apply(*write);
    if (auto* get = std::get_if<Operation::Get>(&*r.answered)) get->reply = store.get(get->key);
    if (auto* range = std::get_if<Operation::Range>(&*r.answered)) range->reply = store.range(range->request);
  }

  std::mt19937_64 random_;
  Mix mix_;
  RealStore store_;
  RealStore lagging_;
  History history_;
  std::vector<Running> running_;
  std::vector<Operation::Write> late_;
  uint64_t values_ = 0;
  TimeNs now_ = 0;
};

TEST(KvCheckGenerated, AcceptsEveryHistoryOfARealStore) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    History history = Generator(seed, {.operations = 80,
                                       .clients = 1 + seed % 6,
                                       .keys = 1 + seed % 4,
                                       .doubt_one_in = 4 + seed % 10,
                                       .distinct_values = seed % 4 != 0})
                          .run();
    KvReport report = check_kv(history);
    ASSERT_TRUE(report.linearizable()) << "seed " << seed << " " << report.rule << ": " << report.text << "\n"
                                       << history.text();
  }
}

// Few free log indexes, many writes in doubt: which of them took which index must be found out.
constexpr Mix kCrowded = {.operations = 300, .clients = 5, .keys = 8, .doubt_one_in = 5, .skip_one_in = 1000};

TEST(KvCheckGenerated, DecidesWhereHiddenWritesCompeteForLogIndexes) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    KvReport report = check_kv(Generator(seed, kCrowded).run());
    ASSERT_TRUE(report.linearizable()) << "seed " << seed << " " << report.rule << ": " << report.text;
    ASSERT_LT(report.steps, 100'000u) << "seed " << seed;
  }
}

// Puts over puts, seldom read: where the hidden ones are is told by versions, long after.
TEST(KvCheckGenerated, FindsHiddenPutsByTheirNumber) {
  constexpr Mix kPuts = {.operations = 3000,
                         .clients = 5,
                         .keys = 100,
                         .doubt_one_in = 12,
                         .skip_one_in = 30,
                         .read_one_in = 10,
                         .erase_one_in = 1'000'000};
  for (uint64_t seed = 0; seed < 40; ++seed) {
    KvReport report = check_kv(Generator(seed, kPuts).run());
    ASSERT_TRUE(report.linearizable()) << "seed " << seed << " " << report.rule << ": " << report.text;
    ASSERT_LT(report.steps, 6'000u) << "seed " << seed;
  }
}

TEST(KvCheckGenerated, FindsAPlantedViolationAmongManyHiddenWrites) {
  using Plant = Generator::Plant;
  const std::vector<std::pair<Plant, std::string_view>> plants = {{Plant::lost_write, "wrong-answer"},
                                                                  {Plant::stale_read, "real-time"},
                                                                  {Plant::applied_twice, "applied-twice"},
                                                                  {Plant::reordered, "real-time"}};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (auto [plant, rule] : plants) {
      KvReport report = check_kv(Generator(seed, kCrowded).run(plant));
      EXPECT_EQ(report.kind, Verdict::Kind::violation)
          << "seed " << seed << ": planted " << rule << ", found " << report.rule;
      EXPECT_EQ(report.rule, rule) << "seed " << seed << ": " << report.text;
    }
  }
}

// --- the reference: every place for every write in doubt, replayed in a real store ---

class Reference {
 public:
  explicit Reference(const History& history) : history_(history) {
    for (size_t id = 0; id < history.size(); ++id) {
      const Operation& op = history.at(id);
      if (op.ambiguous()) doubts_.push_back(id);
      if (!op.ok()) continue;
      uint64_t revision = std::visit([](const auto& call) { return call.reply.revision; }, op.call);
      last_ = std::max(last_, revision);
      if (op.write() == nullptr) {
        reads_.emplace_back(revision, id);
      } else if (!log_.emplace(revision, id).second) {
        impossible_ = true;
      }
    }
  }
  bool linearizable() { return !impossible_ && last_ < 60 && try_from(0); }

 private:
  bool try_from(size_t doubt) {
    if (doubt == doubts_.size()) return explained();
    if (try_from(doubt + 1)) return true;
    for (uint64_t revision = 1; revision <= last_; ++revision) {
      auto [it, free] = log_.emplace(revision, doubts_[doubt]);
      if (!free) continue;
      if (try_from(doubt + 1)) return true;
      log_.erase(revision);
    }
    return false;
  }

  bool in_time() const {
    std::vector<std::pair<uint64_t, size_t>> places;  // a read after the write at its revision
    for (auto [revision, id] : log_) places.emplace_back(2 * revision, id);
    for (auto [revision, id] : reads_) places.emplace_back(2 * revision + 1, id);
    for (auto [place, id] : places) {
      for (auto [other_place, other] : places) {
        bool before = place < other_place && !history_.at(id).stale();
        if (before && history_.at(other).returned < history_.at(id).invoked) return false;
      }
    }
    return true;
  }

  bool explained() const {
    if (!in_time()) return false;
    RealStore store;
    for (uint64_t revision = 0; revision <= last_; ++revision) {
      auto entry = log_.find(revision);
      if (entry != log_.end() && revision > 0) {
        const Operation& op = history_.at(entry->second);
        kv::WriteReply reply = store.apply(*op.write());
        if (op.ok() && reply != op.write()->reply) return false;
      } else if (revision > 0) {
        store.skip();
      }
      for (auto [at, id] : reads_) {
        if (at == revision && !answers(store, history_.at(id))) return false;
      }
    }
    return !log_.contains(0);
  }

  static bool answers(const RealStore& store, const Operation& op) {
    if (const auto* get = std::get_if<Operation::Get>(&op.call)) return store.get(get->key) == get->reply;
    const auto& range = std::get<Operation::Range>(op.call);
    return store.range(range.request) == range.reply;
  }

  const History& history_;
  std::map<uint64_t, size_t> log_;
  std::vector<std::pair<uint64_t, size_t>> reads_;
  std::vector<size_t> doubts_;
  uint64_t last_ = 0;
  bool impossible_ = false;
};

// Changes what one operation was answered, or when.
void mutate(History& history, std::mt19937_64& random) {
  std::vector<Operation> operations = history.operations();
  auto below = [&](uint64_t n) { return random() % n; };
  Operation& op = operations[below(operations.size())];
  if (!op.ok()) return;
  auto nudge = [&](uint64_t& number) { number = below(2) == 0 ? number + 1 : number - (number > 0 ? 1 : 0); };
  auto nudge_record = [&](kv::Record& record) {
    switch (below(4)) {
      case 0:
        return nudge(record.create_revision);
      case 1:
        return nudge(record.mod_revision);
      case 2:
        return nudge(record.version);
      default:
        record.value = std::to_string(below(8));
    }
  };
  std::visit(
      [&](auto& call) {
        if (below(3) == 0) nudge(call.reply.revision);
      },
      op.call);
  if (auto* get = std::get_if<Operation::Get>(&op.call)) {
    if (get->reply.record && below(2) == 0) nudge_record(*get->reply.record);
    if (below(3) == 0) get->reply.record.reset();
    if (below(6) == 0) get->freshness = get->freshness.stale() ? node::Freshness{} : node::kAnyAge;
  } else if (auto* range = std::get_if<Operation::Range>(&op.call)) {
    if (!range->reply.entries.empty() && below(2) == 0) nudge_record(range->reply.entries[0].record);
    if (!range->reply.entries.empty() && below(3) == 0) range->reply.entries.pop_back();
  } else {
    auto& write = std::get<Operation::Write>(op.call);
    if (below(4) == 0) {  // the answer is lost: in doubt now
      op.outcome = Operation::Outcome::maybe;
      op.returned = kStillOpen;
    } else if (below(8) == 0) {
      op.outcome = Operation::Outcome::not_applied;
    } else if (!write.reply.results.empty() && below(2) == 0) {
      write.reply.results[0].existed = !write.reply.results[0].existed;
      if (below(2) == 0) nudge(write.reply.results[0].previous_revision);
    }
    if (!op.ok()) write.reply = {};
  }
  // Rebuilt from text, for a history is only appended to.
  std::string text;
  for (const Operation& each : operations) text += to_line(each) + "\n";
  history = *History::parse(text);
}

// ASPEN_SEEDS=n tries that many.
TEST(KvCheckGenerated, AgreesWithTryingEveryPlace) {
  const char* asked = std::getenv("ASPEN_SEEDS");
  const uint64_t seeds = asked == nullptr ? 4000 : std::strtoull(asked, nullptr, 10);
  uint64_t refused = 0;
  uint64_t accepted = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    History history = Generator(seed, {.operations = 2 + seed % 6,
                                       .clients = 1 + seed % 3,
                                       .keys = 1 + seed % 2,
                                       .doubt_one_in = 3,
                                       .distinct_values = seed % 3 != 0,
                                       .skip_one_in = seed % 2 == 0 ? 15u : 1000u})
                          .run();
    std::mt19937_64 random(seed);
    for (size_t n = random() % 3; n > 0; --n) mutate(history, random);
    bool expected = Reference(history).linearizable();
    KvReport report = check_kv(history);
    (expected ? accepted : refused)++;
    ASSERT_EQ(report.kind, expected ? Verdict::Kind::linearizable : Verdict::Kind::violation)
        << "seed " << seed << " " << report.rule << ": " << report.text << "\n"
        << history.text();
  }
  EXPECT_GT(refused, seeds / 8);
  EXPECT_GT(accepted, seeds / 2);
}

// --- the generic checker, which knows of no revisions ---

using Contents = std::map<Bytes, Bytes>;

struct ContentsHash {
  size_t operator()(const Contents& contents) const {
    size_t hash = contents.size();
    for (const auto& [key, value] : contents) hash = hash * 31 + std::hash<Bytes>()(key + '=' + value);
    return hash;
  }
};

bool same(const Contents& contents, BytesView key, const std::optional<kv::Record>& record) {
  auto it = contents.find(Bytes(key));
  return it == contents.end() ? !record : record && record->value == it->second;
}

bool holds(const Contents& contents, const Condition& condition) {
  auto it = contents.find(condition.key);
  if (condition.kind == Condition::Kind::absent) return it == contents.end();
  if (condition.kind == Condition::Kind::present) return it != contents.end();
  return it != contents.end() && it->second == condition.value;
}

std::optional<Contents> after(Contents contents, const Operation& op) {
  if (const auto* get = std::get_if<Operation::Get>(&op.call)) {
    return same(contents, get->key, get->reply.record) ? std::optional(contents) : std::nullopt;
  }
  if (const auto* range = std::get_if<Operation::Range>(&op.call)) {
    bool all = std::ranges::all_of(range->reply.entries, [&](const kv::KeyRecord& entry) {
      return contents.contains(entry.key) &&
             (range->request.keys_only || contents.at(entry.key) == entry.record.value);
    });
    auto from = contents.lower_bound(range->request.start);
    auto in_it = static_cast<size_t>(std::distance(from, contents.end()));
    size_t most = range->request.limit == 0 ? in_it : std::min<size_t>(in_it, range->request.limit);
    return all && range->reply.entries.size() == most ? std::optional(contents) : std::nullopt;
  }
  const Operation::Write& write = *op.write();
  auto wrong = std::ranges::find_if_not(write.conditions, [&](auto& c) { return holds(contents, c); });
  bool succeeded = wrong == write.conditions.end();
  if (op.ok() && write.reply.succeeded != succeeded) return std::nullopt;
  if (!succeeded) {
    auto record = write.reply.current ? std::optional(write.reply.current->record) : std::nullopt;
    return !op.ok() || same(contents, wrong->key, record) ? std::optional(contents) : std::nullopt;
  }
  for (size_t i = 0; i < write.ops.size(); ++i) {
    const kv::Op& part = write.ops[i];
    if (op.ok() && write.reply.results.at(i).existed != contents.contains(part.key)) return std::nullopt;
    contents.erase(part.key);
    if (part.kind == kv::Op::Kind::put) contents.emplace(part.key, part.value);
  }
  return contents;
}

Verdict check_without_revisions(const History& history) {
  std::vector<size_t> ids;
  std::vector<Interval> intervals;
  for (size_t id = 0; id < history.size(); ++id) {
    const Operation& op = history.at(id);
    if (op.stale() || (!op.ok() && !op.ambiguous())) continue;
    ids.push_back(id);
    intervals.push_back({op.invoked, op.returned});
  }
  Model<Contents, ContentsHash> store{
      {}, [&](const Contents& contents, size_t i) { return after(contents, history.at(ids[i])); }};
  return check_linearizable(store, intervals);
}

TEST(KvCheckGenerated, AcceptsNothingThatTheGenericCheckerRefuses) {
  uint64_t refused = 0;
  uint64_t accepted = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    History history = Generator(seed, {.operations = 10 + seed % 30,
                                       .clients = 1 + seed % 4,
                                       .keys = 1 + seed % 3,
                                       .doubt_one_in = 4,
                                       .distinct_values = seed % 3 != 0,
                                       .revisions = false})
                          .run();
    std::mt19937_64 random(seed);
    for (size_t n = random() % 4; n > 0; --n) mutate(history, random);
    Verdict::Kind generic = check_without_revisions(history).kind;
    KvReport report = check_kv(history);
    ASSERT_NE(report.kind, Verdict::Kind::unknown) << "seed " << seed;
    (report.linearizable() ? accepted : refused)++;
    if (!report.linearizable()) continue;
    ASSERT_EQ(generic, Verdict::Kind::linearizable) << "seed " << seed << "\n" << history.text();
  }
  EXPECT_GT(accepted, 500u);
  EXPECT_GT(refused, 500u);
}

TEST(KvCheckGenerated, ALongHistoryOfManyClientsTakesFewSteps) {
  History history = Generator(1, {.operations = 10'000, .clients = 20, .keys = 50, .doubt_one_in = 50}).run();
  KvReport report = check_kv(history);
  EXPECT_TRUE(report.linearizable()) << report.text;
  EXPECT_LT(report.steps, 500'000u);
}

}  // namespace
}  // namespace aspen::lab
