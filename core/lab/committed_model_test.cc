// The model beside the log: it must see a reply, a change or a compaction that the commands do not explain,
// and what was told of a write that the log does not.
#include "core/lab/committed_model.h"

#include "core/lab/test_committed.h"

namespace aspen::lab {
namespace {

class CommittedModelTest : public CommittedTest {
 protected:
  // What another one says of an entry that was carried out so.
  struct Carried {
    kv::Command command;
    Bytes reply;
    std::optional<kv::ChangeSet> changes;
    uint64_t compacted = 0;
  };
  static std::string judge(const std::vector<Carried>& entries) {
    CommittedModel judge;
    uint64_t index = 0;
    for (const Carried& carried : entries) {
      const raft::Entry entry{.index = ++index, .term = 1, .data = kv::encode(carried.command)};
      judge.check(entry, carried.reply, carried.changes ? &*carried.changes : nullptr, carried.compacted);
    }
    return judge.failure();
  }
  static kv::Command put_a() { return {.transaction = {.then = {{.key = "a", .value = "1"}}}}; }
  static Carried put_a_carried(uint64_t index, bool again = false) {
    kv::WriteReply reply{.succeeded = true, .revision = index, .results = {{}}};
    kv::ChangeSet set{index, {{.key = "a", .record = kv::Record{"1", 1, index, index}}}};
    if (again) {
      reply.results[0] = {true, index - 1};
      set.events[0].previous = kv::Record{"1", 1, index - 1, index - 1};
    }
    return {put_a(), kv::encode(reply), set};
  }
};

TEST_F(CommittedModelTest, SeesWhatTheCommandsDoNotSay) {
  const Carried good = put_a_carried(1);
  EXPECT_EQ(judge({good}), "");
  EXPECT_EQ(judge({good, put_a_carried(2, true)}), "");
  Carried bad = good;
  bad.changes->events[0].record->value = "2";
  EXPECT_NE(judge({bad}), "");
  bad.changes.reset();
  EXPECT_NE(judge({bad}), "");
  bad = good;
  bad.reply = kv::encode(kv::WriteReply{.succeeded = true, .revision = 1});
  EXPECT_NE(judge({bad}), "");
  bad.reply = kv::encode_error_reply(Error(Code::QUOTA_EXCEEDED, "no room"));
  EXPECT_NE(judge({bad}), "");
  bad = good;
  bad.compacted = 1;
  EXPECT_NE(judge({bad}), "");
}

TEST_F(CommittedModelTest, SeesACommandThatIsCarriedOutAgain) {
  Carried first = put_a_carried(1), again = put_a_carried(2, true);
  for (Carried* carried : {&first, &again}) {
    carried->command.session = 7;
    carried->command.sequence = 1;
  }
  EXPECT_NE(judge({first, again}), "");
  again.reply = first.reply;
  again.changes.reset();
  EXPECT_EQ(judge({first, again}), "");
}

TEST_F(CommittedModelTest, SeesARefusalOfTheWrongQuota) {
  const kv::Command quota{.kind = kv::Command::Kind::quota_set, .prefix = "a", .bytes_max = 1};
  const Carried set{quota, kv::encode(kv::DoneReply{1, 0}), {}};
  Carried refused{put_a(), {}, {}};
  auto refuse = [&](Code code, const char* message) {
    refused.reply = kv::encode_error_reply(Error(code, message));
    return judge({set, refused});
  };
  EXPECT_EQ(refuse(Code::QUOTA_EXCEEDED,
                   "the keys with prefix \"a\" are 0 of at most 0, with 0 bytes of at most 1 (0: any)"),
            "");
  EXPECT_NE(refuse(Code::QUOTA_EXCEEDED,
                   "the keys with prefix \"\" are 0 of at most 0, with 0 bytes of at most 1 (0: any)"),
            "");
  EXPECT_NE(refuse(Code::LIMIT_EXCEEDED, "the keys with prefix \"a\""), "");
  EXPECT_NE(judge({set, put_a_carried(2)}), "");
}

TEST_F(CommittedModelTest, KnowsToWhatTheStoreWasCompacted) {
  put("a", "1");
  put("a", "2");
  EXPECT_EQ(compact(2), 3u);
  EXPECT_EQ(committed_.compacted_at(2), 0u);
  EXPECT_EQ(committed_.compacted_at(3), 2u);
  EXPECT_EQ(committed_.failure(), "");
}

class CheckWriteTest : public CommittedTest {
 protected:
  kv::Transaction tagged_put(uint64_t tag) {
    return {.compares = {kv::key_absent(tagged("~", tag))}, .then = {{.key = "a", .value = "1"}}};
  }
  std::string check(std::optional<Result<kv::WriteReply>> answer, uint64_t acknowledged = 0) {
    return check_write({.tag = 5, .acknowledged = acknowledged, .answer = std::move(answer)}, committed_);
  }
  Result<kv::WriteReply> committed_reply() { return committed_.outcomes(5).at(0).reply; }
  static Result<kv::WriteReply> no(Code code, Applied applied) {
    return std::unexpected(Error(code, applied, "why"));
  }
};

TEST_F(CheckWriteTest, ATagIsFoundInComparesAndOperations) {
  EXPECT_EQ(tag_of(tagged_put(5)), 5u);
  EXPECT_EQ(tag_of({.then = {{.key = "a"}, {.key = tagged("~d", 6)}}}), 6u);
  EXPECT_EQ(tag_of({.then = {{.key = "a"}}}), 0u);
}

TEST_F(CheckWriteTest, WhatIsToldMustBeInTheLog) {
  EXPECT_EQ(check({}), "");
  EXPECT_EQ(check(no(Code::UNAVAILABLE, Applied::NO)), "");
  EXPECT_NE(check(kv::WriteReply{.succeeded = true, .revision = 1, .results = {{}}}), "");
  write(tagged_put(5));
  EXPECT_EQ(check({}), "");
  EXPECT_EQ(check(committed_reply()), "");
  EXPECT_EQ(check(no(Code::UNAVAILABLE, Applied::MAYBE)), "");
  EXPECT_NE(check(no(Code::UNAVAILABLE, Applied::NO)), "");
  EXPECT_NE(check(committed_reply(), 1), "");
  Result<kv::WriteReply> other = committed_reply();
  other->results[0].existed = true;
  EXPECT_NE(check(other), "");
  write(tagged_put(5));
  EXPECT_NE(check({}), "");
}

TEST_F(CheckWriteTest, ARefusalIsTheCommittedOne) {
  set_quota("a", 1, 0);
  EXPECT_NE(check(no(Code::QUOTA_EXCEEDED, Applied::NO)), "");
  write(tagged_put(5));
  EXPECT_NE(check(no(Code::QUOTA_EXCEEDED, Applied::NO)), "");
  EXPECT_EQ(check(committed_reply()), "");
}

}  // namespace
}  // namespace aspen::lab
