#include "core/lab/lease_book.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

constexpr TimeNs kBegin = 100 * kSecond;

TEST(LeaseBook, ALeaseThatLastsItsTimeIsInOrder) {
  LeaseBook book;
  book.promised(7, kSecond, kBegin);
  book.promised(7, kSecond, kBegin + 500 * kMillisecond);
  EXPECT_EQ(book.open(), std::vector<kv::LeaseId>{7});
  book.ended(7, kBegin + 1500 * kMillisecond);
  book.ended(7, kBegin);  // another member, which is behind
  EXPECT_EQ(book.open(), std::vector<kv::LeaseId>());
  EXPECT_FALSE(book.broken()) << *book.broken();
}

TEST(LeaseBook, AClockMayGain) {
  LeaseBook book;
  book.promised(7, kSecond, kBegin);
  book.ended(7, kBegin + 980 * kMillisecond);
  EXPECT_FALSE(book.broken());
}

TEST(LeaseBook, AnEarlyEndIsFoundWheneverThePromiseIsHeardOf) {
  LeaseBook before, after;
  before.promised(7, kSecond, kBegin);
  before.ended(7, kBegin + 900 * kMillisecond);
  EXPECT_TRUE(before.broken());
  after.ended(7, kBegin + 900 * kMillisecond);
  after.promised(7, kSecond, kBegin);
  EXPECT_TRUE(after.broken());
}

TEST(LeaseBook, ARevokedOneMayEndEarlyButDoesNotComeBack) {
  LeaseBook book;
  book.promised(7, kSecond, kBegin);
  book.revoking(7);
  book.ended(7, kBegin + 1);
  EXPECT_FALSE(book.broken());
  book.promised(7, kSecond, kBegin + 2);
  EXPECT_TRUE(book.broken());
}

}  // namespace
}  // namespace aspen::lab
