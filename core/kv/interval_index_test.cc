#include "core/kv/interval_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace aspen::kv {
namespace {

using Ids = std::vector<uint64_t>;

Ids find(const IntervalIndex& index, BytesView key) {
  Ids ids;
  index.find(key, [&](uint64_t id) { ids.push_back(id); });
  return ids;
}

TEST(IntervalIndex, AStartIsInAndAnEndIsNot) {
  IntervalIndex index;
  index.insert(1, "b", "d");
  EXPECT_EQ(find(index, "a"), Ids());
  EXPECT_EQ(find(index, "b"), Ids{1});
  EXPECT_EQ(find(index, "cz"), Ids{1});
  EXPECT_EQ(find(index, "d"), Ids());
}

TEST(IntervalIndex, AnEmptyEndIsNoEnd) {
  IntervalIndex index;
  index.insert(1, "", "");
  index.insert(2, "m", "");
  index.insert(3, "a", "b");
  EXPECT_EQ(find(index, "a"), (Ids{1, 3}));
  EXPECT_EQ(find(index, "\xff\xff"), (Ids{1, 2}));
  index.erase(1, "");
  EXPECT_EQ(find(index, "z"), Ids{2});
}

TEST(IntervalIndex, EqualRangesAreAllFound) {
  IntervalIndex index;
  for (uint64_t id = 1; id <= 5; ++id) index.insert(id, "k", "l");
  index.erase(3, "k");
  EXPECT_EQ(find(index, "k"), (Ids{1, 2, 4, 5}));
  EXPECT_EQ(index.size(), 4u);
}

TEST(IntervalIndex, RandomProgramsAgreeWithALookAtEveryRange) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    auto key = [&](size_t length_max) {
      Bytes key;
      for (size_t i = random() % (length_max + 1); i > 0; --i)
        key.push_back(static_cast<char>('a' + random() % 4));
      return key;
    };
    IntervalIndex index;
    std::map<uint64_t, std::pair<Bytes, Bytes>> ranges;
    for (uint64_t step = 1; step <= 600; ++step) {
      if (random() % 3 != 0 || ranges.empty()) {
        Bytes start = key(4), end = key(4);
        if (!end.empty() && start >= end) continue;
        index.insert(step, start, end);
        ranges[step] = {start, end};
      } else {
        auto some = std::next(ranges.begin(), static_cast<long>(random() % ranges.size()));
        index.erase(some->first, some->second.first);
        ranges.erase(some);
      }
      const Bytes wanted = key(5);
      std::vector<std::pair<Bytes, uint64_t>> expected;
      for (const auto& [id, range] : ranges) {
        if (wanted >= range.first && (range.second.empty() || wanted < range.second)) {
          expected.emplace_back(range.first, id);
        }
      }
      std::ranges::sort(expected);
      Ids ids;
      for (const auto& [start, id] : expected) ids.push_back(id);
      ASSERT_EQ(find(index, wanted), ids) << "seed " << seed << ", step " << step;
    }
  }
}

// Were each range looked at, this would take minutes.
TEST(IntervalIndex, ManyRangesAreCheap) {
  constexpr uint64_t kRanges = 20'000;
  IntervalIndex index;
  for (uint64_t id = 0; id < kRanges; ++id) {
    index.insert(id + 1, fmt::format("{:08}", 10 * id), fmt::format("{:08}", 10 * id + 15));
  }
  size_t found = 0;
  for (uint64_t i = 0; i < 50'000; ++i) found += find(index, fmt::format("{:08}", i % (10 * kRanges))).size();
  EXPECT_EQ(found, 74'995u);
}

}  // namespace
}  // namespace aspen::kv
