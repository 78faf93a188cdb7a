#include "core/store/row_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace aspen::store {
namespace {

constexpr size_t kBytes = 64u << 10;

TEST(RowCache, FindsWhatWasPut) {
  RowCache cache(kBytes);
  EXPECT_EQ(cache.find("a"), nullptr);
  cache.put("a", "1");
  cache.put("b", "");
  ASSERT_NE(cache.find("a"), nullptr);
  EXPECT_EQ(*cache.find("a"), "1");
  EXPECT_EQ(*cache.find("b"), "");
  cache.put("a", "22");
  EXPECT_EQ(*cache.find("a"), "22");
  cache.erase("a");
  EXPECT_EQ(cache.find("a"), nullptr);
  cache.clear();
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_EQ(cache.size_bytes(), 0u);
}

TEST(RowCache, AnUpdateAddsNothing) {
  RowCache cache(kBytes);
  cache.update("a", "1");
  EXPECT_EQ(cache.find("a"), nullptr);
  cache.put("a", "1");
  cache.update("a", "2");
  EXPECT_EQ(*cache.find("a"), "2");
}

TEST(RowCache, TheLeastRecentlyUsedGoFirst) {
  RowCache cache(kBytes);
  const Bytes value(500, 'v');
  size_t added = 0;
  while (cache.size() == added) {
    cache.put(std::to_string(added++), value);
    ASSERT_NE(cache.find("0"), nullptr);  // used all the time
  }
  const size_t fit = cache.size();
  while (cache.find(std::to_string(added)) == nullptr) cache.put(std::to_string(added), value);
  EXPECT_NE(cache.find("0"), nullptr);
  EXPECT_EQ(cache.find("1"), nullptr);
  EXPECT_NE(cache.find("2"), nullptr);
  EXPECT_EQ(cache.size(), fit);
  EXPECT_LE(cache.size_bytes(), kBytes);
}

// So that a scan of more than fits costs little and pushes out little.
TEST(RowCache, WhenFullItTakesOneRowOfAFew) {
  RowCache cache(kBytes);
  const Bytes value(500, 'v');
  for (int i = 0; i < 1000; ++i) cache.put("first" + std::to_string(i), value);
  const size_t fit = cache.size();
  for (size_t i = 0; i < fit; ++i) cache.put("scan" + std::to_string(i), value);
  size_t taken = 0;
  for (size_t i = 0; i < fit; ++i) taken += cache.find("scan" + std::to_string(i)) != nullptr;
  EXPECT_GT(taken, fit / 16);
  EXPECT_LT(taken, fit / 4);
}

TEST(RowCache, LargeRowsAreNotKept) {
  RowCache cache(kBytes);
  const Bytes large(kBytes / 32, 'v');
  cache.put("a", large);
  EXPECT_EQ(cache.size(), 0u);
  cache.put("a", "small");
  cache.update("a", large);
  EXPECT_EQ(cache.find("a"), nullptr);
  EXPECT_EQ(cache.size_bytes(), 0u);
}

// Never more than allowed, and never a row that is not the latest.
TEST(RowCache, AgreesWithAMap) {
  RowCache cache(kBytes);
  std::unordered_map<Bytes, Bytes> rows;
  std::mt19937 random(1);
  size_t found = 0;
  for (int i = 0; i < 20'000; ++i) {
    Bytes key = std::to_string(random() % 400), value(random() % 600, static_cast<char>(i));
    switch (random() % 4) {
      case 0:
        cache.put(key, value);
        rows[key] = value;
        break;
      case 1:
        cache.update(key, value);
        rows[key] = value;
        break;
      case 2:
        cache.erase(key);
        rows.erase(key);
        break;
      default:
        if (const Bytes* row = cache.find(key)) {
          ++found;
          ASSERT_TRUE(rows.contains(key));
          ASSERT_EQ(*row, rows[key]);
        }
    }
    ASSERT_LE(cache.size_bytes(), kBytes);
  }
  EXPECT_GT(found, 500u);
}

}  // namespace
}  // namespace aspen::store
