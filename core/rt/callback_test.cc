#include "core/rt/callback.h"

#include <gtest/gtest.h>

#include <memory>

namespace aspen::rt {
namespace {

TEST(Callback, RunsAgainAndAgain) {
  int sum = 0;
  Callback<int> callback([&](int n) { sum += n; });
  callback(1);
  callback(2);
  EXPECT_EQ(sum, 3);
}

TEST(Callback, IsThereAfterAnException) {
  int calls = 0;
  Callback<> callback([&] {
    if (++calls == 1) throw 7;
  });
  EXPECT_THROW(callback(), int);
  callback();
  EXPECT_EQ(calls, 2);
}

TEST(Callback, KeepsItsCapturesWhenItDestroysItsHolder) {
  for (bool throws : {false, true}) {
    auto mark = std::make_shared<int>(7);
    std::weak_ptr<int> captured = mark;
    bool still_there = false;
    std::unique_ptr<Callback<>> holder;
    holder = std::make_unique<Callback<>>([&, mark = std::move(mark)] {
      holder.reset();
      still_there = !captured.expired();
      if (throws) throw 7;
    });
    try {
      (*holder)();
    } catch (int) {
    }
    EXPECT_TRUE(still_there);
    EXPECT_TRUE(captured.expired());
  }
}

}  // namespace
}  // namespace aspen::rt
