#include "core/lab/kv_spans.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

// The slots of the log before which the operation may be, and which it may be, as "before 0 2, at 1".
std::string places(std::string_view text, size_t id) {
  History history = *History::parse(text);
  KvEvidence evidence(history);
  KvSpans spans(history, evidence);
  std::string before = "before";
  std::string at = ", at";
  for (const KvEvent& event : evidence.events()) {
    if (spans.may_precede(id, event.slot)) before += fmt::format(" {}", event.slot);
    bool explains = event.id == kNoOperation && evidence.explains(id, *evidence.seen(event.revision));
    if (explains && spans.may_be(id, event.slot)) at += fmt::format(" {}", event.slot);
  }
  return before + at;
}

TEST(KvSpans, AKeyIsUnchangedFromThePutThatWasSeenToTheAnswer) {
  constexpr std::string_view kLog = R"(0 0 1 0 1 ok write 0 1 put "a" "1" 1 done 1 new 0
0 2 3 2 3 ok write 0 1 put "b" "1" 3 done 1 new 0
0 4 5 4 5 ok get fresh "a" 3 record "1" 1 1 1
0 6 7 6 7 ok write 0 1 put "b" "2" 5 done 1 over 3
1 8 - 8 9 maybe write 0 1 erase "a"
2 10 - 10 11 maybe write 0 1 erase "b"
3 12 - 12 13 maybe write 0 2 put "a" "2" put "b" "3"
)";
  EXPECT_EQ(places(kLog, 4), "before 0 3, at");
  EXPECT_EQ(places(kLog, 5), "before 0 1, at");
  EXPECT_EQ(places(kLog, 6), "before 0, at");
}

TEST(KvSpans, PutsOfSuccessiveVersionsHaveNothingBetweenThem) {
  // The put over revision 5 is version 3, so the one at 5 is version 2.
  constexpr std::string_view kLog = R"(0 0 1 0 1 ok write 0 1 put "a" "1" 1 done 1 new 0
1 2 - 2 3 maybe write 0 1 put "a" "2"
2 4 - 4 5 maybe write 0 1 put "a" "3"
0 6 7 6 7 ok write 0 1 put "a" "4" 9 done 1 over 5
0 8 9 8 9 ok get fresh "a" 9 record "4" 1 9 3
)";
  EXPECT_EQ(places(kLog, 1), "before 0, at 1");
}

TEST(KvSpans, AWriteMayBeThePutBetweenTwoSpans) {
  constexpr std::string_view kLog = R"(0 0 1 0 1 ok write 0 1 put "a" "1" 1 done 1 new 0
1 2 - 2 3 maybe write 0 1 put "a" "2"
0 4 5 4 5 ok get fresh "a" 2 record "1" 1 1 1
0 6 7 6 7 ok get fresh "a" 4 record "2" 1 3 2
)";
  EXPECT_EQ(places(kLog, 1), "before 0, at 2");
}

TEST(KvSpans, AKeyIsNotErasedBetweenPutsOfOneCreation) {
  constexpr std::string_view kLog = R"(0 0 1 0 1 ok write 0 1 put "a" "1" 1 done 1 new 0
1 2 - 2 3 maybe write 0 1 put "a" "2"
2 4 - 4 5 maybe write 0 1 erase "a"
0 6 7 6 7 ok write 0 1 put "b" "1" 3 done 1 new 0
0 8 9 8 9 ok write 0 1 put "a" "4" 9 done 1 over 5
0 10 11 10 11 ok get fresh "a" 9 record "4" 1 9 4
)";
  EXPECT_EQ(places(kLog, 1), "before 0 1 2, at 2");
  EXPECT_EQ(places(kLog, 2), "before 0, at");
}

TEST(KvSpans, AConditionHoldsWhereTheWriteIs) {
  constexpr std::string_view kLog = R"(0 0 1 0 1 ok write 0 1 put "a" "1" 1 done 1 new 0
0 2 3 2 3 ok write 0 1 put "b" "1" 3 done 1 new 0
0 4 5 4 5 ok write 0 1 put "a" "2" 5 done 1 over 1
0 6 7 6 7 ok get fresh "a" 7 record "2" 1 5 2
1 8 - 8 9 maybe write 1 absent "a" 1 put "c" "1"
1 10 - 10 11 maybe write 1 value "a" "2" 1 put "c" "1"
1 12 - 12 13 maybe write 1 revision "a" 1 1 put "c" "1"
1 14 - 14 15 maybe write 1 revision "a" 0 1 put "c" "1"
1 16 - 16 17 maybe write 1 present "a" 1 put "c" "1"
)";
  EXPECT_EQ(places(kLog, 4), "before 0, at");
  EXPECT_EQ(places(kLog, 5), "before 0 3, at");
  EXPECT_EQ(places(kLog, 6), "before 0 1 2, at");
  EXPECT_EQ(places(kLog, 7), "before 0, at");
  EXPECT_EQ(places(kLog, 8), "before 0 1 2 3, at");
}

TEST(KvSpans, AnAnswerThatAnAcknowledgedWriteContradictsSaysNothing) {
  constexpr std::string_view kLog = R"(0 0 1 0 1 ok write 0 1 put "a" "1" 1 done 1 new 0
0 2 3 2 3 ok write 0 1 put "a" "2" 3 done 1 new 0
0 4 5 4 5 ok get fresh "a" 5 record "1" 1 1 1
1 6 - 6 7 maybe write 0 1 erase "a"
)";
  EXPECT_EQ(places(kLog, 3), "before 0 1 2, at");
}

}  // namespace
}  // namespace aspen::lab
