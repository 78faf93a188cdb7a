#include "core/base/error.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace aspen {
namespace {

struct Row {
  int32_t number;
  std::string name;
  Applied applied;
  bool retryable;
  bool operator==(const Row&) const = default;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.number << " " << row.name << " " << static_cast<int>(row.applied) << row.retryable;
}

// Programs in five languages hold these numbers: a new code is a new row here, and no row ever changes.
const std::vector<Row>& golden() {
  constexpr Applied NO = Applied::NO, MAYBE = Applied::MAYBE;
  static const std::vector<Row> rows{
      {1, "INVALID_ARGUMENT", NO, false},
      {2, "LIMIT_EXCEEDED", NO, false},
      {3, "NOT_FOUND", NO, false},
      {4, "ALREADY_EXISTS", NO, false},
      {5, "PERMISSION_DENIED", NO, false},
      {6, "NOT_A_MEMBER", NO, false},
      {7, "GRANT_EXPIRED", NO, false},
      {8, "TICKET_INVALID", NO, false},
      {9, "WRONG_PEER", NO, false},
      {10, "PROTOCOL", NO, false},
      {11, "UNSUPPORTED", NO, false},
      {12, "CANCELLED", MAYBE, false},
      {13, "DEADLINE_EXCEEDED", MAYBE, true},
      {14, "SHUTDOWN", MAYBE, false},
      {15, "UNAVAILABLE", NO, true},
      {16, "NOT_LEADER", NO, true},
      {17, "CONNECTION_LOST", MAYBE, true},
      {18, "OVERLOADED", NO, true},
      {19, "SESSION_EXPIRED", NO, true},
      {20, "IN_USE", NO, true},
      {21, "WRONG_NODE", NO, false},
      {22, "CORRUPT", NO, false},
      {23, "IO", MAYBE, false},
      {24, "INTERNAL", MAYBE, false},
      {25, "COMPACTED", NO, false},
      {26, "QUOTA_EXCEEDED", NO, false},
  };
  return rows;
}

std::vector<Row> table() {
  return {
#define ASPEN_ERROR(name, number, applied, retryable, text) {number, #name, Applied::applied, retryable != 0},
#include "capi/errors.def"
#undef ASPEN_ERROR
  };
}

TEST(ErrorTable, IsTheGoldenList) {
  EXPECT_EQ(table(), golden());
}

TEST(ErrorTable, NumbersAndNamesAreUniqueAndPositive) {
  std::set<int32_t> numbers;
  std::set<std::string> names;
  for (const Row& row : table()) {
    EXPECT_GT(row.number, 0) << row.name;
    EXPECT_TRUE(numbers.insert(row.number).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(ErrorTable, LookupFindsEveryRowAndNothingElse) {
  std::set<int32_t> numbers;
  for (const Row& row : golden()) numbers.insert(row.number);
  for (int32_t number = -1000; number <= 1000; ++number) {
    const ErrorInfo* info = error_info(number);
    ASSERT_EQ(info != nullptr, numbers.contains(number)) << number;
    if (info == nullptr) continue;
    EXPECT_EQ(static_cast<int32_t>(info->code), number);
    EXPECT_GT(std::string_view(info->text).size(), 10u) << info->name;
  }
  EXPECT_EQ(error_info(INT32_MIN), nullptr);
  EXPECT_EQ(error_info(INT32_MAX), nullptr);
}

TEST(Error, TakesWhatItsCodeSaysUnlessToldBetter) {
  Error lost(Code::CONNECTION_LOST, "gone");
  EXPECT_EQ(lost.applied, Applied::MAYBE);
  EXPECT_TRUE(lost.retryable());
  EXPECT_EQ(lost.to_string(), "CONNECTION_LOST: gone");
  EXPECT_EQ(Error(Code::CONNECTION_LOST, Applied::NO, "before it was sent").applied, Applied::NO);
  EXPECT_EQ(Error(Code::NOT_FOUND, "x").applied, Applied::NO);
  EXPECT_FALSE(Error(Code::NOT_FOUND, "x").retryable());
}

// A peer with a newer table may send a number this build does not know.
TEST(Error, AnUnknownNumberIsHandledCautiously) {
  Error error(static_cast<Code>(9999), "from the future");
  EXPECT_EQ(error.applied, Applied::MAYBE);
  EXPECT_FALSE(error.retryable());
  EXPECT_EQ(error.to_string(), "UNKNOWN: from the future");
}

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return fail(Code::INVALID_ARGUMENT, "'{}' is not a digit", c);
  return c - '0';
}

Result<std::unique_ptr<int>> boxed_sum(char a, char b) {
  ASPEN_TRY(int x, parse_digit(a));
  ASPEN_TRY(auto y, parse_digit(b));
  return std::make_unique<int>(x + y);
}

Result<> both_digits(char a, char b) {
  ASPEN_CHECK(parse_digit(a));
  ASPEN_CHECK(boxed_sum(a, b));
  return {};
}

TEST(Result, TryPassesTheValueOnOrReturnsTheError) {
  auto sum = boxed_sum('3', '4');
  ASSERT_TRUE(sum);
  EXPECT_EQ(**sum, 7);
  auto failed = boxed_sum('3', 'x');
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().to_string(), "INVALID_ARGUMENT: 'x' is not a digit");
}

TEST(Result, CheckDropsTheValueOrReturnsTheError) {
  EXPECT_TRUE(both_digits('1', '2'));
  EXPECT_EQ(both_digits('y', '2').error().message, "'y' is not a digit");
  EXPECT_EQ(both_digits('1', 'z').error().message, "'z' is not a digit");
}

}  // namespace
}  // namespace aspen
