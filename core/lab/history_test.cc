#include "core/lab/history.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

// Every kind of call, reply and outcome.
History sample() {
  History history;
  auto call = [&](uint64_t client, TimeNs now, Operation::Call c) {
    return *history.invoke(client, now, std::move(c));
  };
  size_t put = call(1, 10, Operation::Write{.ops = {{.key = "a b", .value = Bytes("\0\n\"", 3)}}});
  size_t txn =
      call(2, 10,
           Operation::Write{.conditions = {{Condition::Kind::absent, "x"},
                                           {Condition::Kind::present, "y"},
                                           {Condition::Kind::value_equals, "z", "v"},
                                           {Condition::Kind::mod_revision_equals, "z", {}, 7}},
                            .ops = {{.kind = kv::Op::Kind::erase, .key = "a"}, {.key = "b", .value = "2"}}});
  history.succeed(put, 11, kv::WriteReply{.succeeded = true, .revision = 3, .results = {{false, 0}}});
  history.succeed(
      txn, 12,
      kv::WriteReply{.revision = 4, .failed_compare = 1, .current = kv::KeyRecord{"y", {"r", 1, 2, 3}}});
  size_t get = call(1, 13, Operation::Get{.key = "a"});
  size_t none = call(3, 13, Operation::Get{.key = "b", .freshness = node::kAnyAge});
  size_t range = call(4, 13, Operation::Range{.request = {"a", "z", 5, true, true}});
  history.succeed(get, 14, kv::GetReply{kv::Record{"x", 3, 3, 1}, 9});
  history.succeed(none, 14, kv::GetReply{std::nullopt, 9});
  history.succeed(range, 15, kv::RangeReply{{{"k", {"", 1, 2, 3}}, {"j", {"", 4, 5, 6}}}, true, "j", 10});
  size_t whole = call(4, 16, Operation::Range{.freshness = node::kAnyAge});
  history.succeed(whole, 16, kv::RangeReply{{}, false, {}, 10});
  size_t refused = call(1, 17, Operation::Write{.ops = {{.key = "n", .value = "1"}}});
  size_t lost = call(2, 17, Operation::Write{.ops = {{.key = "m", .value = "1"}}});
  history.fail(refused, 18, Error(Code::NOT_LEADER, Applied::NO, "no"));
  history.fail(lost, 18, Error(Code::CONNECTION_LOST, Applied::MAYBE, "?"));
  call(5, 19, Operation::Write{});
  return history;
}

TEST(History, KeepsWhatHappenedInItsOrder) {
  History history = sample();
  const Operation& put = history.at(0);
  EXPECT_EQ(put.invoked, 0u);
  EXPECT_EQ(put.returned, 2u);
  EXPECT_TRUE(put.ok());
  EXPECT_FALSE(put.ambiguous());
  const Operation& refused = history.at(6);
  EXPECT_EQ(refused.outcome, Operation::Outcome::not_applied);
  EXPECT_FALSE(refused.ambiguous());
  const Operation& lost = history.at(7);
  EXPECT_TRUE(lost.ambiguous());
  EXPECT_EQ(lost.returned, kStillOpen) << "it may take effect after the client was told";
  EXPECT_EQ(lost.returned_at, 18);
  EXPECT_TRUE(history.at(8).ambiguous());
  EXPECT_EQ(history.at(8).returned_at, kNever);
}

TEST(History, IsReadBackAsItWasWritten) {
  History history = sample();
  auto parsed = History::parse(history.text());
  ASSERT_TRUE(parsed) << parsed.error().to_string() << "\n" << history.text();
  EXPECT_EQ(parsed->operations(), history.operations());
  EXPECT_EQ(parsed->text(), history.text());
  size_t next = *parsed->invoke(1, 20, Operation::Get{.key = "a"});
  EXPECT_EQ(parsed->at(next).invoked, history.at(8).invoked + 1);
}

TEST(History, LinesMayBeLeftOut) {
  std::string text = sample().text();
  std::string without_first = text.substr(text.find('\n') + 1);
  EXPECT_EQ(History::parse(without_first)->size(), sample().size() - 1);
}

TEST(History, RefusesTextThatIsNone) {
  const char* kRefused[] = {"1 2 3 4 5 ok get fresh",
                            "1 2 3 4 5 fine get fresh \"k\" 1 none",
                            "1 2 - 4 5 ok get fresh \"k\" 1 none",
                            "1 2 3 4 5 open get fresh \"k\"",
                            "1 2 2 4 5 ok get fresh \"k\" 1 none",
                            "1 2 3 4 5 ok get fresh \"k\" 1 none 7",
                            "1 2 3 4 5 ok write 0 1 put \"k\" \"v\" 1 done 0",
                            "1 2 3 4 5 ok write 1 absent \"k\" 0 1 failed 1 none",
                            "1 2 - 4 - open write 5000 absent \"k\" 0"};
  for (const char* line : kRefused) EXPECT_FALSE(History::parse(line)) << line;
  std::string text = sample().text();
  auto refused = History::parse(text + text);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "history line 10: invoked before the line above it");
}

TEST(History, IsBounded) {
  History history(1);
  ASSERT_TRUE(history.invoke(1, 0, Operation::Get{.key = "k"}));
  auto refused = history.invoke(1, 0, Operation::Get{.key = "k"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::LIMIT_EXCEEDED);
  EXPECT_EQ(history.size(), 1u);
}

TEST(History, IsDescribedForPeople) {
  History history = sample();
  EXPECT_EQ(
      describe(history.at(1)),
      "client 2 [0.000010 .. 0.000012 ms] if \"x\" is absent and \"y\" is present and \"z\" is \"v\" and "
      "\"z\" "
      "is at revision 7: erase \"a\", put \"b\" = \"2\" -> revision 4, condition 1 failed on \"r\" (revision "
      "2, created 1, version 3)");
  EXPECT_EQ(describe(history.at(3)),
            "client 3 [0.000013 .. 0.000014 ms] stale get \"b\" -> absent at revision 9");
  EXPECT_EQ(describe(history.at(7)), "client 2 [0.000017 .. 0.000018 ms] put \"m\" = \"1\" -> maybe");
}

}  // namespace
}  // namespace aspen::lab
