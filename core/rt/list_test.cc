#include "core/rt/list.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace aspen::rt {
namespace {

struct Red;
struct Blue;
struct Item : ListNode<Red>, ListNode<Blue> {
  explicit Item(int number) : number(number) {}
  bool in_red() const { return ListNode<Red>::linked(); }
  int number;
};

template <typename Tag>
std::vector<int> numbers(List<Item, Tag>& list) {
  std::vector<int> out;
  for (Item* item = list.front(); item != nullptr; item = list.next(*item)) out.push_back(item->number);
  return out;
}

TEST(List, KeepsOrder) {
  Item one(1), two(2), three(3);
  List<Item, Red> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  list.push_back(one);
  list.push_back(two);
  list.push_back(three);
  EXPECT_EQ(numbers(list), (std::vector{1, 2, 3}));
  EXPECT_EQ(list.back(), &three);
  EXPECT_EQ(list.pop_front(), &one);
  EXPECT_FALSE(one.in_red());
  list.push_back(one);
  EXPECT_EQ(numbers(list), (std::vector{2, 3, 1}));
}

TEST(List, PushesToTheFrontToo) {
  Item one(1), two(2);
  List<Item, Red> list;
  list.push_front(two);
  list.push_front(one);
  EXPECT_EQ(numbers(list), (std::vector{1, 2}));
}

TEST(List, AppendsAnother) {
  Item one(1), two(2), three(3);
  List<Item, Red> list;
  List<Item, Red> other;
  list.append(other);
  EXPECT_TRUE(list.empty());
  other.push_back(one);
  other.push_back(two);
  list.append(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(numbers(list), (std::vector{1, 2}));
  other.push_back(three);
  list.append(other);
  EXPECT_EQ(numbers(list), (std::vector{1, 2, 3}));
  EXPECT_EQ(list.back(), &three);
  two.ListNode<Red>::unlink();
  EXPECT_EQ(numbers(list), (std::vector{1, 3}));
}

TEST(List, ADestroyedItemLeavesIt) {
  List<Item, Red> list;
  Item one(1), three(3);
  auto two = std::make_unique<Item>(2);
  list.push_back(one);
  list.push_back(*two);
  list.push_back(three);
  two.reset();
  EXPECT_EQ(numbers(list), (std::vector{1, 3}));
}

TEST(List, ADestroyedListFreesItsItems) {
  Item one(1), two(2);
  {
    List<Item, Red> list;
    list.push_back(one);
    list.push_back(two);
  }
  EXPECT_FALSE(one.in_red());
  EXPECT_FALSE(two.in_red());
}

TEST(List, TagsAreIndependent) {
  Item one(1), two(2);
  List<Item, Red> red;
  List<Item, Blue> blue;
  red.push_back(one);
  red.push_back(two);
  blue.push_back(two);
  blue.push_back(one);
  one.ListNode<Red>::unlink();
  one.ListNode<Red>::unlink();  // a second time is nothing
  EXPECT_EQ(numbers(red), (std::vector{2}));
  EXPECT_EQ(numbers(blue), (std::vector{2, 1}));
}

TEST(List, AnItemStandsInItOnce) {
  Item one(1);
  List<Item, Red> list;
  list.push_back(one);
  EXPECT_THROW(list.push_back(one), Panic);
}

}  // namespace
}  // namespace aspen::rt
