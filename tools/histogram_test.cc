#include "tools/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace aspen::tools {
namespace {

TEST(Histogram, EmptyIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.percentile_ns(0.99), 0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int64_t i = 1; i <= 100; ++i) histogram.add(i);
  EXPECT_EQ(histogram.percentile_ns(0.5), 50);
  EXPECT_EQ(histogram.percentile_ns(0.99), 99);
  EXPECT_EQ(histogram.percentile_ns(1), 100);
  EXPECT_EQ(histogram.percentile_ns(0), 1);
}

TEST(Histogram, AnyValueIsWithinOnePercentAndNeverBelow) {
  for (double value = 1; value < 1e12; value *= 1.0037) {
    Histogram histogram;
    histogram.add(static_cast<int64_t>(value));
    const double found = static_cast<double>(histogram.percentile_ns(0.5));
    EXPECT_GE(found, std::floor(value));
    EXPECT_LE(found, value * 1.008 + 1);
  }
}

TEST(Histogram, ExtremesAreCounted) {
  Histogram histogram;
  histogram.add(-5);
  histogram.add(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.percentile_ns(0.5), 0);
  EXPECT_GT(histogram.percentile_ns(1), int64_t{1} << 39);
}

TEST(Histogram, PercentilesFollowTheDistribution) {
  Histogram histogram;
  for (int i = 0; i < 990; ++i) histogram.add(1'000);
  for (int i = 0; i < 10; ++i) histogram.add(1'000'000);
  EXPECT_LT(histogram.percentile_ns(0.99), 1'010);
  EXPECT_GE(histogram.percentile_ns(0.991), 1'000'000);
}

}  // namespace
}  // namespace aspen::tools
