#include "core/kv/draft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/kv/test_log.h"
#include "core/kv/test_model.h"

namespace aspen::kv {
namespace {

using Values = std::map<Bytes, Bytes, std::less<>>;

// A store that answers drafts: the model, one revision after the other.
class World {
 public:
  WriteReply commit(const Transaction& transaction) {
    return must(decode_write_reply(must(model_.run(transact(transaction), ++revision_))));
  }
  void put(BytesView key, BytesView value) { commit({.then = {kv::put(key, value)}}); }
  void erase(BytesView key) { commit({.then = {kv::erase(key)}}); }

  std::optional<Bytes> get(Draft& draft, BytesView key) {
    Draft::Found found = must(draft.get(key));
    if (!found.here) {
      const TestModel::State state = seen_by(draft);
      if (auto record = state.find(Bytes(key)); record != state.end()) found.record = record->second;
    }
    return found.record ? std::optional(found.record->value) : std::nullopt;
  }

  // All of the range, in pages.
  std::vector<std::pair<Bytes, Bytes>> range(Draft& draft, RangeRequest request) {
    std::vector<std::pair<Bytes, Bytes>> all;
    for (;;) {
      RangeRequest asked = must(draft.ask(request));
      RangeReply page = must(draft.merge(asked, answer(draft, asked)));
      for (KeyRecord& entry : page.entries) all.emplace_back(entry.key, entry.record.value);
      if (!page.more) return all;
      (request.reverse ? request.end : request.start) = page.continuation;
    }
  }

  Values values() const {
    Values values;
    for (const auto& [key, record] : model_.now) values[key] = record.value;
    return values;
  }
  uint64_t revision() const { return revision_; }
  bool changed_since(uint64_t revision, BytesView start, BytesView end) const {
    for (auto set = model_.changes.upper_bound(revision); set != model_.changes.end(); ++set) {
      for (const Event& event : set->second.events) {
        if (event.key >= start && before_end(event.key, end)) return true;
      }
    }
    return false;
  }

 private:
  TestModel::State seen_by(Draft& draft) {
    draft.began(revision_);
    return model_.at(draft.revision());
  }
  RangeReply answer(Draft& draft, const RangeRequest& request) {
    const TestModel::State state = seen_by(draft);
    RangeReply reply;
    std::vector<KeyRecord> in;
    for (const auto& [key, record] : state) {
      if (key >= request.start && before_end(key, request.end)) in.push_back({key, record});
    }
    if (request.reverse) std::ranges::reverse(in);
    if (request.limit != 0 && in.size() > request.limit) {
      in.resize(request.limit);
      reply.more = true;
      reply.continuation = request.reverse ? in.back().key : key_end(in.back().key);
    }
    reply.entries = std::move(in);
    return reply;
  }

