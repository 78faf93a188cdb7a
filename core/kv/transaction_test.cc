// What transactions do, one rule after the other; random ones are in state_machine_test.cc.
#include "core/kv/transaction.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/kv/test_log.h"

namespace aspen::kv {
namespace {

using Relation = Compare::Relation;
using Target = Compare::Target;

Op get(BytesView key) {
  return {.kind = Op::Kind::get, .key = Bytes(key)};
}
Op range(RangeRequest request) {
  return {.kind = Op::Kind::range, .range = std::move(request)};
}
Op erase_range(BytesView start, BytesView end, bool previous = false) {
  return {.kind = Op::Kind::erase_range,
          .previous = previous,
          .range = {.start = Bytes(start), .end = Bytes(end)}};
}
Op nested(Transaction transaction) {
  return {.kind = Op::Kind::transaction, .nested = {std::move(transaction)}};
}
Compare in_range(Compare compare, BytesView end) {
  compare.end = Bytes(end);
  return compare;
}

class TransactionTest : public testing::Test {
 protected:
  TransactionTest() {
    machine_->on_changes([this](Changes changes) {
      EXPECT_EQ(changes.upto, changes.after + 1);
      last_ = changes.sets.empty() ? ChangeSet() : changes.sets.at(0);
    });
  }

