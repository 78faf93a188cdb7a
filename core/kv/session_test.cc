// A command that arrives more than once is applied once, whatever happens in between.
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/kv/test_log.h"

namespace aspen::kv {
namespace {

class SessionTest : public testing::Test {
 protected:
  // Appends to a list of the numbers it was called with, so that a second application shows.
  Command count(uint64_t sequence, uint64_t acknowledged_below = 0) {
    return in_session(session_, sequence, acknowledged_below,
                      write({put("count", std::to_string(sequence))}));
  }
  uint64_t version() { return must(machine_->get({"count"})).record.value_or(Record()).version; }
  Code refusal(const Command& command) { return log_.refusal(*machine_, command); }

  // Replaces the machine by another that has only what the first one's store or snapshot holds.
  void reopen() { machine_ = restored(); }
  std::unique_ptr<StateMachine> restored() {
    auto other = open_machine();
    EXPECT_TRUE(restore_from(*other, log_.meta(), chunks_of(*machine_)));
    return other;
  }

  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
  SessionId session_ = log_.open(*machine_);
};

TEST_F(SessionTest, ARetryGetsTheSameReply) {
  EXPECT_EQ(session_, 1u);
  Bytes first = log_.run_raw(*machine_, count(1));
  EXPECT_EQ(log_.run_raw(*machine_, count(1)), first);
  EXPECT_EQ(version(), 1u);
  // In one span with the original, too.
  log_.append(count(2));
  log_.append(count(2));
  auto replies = log_.apply(*machine_);
  EXPECT_EQ(replies[0], replies[1]);
  EXPECT_EQ(version(), 2u);
}

TEST_F(SessionTest, AFailedConditionIsRememberedWithWhatItSaw) {
  log_.run(*machine_, write({put("k", "old")}));
  Command command = in_session(session_, 1, 0, write({put("k", "mine")}, {value_is("k", "x")}));
  Bytes first = log_.run_raw(*machine_, command);
  log_.run(*machine_, write({put("k", "x")}));
  EXPECT_EQ(log_.run_raw(*machine_, command), first);
  EXPECT_EQ(must(decode_write_reply(first)).current->record.value, "old");
  EXPECT_EQ(must(machine_->get({"k"})).record->value, "x");
}

TEST_F(SessionTest, WritesArriveInAnyOrder) {
  for (uint64_t sequence : {5, 3, 4, 1, 2, 5, 1}) EXPECT_EQ(refusal(count(sequence)), Code::OK);
  EXPECT_EQ(version(), 5u);
  // A later write's acknowledgement may arrive before an earlier write that it does not cover.
  EXPECT_EQ(refusal(count(9, 7)), Code::OK);
  EXPECT_EQ(refusal(count(8, 3)), Code::OK);
  EXPECT_EQ(refusal(count(7, 6)), Code::OK);
  EXPECT_EQ(version(), 8u);
}

TEST_F(SessionTest, AcknowledgedWritesAreNotAppliedAgain) {
  log_.run(*machine_, count(1));
  log_.run(*machine_, count(2, 2));
  auto again = decode_write_reply(log_.run_raw(*machine_, count(1)));
  EXPECT_EQ(code_of(again), Code::INVALID_ARGUMENT);
  EXPECT_EQ(again.error().applied, Applied::MAYBE);
  EXPECT_EQ(refusal(count(0)), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(count(3, 4)), Code::INVALID_ARGUMENT);  // acknowledges itself
  EXPECT_EQ(version(), 2u);
}

TEST_F(SessionTest, UnknownSessionsAreExpired) {
  Command command = count(1);
  command.session = 77;
  EXPECT_EQ(refusal(command), Code::SESSION_EXPIRED);
  EXPECT_EQ(must(decode_session_reply(log_.run_raw(*machine_, close_session(session_)))), session_);
  EXPECT_EQ(refusal(count(1)), Code::SESSION_EXPIRED);
  EXPECT_EQ(must(decode_session_reply(log_.run_raw(*machine_, close_session(session_)))), session_);
  EXPECT_EQ(version(), 0u);
}

TEST_F(SessionTest, WithoutASessionEveryArrivalCounts) {
  Command command = write({put("count", "x")});
  log_.run(*machine_, command);
  log_.run(*machine_, command);
  EXPECT_EQ(version(), 2u);
}

TEST_F(SessionTest, TheWindowIsBoundedAndMoves) {
  constexpr uint64_t kWindow = limits::kSessionResultsMax;
  for (uint64_t sequence = 0; sequence < kWindow; ++sequence) log_.append(count(sequence));
  log_.apply(*machine_);
  EXPECT_EQ(version(), kWindow);
  EXPECT_EQ(refusal(count(kWindow)), Code::OVERLOADED);
  EXPECT_EQ(refusal(count(UINT64_MAX)), Code::OVERLOADED);
  EXPECT_EQ(version(), kWindow);
  EXPECT_EQ(refusal(count(kWindow, 1)), Code::OK);  // overwrites the row of 0
  EXPECT_EQ(refusal(count(kWindow + 1, 1)), Code::OVERLOADED);
  EXPECT_EQ(refusal(count(kWindow + 1, 2)), Code::OK);
  Bytes third = log_.run_raw(*machine_, count(3, 2));
  reopen();
  EXPECT_EQ(version(), kWindow + 2);
  EXPECT_EQ(log_.run_raw(*machine_, count(3, 2)), third);
  EXPECT_EQ(refusal(count(1, 2)), Code::INVALID_ARGUMENT);
  EXPECT_EQ(version(), kWindow + 2);
}

TEST_F(SessionTest, LargeRepliesAreBounded) {
  log_.run(*machine_, write({put("large", Bytes(2u << 20, 'v'))}));
  auto failing = [&](uint64_t sequence, uint64_t acknowledged_below) {
    return in_session(session_, sequence, acknowledged_below,
                      write({put("count", "x")}, {key_absent("large")}));
  };
  for (uint64_t sequence = 1; sequence <= 2; ++sequence) EXPECT_EQ(refusal(failing(sequence, 0)), Code::OK);
  EXPECT_EQ(refusal(count(3)), Code::OVERLOADED);
  EXPECT_EQ(refusal(failing(1, 0)), Code::OK);  // still remembered
  EXPECT_EQ(refusal(count(3, 2)), Code::OK);
  EXPECT_EQ(version(), 1u);
}

TEST_F(SessionTest, AllSessionsTogetherAreBounded) {
  log_.run(*machine_, write({put("large", Bytes(limits::kValueBytesMax, 'v'))}));
  for (size_t i = 0; i <= limits::kSessionsReplyBytesMax / limits::kValueBytesMax; ++i) {
    SessionId other = log_.open(*machine_);
    log_.run(*machine_, in_session(other, 1, 0, write({}, {key_absent("large")})));
  }
  EXPECT_EQ(refusal(count(1)), Code::SESSION_EXPIRED);  // the least recently used one
}

TEST_F(SessionTest, TheLeastRecentlyUsedGoesFirst) {
  std::vector<SessionId> sessions = {session_};
  while (sessions.size() < limits::kSessionsMax) {
    log_.append(open_session(), 0);
    sessions.push_back(log_.last_index());
  }
  log_.apply(*machine_);
  auto alive = [&](SessionId session) {
    return refusal(in_session(session, 1, 0, write({}))) != Code::SESSION_EXPIRED;
  };
  EXPECT_TRUE(alive(sessions[0]));  // used now: from here sessions[1] is the oldest, by its id
  SessionId added = log_.open(*machine_);
  EXPECT_FALSE(alive(sessions[1]));
  EXPECT_TRUE(alive(sessions[2]));
  EXPECT_TRUE(alive(added));
  reopen();
  added = log_.open(*machine_);
  EXPECT_FALSE(alive(sessions[3]));
  EXPECT_TRUE(alive(sessions[0]));
  EXPECT_TRUE(alive(added));
}

TEST_F(SessionTest, OneNodesSessionsAreAtItsOwnCost) {
  const NodeId one{{1}}, greedy{{2}};
  const SessionId others = log_.open(*machine_, one);
  std::vector<SessionId> own;
  auto open_more = [&](size_t count) {
    for (; count > 0; --count) {
      log_.append(open_session(greedy), 0);
      own.push_back(log_.last_index());
    }
    log_.apply(*machine_);
  };
  open_more(limits::kSessionsPerNodeMax);
  EXPECT_EQ(refusal(in_session(own[0], 1, 0, write({}))), Code::OK);  // used now
  reopen();                                                           // which counts them anew
  open_more(2);
  EXPECT_EQ(machine_->session_owner(own[0]), greedy);
  EXPECT_EQ(machine_->session_owner(own[1]), std::nullopt);
  EXPECT_EQ(machine_->session_owner(own[2]), std::nullopt);
  EXPECT_EQ(machine_->session_owner(own[3]), greedy);
  // One that is closed makes room.
  log_.run_raw(*machine_, close_session(own[0]));
  open_more(1);
  EXPECT_EQ(machine_->session_owner(own[3]), greedy);

  open_more(limits::kSessionsMax);
  EXPECT_EQ(machine_->session_owner(others), one);
  EXPECT_EQ(machine_->session_owner(session_), NodeId());
}

TEST_F(SessionTest, OneNodesRepliesAreAtItsOwnCost) {
  const NodeId one{{1}}, greedy{{2}};
  const SessionId others = log_.open(*machine_, one);
  log_.run(*machine_, write({put("large", Bytes(limits::kValueBytesMax, 'v'))}));
  std::vector<SessionId> own;
  auto open_another = [&] {
    own.push_back(log_.open(*machine_, greedy));
    log_.run(*machine_, in_session(own.back(), 1, 0, write({}, {key_absent("large")})));
  };
  const size_t fit = limits::kNodeSessionsReplyBytesMax / (limits::kValueBytesMax + 1);
  while (own.size() < fit) open_another();
  EXPECT_EQ(machine_->session_owner(own[0]), greedy);
  log_.run(*machine_, in_session(own[0], 2, 2, write({})));  // has its reply
  open_another();
  EXPECT_EQ(machine_->session_owner(own[1]), greedy);
  reopen();
  open_another();
  EXPECT_EQ(machine_->session_owner(own[1]), std::nullopt);
  EXPECT_EQ(machine_->session_owner(own[2]), greedy);
  // Closing one gives back what its replies took.
  for (SessionId id : std::exchange(own, {})) log_.run_raw(*machine_, close_session(id));
  while (own.size() < fit) open_another();
  EXPECT_EQ(machine_->session_owner(own[0]), greedy);
  while (own.size() <= limits::kSessionsReplyBytesMax / limits::kValueBytesMax) open_another();
  EXPECT_EQ(machine_->session_owner(others), one);
}

TEST_F(SessionTest, SurvivesARestoredSnapshot) {
  Bytes first = log_.run_raw(*machine_, count(1));
  Bytes second = log_.run_raw(*machine_, count(2));
  log_.run(*machine_, count(3, 2));
  reopen();
  EXPECT_EQ(log_.run_raw(*machine_, count(2)), second);
  EXPECT_EQ(refusal(count(1)), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(count(4)), Code::OK);
  EXPECT_EQ(version(), 4u);
  EXPECT_NE(first, second);
  reopen();  // the row written since has not taken the place of an older one
  EXPECT_EQ(log_.run_raw(*machine_, count(2)), second);
  EXPECT_EQ(version(), 4u);
}

TEST_F(SessionTest, ForgottenSessionsLeaveNoRows) {
  auto empty = must(machine_->fingerprint());
  for (uint64_t sequence : {0u, 1u, 700u, 4095u}) log_.run(*machine_, count(sequence));
  log_.run(*machine_, count(5000, 4096));
  log_.run(*machine_, write({erase("count")}));
  log_.run_raw(*machine_, close_session(session_));
  log_.run_raw(*machine_, {.kind = Command::Kind::compact, .revision = log_.last_index()});
  auto chunks = chunks_of(*machine_);
  // Progress and the end: nothing but the applied index tells it from a store that never was written.
  EXPECT_EQ(chunks.size(), 2u);
  EXPECT_LT(chunks[0].size(), 64u);
  EXPECT_NE(must(machine_->fingerprint()), empty);
}

}  // namespace
}  // namespace aspen::kv