  TestModel model_;
  uint64_t revision_ = 0;
};

TEST(Draft, SeesItsOwnChangesOverWhatWasThere) {
  World world;
  world.put("a", "1");
  world.put("b", "2");
  Draft draft;
  EXPECT_EQ(world.get(draft, "a"), "1");
  world.put("b", "later");
  EXPECT_EQ(world.get(draft, "b"), "2");
  ASSERT_TRUE(draft.put("a", "mine"));
  ASSERT_TRUE(draft.erase("b"));
  ASSERT_TRUE(draft.put("c", "new"));
  EXPECT_EQ(world.get(draft, "a"), "mine");
  EXPECT_EQ(world.get(draft, "b"), std::nullopt);
  EXPECT_EQ(world.range(draft, {}), (std::vector<std::pair<Bytes, Bytes>>{{"a", "mine"}, {"c", "new"}}));
  ASSERT_TRUE(draft.erase_range("a", "b"));
  EXPECT_EQ(world.get(draft, "a"), std::nullopt);
}

TEST(Draft, IsCarriedOutOnlyIfNothingItReadHasChanged) {
  for (bool disturbed : {false, true}) {
    World world;
    world.put("a", "1");
    Draft draft;
    EXPECT_EQ(world.get(draft, "absent"), std::nullopt);
    EXPECT_EQ(world.get(draft, "a"), "1");
    ASSERT_TRUE(draft.put("b", "2"));
    world.put(disturbed ? "absent" : "unread", "x");
    EXPECT_EQ(world.commit(draft.transaction()).succeeded, !disturbed);
    EXPECT_EQ(world.values().contains("b"), !disturbed);
  }
}

TEST(Draft, AGapOfARangeThatIsFilledIsAConflict) {
  World world;
  world.put("a1", "");
  world.put("a3", "");
  Draft draft;
  EXPECT_EQ(world.range(draft, {.start = "a", .end = "b"}).size(), 2u);
  ASSERT_TRUE(draft.put("sum", "2"));
  world.put("a2", "");
  EXPECT_FALSE(world.commit(draft.transaction()).succeeded);
}

TEST(Draft, WhatItWroteBlindlyIsNoConflict) {
  World world;
  Draft draft;
  ASSERT_TRUE(draft.put("k", "mine"));
  world.put("k", "theirs");
  EXPECT_EQ(world.get(draft, "k"), "mine");
  EXPECT_TRUE(world.commit(draft.transaction()).succeeded);
}

TEST(Draft, RefusesWhatNoTransactionCouldHold) {
  Draft draft;
  EXPECT_EQ(code_of(draft.put("", "v")), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(draft.get(Bytes(limits::kKeyBytesMax + 1, 'k'))), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(code_of(draft.erase_range("b", "a")), Code::INVALID_ARGUMENT);
  Bytes large(limits::kValueBytesMax, 'v');
  EXPECT_TRUE(draft.put("a", large));
  EXPECT_TRUE(draft.put("a", large));
  EXPECT_EQ(code_of(draft.put("b", large)), Code::LIMIT_EXCEEDED);
  EXPECT_TRUE(draft.put("a", ""));
  EXPECT_TRUE(draft.put("b", large));
  Draft many;
  for (size_t i = 0; i < limits::kTransactionOpsMax; ++i) ASSERT_TRUE(many.put(fmt::format("{}", i), ""));
  EXPECT_EQ(code_of(many.put("one more", "")), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(code_of(many.get("one more")), Code::LIMIT_EXCEEDED);
  EXPECT_TRUE(validate(many.transaction()));
}

TEST(Branch, NamesEveryKeyInConflict) {
  World world;
  world.put("p/a", "1");
  Draft branch("p/");
  branch.began(world.revision());
  EXPECT_EQ(world.get(branch, "p/a"), "1");
  ASSERT_TRUE(branch.put("p/b", "mine"));
  ASSERT_TRUE(branch.put("p/c", "mine"));
  world.put("p/a", "2");
  world.put("p/c", "theirs");
  WriteReply reply = world.commit(branch.transaction());
  EXPECT_FALSE(reply.succeeded);
  EXPECT_EQ(branch.conflicts(reply),
            (std::vector<Draft::Conflict>{{"p/a", key_end("p/a")}, {"p/c", key_end("p/c")}}));
}

TEST(Branch, IsOfItsPrefixOnly) {
  World world;
  world.put("o", "");
  world.put("p/a", "");
  world.put("q", "");
  Draft branch("p/");
  branch.began(world.revision());
  EXPECT_EQ(code_of(branch.get("o")), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(branch.put("q", "")), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(branch.erase_range("p/", "")), Code::INVALID_ARGUMENT);
  EXPECT_EQ(world.range(branch, {}), (std::vector<std::pair<Bytes, Bytes>>{{"p/a", ""}}));
}

TEST(Branch, OfABranchGivesItsChangesToIt) {
  World world;
  world.put("p/a", "1");
  auto outer = std::make_shared<Draft>("p/");
  outer->began(world.revision());
  ASSERT_TRUE(outer->put("p/x/b", "outer"));
  Draft inner = must(Draft::branch(outer, "p/x/"));
  EXPECT_EQ(world.get(inner, "p/x/b"), "outer");
  ASSERT_TRUE(inner.put("p/x/c", "inner"));
  EXPECT_EQ(world.get(*outer, "p/x/c"), std::nullopt);
  EXPECT_TRUE(must(inner.commit_into_parent()).empty());
  EXPECT_EQ(world.get(*outer, "p/x/c"), "inner");
  EXPECT_TRUE(world.commit(outer->transaction()).succeeded);
  EXPECT_EQ(world.values()["p/x/c"], "inner");
}

TEST(Branch, OfABranchConflictsWithLaterChangesOfThatOne) {
  World world;
  auto outer = std::make_shared<Draft>("p/");
  outer->began(world.revision());
  Draft inner = must(Draft::branch(outer, "p/"));
  Draft other = must(Draft::branch(outer, "p/"));
  EXPECT_EQ(world.get(inner, "p/a"), std::nullopt);
  ASSERT_TRUE(inner.put("p/mine", ""));
  ASSERT_TRUE(other.put("p/a", "1"));
  EXPECT_TRUE(must(other.commit_into_parent()).empty());
  EXPECT_EQ(must(inner.commit_into_parent()), (std::vector<Draft::Conflict>{{"p/a", key_end("p/a")}}));
  EXPECT_EQ(world.get(*outer, "p/mine"), std::nullopt);
}

TEST(Branch, WhatIsRefusedLeavesNothingInTheOtherOne) {
  auto outer = std::make_shared<Draft>("");
  outer->began(1);
  const Bytes large(1u << 20, 'v');
  const size_t fit = limits::kTransactionBytesMax / large.size();
  for (size_t i = 0; i + 2 < fit; ++i) ASSERT_TRUE(outer->put(fmt::format("{}", i), large));
  Draft inner = must(Draft::branch(outer, ""));
  ASSERT_TRUE(inner.put("large", large));
  // Each bound counts three times in a branch's transaction.
  const Bytes middle(4000, 'k');
  for (int i = 100; i < 160; ++i) {
    ASSERT_TRUE(inner.erase_range(fmt::format("{}{}a", i, middle), fmt::format("{}{}b", i, middle)));
  }
  const Transaction before = outer->transaction();
  EXPECT_EQ(code_of(inner.commit_into_parent()), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(outer->transaction(), before);
}

TEST(Branch, AreOnlySoDeep) {
  auto branch = std::make_shared<Draft>("");
  for (size_t depth = 1; depth < limits::kBranchDepthMax; ++depth) {
    branch = std::make_shared<Draft>(must(Draft::branch(branch, "")));
  }
  EXPECT_EQ(code_of(Draft::branch(branch, "")), Code::LIMIT_EXCEEDED);
}

// A draft, and what it must look like.
struct Checked {
  Draft draft;
  Values view;
  uint64_t base = 0;
  KeyRanges read;
  KeyRanges written;
};

class DraftProperty : public testing::TestWithParam<uint64_t> {};

Bytes some_key(std::mt19937_64& random) {
  Bytes key;
  for (size_t i = 1 + random() % 2; i > 0; --i) key.push_back(static_cast<char>('a' + random() % 4));
  return key;
}

void step(World& world, Checked& checked, std::mt19937_64& random) {
  Draft& draft = checked.draft;
  Bytes key = some_key(random);
  Bytes value = fmt::format("{}", random() % 100);
  RangeRequest range{.start = some_key(random), .end = random() % 4 == 0 ? Bytes() : some_key(random)};
  range.limit = static_cast<uint32_t>(random() % 4);
  range.reverse = random() % 2 == 0;
  switch (random() % 6) {
    case 0:
    case 1: {
      if (!checked.written.contains(key)) checked.read.add(key, key_end(key));
      auto expected = checked.view.find(key);
      EXPECT_EQ(world.get(draft, key),
                expected == checked.view.end() ? std::nullopt : std::optional(expected->second));
      break;
    }
    case 2: {
      if (!before_end(range.start, range.end)) break;
      std::vector<std::pair<Bytes, Bytes>> expected;
      for (const auto& [k, v] : checked.view) {
        if (k >= range.start && before_end(k, range.end)) expected.emplace_back(k, v);
      }
      if (range.reverse) std::ranges::reverse(expected);
      EXPECT_EQ(world.range(draft, range), expected);
      checked.read.add(range.start, range.end);
      break;
    }
    case 3:
      ASSERT_TRUE(draft.put(key, value));
      checked.view[key] = value;
      checked.written.add(key, key_end(key));
      break;
    case 4:
      ASSERT_TRUE(draft.erase(key));
      checked.view.erase(key);
      checked.written.add(key, key_end(key));
      break;
    default:
      if (!before_end(range.start, range.end)) break;
      ASSERT_TRUE(draft.erase_range(range.start, range.end));
      std::erase_if(checked.view, [&](const auto& entry) {
        return entry.first >= range.start && before_end(entry.first, range.end);
      });
      checked.written.add(range.start, range.end);
  }
}

TEST_P(DraftProperty, ReadsAreOfOneStateAndCommitsAreSerializable) {
  std::mt19937_64 random(GetParam());
  World world;
  for (int i = 0; i < 10; ++i) world.put(some_key(random), "0");
  size_t succeeded = 0;
  for (int round = 0; round < 40; ++round) {
    bool branch = random() % 2 == 0;
    Checked checked{.draft = branch ? Draft("") : Draft(), .view = world.values(), .base = world.revision()};
    checked.draft.began(world.revision());
    for (size_t i = random() % 12; i > 0; --i) {
      step(world, checked, random);
      if (random() % 12 == 0) world.put(some_key(random), "other");
      if (random() % 20 == 0) world.erase(some_key(random));
    }
    bool conflict = false;
    for (const auto& [start, rest] : checked.read.by_start()) {
      conflict = conflict || world.changed_since(checked.base, start, rest.end);
    }
    for (const auto& [start, rest] : checked.written.by_start()) {
      conflict = conflict || (branch && world.changed_since(checked.base, start, rest.end));
    }
    bool alone = world.revision() == checked.base;
    WriteReply reply = world.commit(checked.draft.transaction());
    ASSERT_EQ(reply.succeeded, !conflict) << round;
    EXPECT_EQ(checked.draft.conflicts(reply).empty(), reply.succeeded || !branch);
    if (alone) EXPECT_EQ(world.values(), checked.view);
    if (!conflict) ++succeeded;
  }
  EXPECT_GT(succeeded, 5u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DraftProperty, testing::Range<uint64_t>(1, 51));

}  // namespace
}  // namespace aspen::kv