  WriteReply run(Transaction transaction) { return log_.run(*machine_, transact(std::move(transaction))); }
  Code refusal(Transaction transaction) { return log_.refusal(*machine_, transact(std::move(transaction))); }
  std::optional<Record> read(BytesView key) { return must(machine_->get({Bytes(key)})).record; }
  bool holds(Compare compare) { return run({.compares = {std::move(compare)}}).succeeded; }

  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
  ChangeSet last_;  // of the command before
};

TEST_F(TransactionTest, OperationsSeeTheOnesBefore) {
  run({.then = {put("a", "1"), put("c", "1")}});
  WriteReply reply = run({.then = {put("a", "2"), get("a"), put("b", "1"), range({}), erase("a"), get("a"),
                                   put("a", "3"), range({.reverse = true, .keys_only = true})}});
  ASSERT_EQ(reply.results.size(), 8u);
  EXPECT_EQ(reply.results[0], (OpResult{true, 1}));
  EXPECT_EQ(reply.results[1].record, (Record{"2", 1, 2, 2}));
  EXPECT_EQ(reply.results[2], (OpResult{false, 0}));
  ASSERT_EQ(reply.results[3].range.entries.size(), 3u);
  EXPECT_EQ(reply.results[3].range.entries[1], (KeyRecord{"b", {"1", 2, 2, 1}}));
  EXPECT_EQ(reply.results[3].range.revision, 2u);
  EXPECT_EQ(reply.results[4], (OpResult{true, 2}));
  EXPECT_EQ(reply.results[5].record, std::nullopt);
  EXPECT_EQ(reply.results[6], (OpResult{false, 0}));
  EXPECT_EQ(reply.results[7].range.entries[2], (KeyRecord{"a", {"", 2, 2, 1}}));
  EXPECT_EQ(read("a"), (Record{"3", 2, 2, 1}));
}

TEST_F(TransactionTest, TheVersionCountsEveryPut) {
  run({.then = {put("a", "1"), put("a", "2"), put("a", "3")}});
  EXPECT_EQ(read("a"), (Record{"3", 1, 1, 3}));
}

TEST_F(TransactionTest, AnEventIsTheNetChange) {
  run({.then = {put("b", "1"), put("b", "2"), put("a", "1"), put("x", ""), erase("x")}});
  EXPECT_EQ(last_, (ChangeSet{1,
                              {{Event::Kind::put, "a", Record{"1", 1, 1, 1}, {}},
                               {Event::Kind::put, "b", Record{"2", 1, 1, 2}, {}}}}));
  run({.then = {erase("b"), put("b", "3"), erase("a")}});
  EXPECT_EQ(last_, (ChangeSet{2,
                              {{Event::Kind::erase, "a", {}, Record{"1", 1, 1, 1}},
                               {Event::Kind::put, "b", Record{"3", 2, 2, 1}, Record{"2", 1, 1, 2}}}}));
  run({.then = {put("x", ""), erase("x"), erase("a"), get("b")}});
  EXPECT_EQ(last_, ChangeSet());
}

TEST_F(TransactionTest, TheOtherBranch) {
  run({.then = {put("a", "1")}});
  WriteReply reply = run({.compares = {key_present("a"), value_is("a", "2"), key_absent("a")},
                          .then = {put("b", "then")},
                          .otherwise = {put("b", "else"), get("a")}});
  EXPECT_FALSE(reply.succeeded);
  EXPECT_EQ(reply.failed_compare, 1u);
  EXPECT_EQ(reply.current, (KeyRecord{"a", {"1", 1, 1, 1}}));
  EXPECT_EQ(reply.results.size(), 2u);
  EXPECT_EQ(read("b")->value, "else");
  EXPECT_EQ(read("b")->mod_revision, 2u);
}

TEST_F(TransactionTest, NestedOnesCompareAtTheirPlace) {
  WriteReply reply = run({.then = {put("a", "1"),
                                   nested({.compares = {value_is("a", "1")},
                                           .then = {put("a", "2"), nested({.compares = {key_absent("a")},
                                                                           .then = {put("b", "")},
                                                                           .otherwise = {get("a")}})},
                                           .otherwise = {put("c", "")}}),
                                   get("a")}});
  EXPECT_TRUE(reply.results[1].succeeded);
  EXPECT_FALSE(reply.results[1].results[1].succeeded);
  EXPECT_EQ(reply.results[1].results[1].results[0].record->value, "2");
  EXPECT_EQ(reply.results[2].record, (Record{"2", 1, 1, 2}));
  EXPECT_EQ(read("b"), std::nullopt);
  EXPECT_EQ(read("c"), std::nullopt);
}

TEST_F(TransactionTest, WhatCannotBeDoneToItsEndIsNotBegun) {
  run({.then = {put("a", "1"), put("b", "1")}});
  Bytes before = must(machine_->fingerprint());
  // Another command of the same span comes first, and is not taken back.
  log_.append(write({put("a", "2"), put("c", "1")}));
  log_.append(write({put("a", "3"), erase("b"), put("d", "1"),
                     nested({.then = {put("a", "4"), erase_range("a", "z"), put("c", "2", 99)}})}));
  auto replies = log_.apply(*machine_, 1);
  EXPECT_TRUE(decode_write_reply(replies[0]));
  EXPECT_EQ(code_of(decode_write_reply(replies[1])), Code::NOT_FOUND);
  EXPECT_EQ(last_, ChangeSet());
  EXPECT_EQ(read("a"), (Record{"2", 1, 2, 2}));
  EXPECT_EQ(read("b"), (Record{"1", 1, 1, 1}));
  EXPECT_EQ(read("c"), (Record{"1", 2, 2, 1}));
  EXPECT_EQ(read("d"), std::nullopt);
  auto whole = open_machine();
  EXPECT_EQ(log_.apply(*whole).back(), replies[1]);
  EXPECT_EQ(must(whole->fingerprint()), must(machine_->fingerprint()));
  EXPECT_NE(must(machine_->fingerprint()), before);
}

TEST_F(TransactionTest, ThePreviousRecordsWhenAskedFor) {
  run({.then = {put("a", "1"), put("b", "2"), put("c", "3")}});
  Op replace = put("a", "4"), remove = erase("b"), missing = erase("x");
  replace.previous = remove.previous = missing.previous = true;
  WriteReply reply =
      run({.then = {replace, remove, missing, erase_range("a", "", true), erase_range("a", "")}});
  EXPECT_EQ(reply.results[0].record, (Record{"1", 1, 1, 1}));
  EXPECT_EQ(reply.results[1].record, (Record{"2", 1, 1, 1}));
  EXPECT_EQ(reply.results[2], (OpResult{false, 0}));
  EXPECT_EQ(reply.results[3].count, 2u);
  EXPECT_EQ(reply.results[3].erased, (std::vector<KeyRecord>{{"a", {"4", 1, 2, 2}}, {"c", {"3", 1, 1, 1}}}));
  EXPECT_EQ(reply.results[4].count, 0u);
}

TEST_F(TransactionTest, Relations) {
  run({.then = {put("k", "b")}});
  run({.then = {put("k", "b")}});
  auto compare = [&](Target target, Relation relation, Bytes value, uint64_t number, BytesView key = "k") {
    return holds({.target = target,
                  .relation = relation,
                  .key = Bytes(key),
                  .value = std::move(value),
                  .number = number});
  };
  EXPECT_TRUE(compare(Target::value, Relation::less, "ba", 0));
  EXPECT_FALSE(compare(Target::value, Relation::less, "b", 0));
  EXPECT_TRUE(compare(Target::value, Relation::greater, "a\xff", 0));
  EXPECT_TRUE(compare(Target::value, Relation::less, "\xff", 0));
  EXPECT_TRUE(compare(Target::value, Relation::not_equal, "", 0));
  EXPECT_TRUE(compare(Target::version, Relation::equal, "", 2));
  EXPECT_TRUE(compare(Target::create_revision, Relation::less, "", 2));
  EXPECT_TRUE(compare(Target::mod_revision, Relation::greater, "", 1));
  EXPECT_FALSE(compare(Target::mod_revision, Relation::not_equal, "", 2));
  EXPECT_TRUE(compare(Target::lease, Relation::equal, "", 0));
  // Of an absent key: no value at all, zeros else.
  for (Relation relation : {Relation::equal, Relation::not_equal, Relation::less, Relation::greater}) {
    EXPECT_FALSE(compare(Target::value, relation, "", 0, "x"));
  }
  EXPECT_TRUE(compare(Target::version, Relation::less, "", 1, "x"));
  EXPECT_TRUE(compare(Target::mod_revision, Relation::equal, "", 0, "x"));
}

TEST_F(TransactionTest, ComparesOfRanges) {
  run({.then = {put("a", "1"), put("b", "2"), put("c", "1")}});
  Compare ones{.target = Target::value, .key = "a", .value = "1"};
  EXPECT_FALSE(holds(in_range(ones, "c")));
  EXPECT_TRUE(holds(in_range(ones, "b")));
  EXPECT_TRUE(holds(in_range({.target = Target::value, .key = "x", .value = "1"}, "")));
  EXPECT_FALSE(holds(in_range({.target = Target::value, .key = "", .value = "1"}, "")));
  EXPECT_TRUE(holds(in_range(key_present("b"), "")));
  EXPECT_FALSE(holds(in_range(key_present("d"), "")));
  EXPECT_TRUE(holds(in_range(key_absent("d"), "")));
  EXPECT_FALSE(holds(in_range(key_absent("a"), "b")));
  WriteReply reply = run({.compares = {in_range(ones, "")}});
  EXPECT_EQ(reply.current, (KeyRecord{"b", {"2", 1, 1, 1}}));
}

TEST_F(TransactionTest, UnchangedSince) {
  auto since = [](BytesView key, uint64_t revision) {
    return Compare{.target = Target::unchanged_since, .key = Bytes(key), .number = revision};
  };
  run({.then = {put("a", "1"), put("b", "1")}});
  run({.then = {put("a", "2")}});
  EXPECT_FALSE(holds(since("a", 1)));
  EXPECT_TRUE(holds(since("a", 2)));
  EXPECT_TRUE(holds(since("b", 1)));
  EXPECT_FALSE(holds(in_range(since("a", 1), "c")));
  EXPECT_TRUE(holds(in_range(since("b", 1), "c")));
  // What the transaction itself did before counts as well.
  WriteReply reply = run({.then = {erase("b"), nested({.compares = {since("b", 5)}}),
                                   nested({.compares = {in_range(since("a", 5), "b")}})}});
  EXPECT_FALSE(reply.results[1].succeeded);
  EXPECT_TRUE(reply.results[2].succeeded);
}

TEST_F(TransactionTest, ItsReplyIsBounded) {
  run({.then = {put("a", Bytes(limits::kValueBytesMax - 1000, 'v'))}});
  EXPECT_EQ(refusal({.then = {put("b", ""), get("a"), get("a")}}), Code::OK);
  EXPECT_EQ(refusal({.then = {put("c", ""), get("a"), get("a"), get("a")}}), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(read("c"), std::nullopt);
}

TEST_F(TransactionTest, WhatOneRevisionChangesIsBounded) {
  for (size_t i = 0; i < 5; ++i) {
    std::vector<Op> ops;
    for (size_t j = 0; j < 2001; ++j) ops.push_back(put(std::to_string(i) + std::to_string(10'000 + j), ""));
    run({.then = std::move(ops)});
  }
  EXPECT_EQ(refusal({.then = {erase_range("", "")}}), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(refusal({.then = {erase_range("0", "2"), erase_range("2", "")}}), Code::LIMIT_EXCEEDED);
  EXPECT_TRUE(read("010000"));
  EXPECT_EQ(refusal({.then = {erase_range("0", "4")}}), Code::OK);
  EXPECT_EQ(must(machine_->range({})).entries.size(), 2001u);
}

TEST(TransactionValidate, NamesTheThingAndTheLimit) {
  auto refusal = [](const Transaction& transaction) {
    auto valid = validate(transaction);
    return valid ? "OK" : valid.error().to_string();
  };
  Transaction deep;
  for (size_t i = 0; i < limits::kTransactionDepthMax; ++i) deep = {.then = {nested(std::move(deep))}};
  EXPECT_EQ(refusal(deep), "OK");
  deep = {.otherwise = {nested(std::move(deep))}};
  EXPECT_EQ(refusal(deep), "LIMIT_EXCEEDED: transactions are over 8 inside each other");
  EXPECT_EQ(refusal({.then = {{.kind = Op::Kind::transaction}}}),
            "INVALID_ARGUMENT: a nested transaction is missing");
  EXPECT_EQ(refusal({.then = {range({.revision = 3})}}),
            "INVALID_ARGUMENT: a transaction reads its own state only; read revision 3 alone");
  EXPECT_EQ(refusal({.then = {erase_range("", Bytes(4098, 'k'))}}),
            "LIMIT_EXCEEDED: a bound of the range is 4098 bytes; at most 4097");
  EXPECT_EQ(refusal({.compares = {in_range(key_absent(""), "")}}), "OK");
  EXPECT_EQ(refusal({.compares = {key_absent("")}}), "INVALID_ARGUMENT: key is empty");
  Transaction half{.then = std::vector<Op>(2048, get("k"))};
  EXPECT_EQ(refusal({.then = {nested(half), nested({.otherwise = std::vector<Op>(2046, get("k"))})}}), "OK");
  EXPECT_EQ(refusal({.then = {nested(half), nested(half)}}),
            "LIMIT_EXCEEDED: transaction has 4098 compares and operations; at most 4096");
}

}  // namespace
}  // namespace aspen::kv
