// That the oracle of groups can say no.
#include "core/lab/group_load.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

using Fate = WordList::Append::Fate;

TEST(WordList, TakesWhatWasAppendedAndMayTakeWhatNobodyKnowsOf) {
  WordList list{.appends = {{"a", Fate::acknowledged, 1}, {"b", Fate::unknown}, {"c", Fate::refused}}};
  list.reads = {{0, {}}, {1, {"a"}}};
  EXPECT_EQ(list.compare({"a", "b"}), "");
  EXPECT_EQ(list.compare({"a"}), "");
}

TEST(WordList, SeesWhatIsWrong) {
  WordList list{.appends = {{"a", Fate::acknowledged, 1}, {"b", Fate::unknown}, {"c", Fate::refused}}};
  EXPECT_NE(list.compare({}), "");
  EXPECT_NE(list.compare({"b", "a"}), "");
  EXPECT_NE(list.compare({"a", "b", "b"}), "");
  EXPECT_NE(list.compare({"a", "c"}), "");
  EXPECT_NE(list.compare({"a", "d"}), "");
  list.reads = {{1, {}}};
  EXPECT_NE(list.compare({"a"}), "");
  list.reads = {{0, {"b"}}};
  EXPECT_NE(list.compare({"a", "b"}), "");
  list.reads = {{0, {"a", "b"}}};
  EXPECT_NE(list.compare({"a"}), "");
}

}  // namespace
}  // namespace aspen::lab
