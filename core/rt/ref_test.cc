#include "core/rt/ref.h"

#include <gtest/gtest.h>

namespace aspen::rt {
namespace {

struct Base : RefCounted {
  explicit Base(int& alive) : alive(alive) { ++alive; }
  virtual ~Base() { --alive; }
  int& alive;
};
struct Derived : Base {
  using Base::Base;
};

TEST(RefTest, TheLastOneDeletes) {
  int alive = 0;
  Ref<Base> first(new Base(alive));
  {
    Ref<Base> second = first;
    first = Ref<Base>();
    EXPECT_FALSE(first);
    EXPECT_EQ(alive, 1);
    EXPECT_EQ(&second->alive, &alive);
  }
  EXPECT_EQ(alive, 0);
}

TEST(RefTest, AMoveLeavesNothingBehind) {
  int alive = 0;
  Ref<Base> first(new Base(alive));
  Ref<Base> second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is asked
  EXPECT_TRUE(second);
  second = Ref<Base>(new Base(alive));
  EXPECT_EQ(alive, 1);  // the one before is gone
}

TEST(RefTest, AssigningItToItselfKeepsIt) {
  int alive = 0;
  Ref<Base> ref(new Base(alive));
  Ref<Base>& same = ref;
  ref = same;
  EXPECT_EQ(alive, 1);
  ref = std::move(same);
  EXPECT_EQ(alive, 1);
}

TEST(RefTest, ABaseSharesTheCount) {
  int alive = 0;
  Ref<Derived> derived(new Derived(alive));
  Ref<Base> base = derived;
  derived = Ref<Derived>();
  EXPECT_EQ(alive, 1);
  base = Ref<Base>();
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace aspen::rt
