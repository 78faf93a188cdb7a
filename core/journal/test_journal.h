// What the tests of a journal have in common: a small one on a disk in memory, and a model of what it is to
// hold.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/journal/journal.h"
#include "core/journal/memory_directory.h"

namespace aspen::journal {

inline constexpr size_t kSmallSegment = 2 * kSegmentHeaderBytes;  // room for one block of frames

inline Options small_options() {
  auto random = std::make_shared<std::mt19937_64>(1);
  return {.random = [random] { return (*random)(); }, .segment_bytes = kSmallSegment};
}

struct Item {
  uint64_t sequence = 0;
  uint64_t user = 0;
  std::string payload;
  bool operator==(const Item&) const = default;
};

inline void PrintTo(const Item& item, std::ostream* out) {
  *out << item.sequence << " of user " << item.user << ", " << item.payload.size() << " bytes";
}

// All that is kept from `from` on.
inline Result<std::vector<Item>> read_items(const Journal& journal, uint64_t from,
                                            std::optional<uint64_t> user = std::nullopt) {
  std::vector<Item> items;
  Cursor cursor = journal.read(from, user);
  for (;;) {
    ASPEN_TRY(std::optional<Entry> entry, cursor.next());
    if (!entry) return items;
    items.push_back({entry->sequence, entry->user, std::string(entry->payload)});
  }
}

// A machine with a journal, and what is known about what the journal must hold.
class TestMachine {
 public:
  TestMachine() : options(small_options()) {}

  MemoryDirectory disk;
  Options options;
  std::unique_ptr<Journal> journal;

  Result<> open() {
    ASPEN_TRY(journal, Journal::open(disk, options));
    return {};
  }

  // One append, of a record for each of `sizes`, of users 1, 2, 3, 1, ... No two payloads are the same.
  Result<> append(std::vector<size_t> sizes) {
    std::vector<Item> batch;
    for (size_t i = 0; i < sizes.size(); ++i) {
      std::string payload = fmt::format("{}:", ++unique_);
      payload.resize(std::max(payload.size(), sizes[i]), static_cast<char>('a' + unique_ % 26));
      batch.push_back({items_.size() + i + 1, i % 3 + 1, std::move(payload)});
    }
    std::vector<Record> records;
    for (const Item& item : batch) records.push_back({.user = item.user, .payload = item.payload});
    auto sequence = journal->append(records);
    bool refused = !sequence && sequence.error().applied == Applied::NO;
    if (!refused) {
      items_.insert(items_.end(), batch.begin(), batch.end());
      ends_.push_back(items_.size());
    }
    if (!sequence) return forward_error(std::move(sequence));
    EXPECT_EQ(*sequence, items_.size());
    return {};
  }

  Result<> sync() {
    ASPEN_CHECK(journal->sync());
    durable_ = items_.size();
    EXPECT_EQ(journal->synced_sequence(), durable_);
    return {};
  }

  // All users need the records from `sequence` on.
  Result<> reclaim(uint64_t sequence) {
    needed_ = std::max(needed_, sequence);
    ASPEN_CHECK(journal->need(1, needed_));
    return journal->reclaim();
  }

  // The journal was opened: it holds what it must. What it does not hold must never come back.
  void check_recovered() {
    uint64_t count = journal->next_sequence() - 1;
    EXPECT_GE(count, durable_) << "durable records are lost";
    EXPECT_TRUE(count == 0 || std::ranges::find(ends_, count) != ends_.end()) << "a part of an append";
    ASSERT_LE(count, items_.size());
    items_.resize(count);
    std::erase_if(ends_, [&](size_t end) { return end > count; });
    durable_ = count;
    check_held();
  }

  // It holds all that is durable and needed.
  void check_held() const {
    EXPECT_LE(journal->first_sequence(), std::max<uint64_t>(needed_, 1));
    auto read = read_items(*journal, journal->first_sequence());
    ASSERT_TRUE(read) << read.error().to_string();
    std::vector<Item> expected(items_.begin() + static_cast<ptrdiff_t>(journal->first_sequence() - 1),
                               items_.begin() + static_cast<ptrdiff_t>(durable_));
    EXPECT_EQ(*read, expected);
  }

  const std::vector<Item>& items() const { return items_; }
  size_t durable() const { return durable_; }

 private:
  std::vector<Item> items_;  // item i has sequence i + 1
  std::vector<size_t> ends_;
  size_t durable_ = 0;
  uint64_t needed_ = 0;
  uint64_t unique_ = 0;
};

inline uint64_t lose_all(uint64_t) {
  return 0;
}
inline uint64_t keep_all(uint64_t below) {
  return below - 1;
}

}  // namespace aspen::journal
