// The oracle of indexes: it must see what is missing, too much, old or beside the page.
#include "core/lab/index_lab.h"

#include <gtest/gtest.h>

#include "core/kv/tuple.h"

namespace aspen::lab {
namespace {

kv::KeyRecord record(Bytes key, Bytes value, uint64_t revision) {
  return {std::move(key), {std::move(value), revision, revision, 1}};
}
kv::IndexEntry entry(int64_t value, const kv::KeyRecord& of) {
  return {*kv::pack({value}), of.key, of.record};
}

const IndexPlan kPlan{"i", "", "json:"};
const kv::KeyRecord kA = record("a", "1", 5);
const kv::KeyRecord kB = record("b", "2", 6);
const kv::KeyRecord kC = record("c", "no JSON", 7);

TEST(IndexOracle, SeesWhatIsWrongWithAPage) {
  const std::vector<kv::KeyRecord> records = {kA, kB, kC};
  auto wrong = [&](std::vector<kv::IndexEntry> entries) {
    return compare_page(kPlan, {.index = "i"}, {.entries = std::move(entries)}, records);
  };
  EXPECT_EQ(wrong({entry(1, kA), entry(2, kB)}), "");
  EXPECT_EQ(wrong({entry(1, kA)}).substr(0, 11), "it misses b");
  EXPECT_EQ(wrong({entry(1, kA), entry(2, kB), entry(3, kC)}), "it has c under a value it has not");
  EXPECT_EQ(wrong({entry(2, kA), entry(2, kB)}), "it has a under a value it has not");
  EXPECT_EQ(wrong({entry(1, record("a", "1", 4)), entry(2, kB)}).substr(0, 11), "it has a as");
  EXPECT_EQ(wrong({entry(1, kA), entry(1, kA), entry(2, kB)}), "it has a under a value it has not");
}

TEST(IndexOracle, APageSpeaksOfWhatItCovers) {
  const std::vector<kv::KeyRecord> records = {kA, kB};
  const Bytes after_a = kv::index_entry(*kv::pack({1}), "a") + '\0';
  EXPECT_EQ(
      compare_page(kPlan, {}, {.entries = {entry(1, kA)}, .more = true, .continuation = after_a}, records),
      "");
  EXPECT_EQ(compare_page(kPlan, {.start = after_a}, {.entries = {entry(2, kB)}}, records), "");
  EXPECT_NE(compare_page(kPlan, {.start = after_a}, {}, records), "");
  const Bytes before_b = kv::index_entry(*kv::pack({2}), "b");
  kv::IndexScanReply last{.entries = {entry(2, kB)}, .more = true, .continuation = before_b};
  EXPECT_EQ(compare_page(kPlan, {.reverse = true}, last, records), "");
  EXPECT_EQ(compare_page(kPlan, {.end = before_b, .reverse = true}, {.entries = {entry(1, kA)}}, records),
            "");
}

}  // namespace
}  // namespace aspen::lab
