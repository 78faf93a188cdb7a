// What every Store promises, as a test suite to run over each of them: reads, order, batches, snapshots.
//
//   INSTANTIATE_TEST_SUITE_P(Mine, StoreContract, testing::Values(StoreKind{"mine", open_mine}),
//   store_kind_name);
//
// To be included by one file of a test program.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <random>

#include "core/store/store.h"

namespace aspen::store {

struct StoreKind {
  std::string name;
  // A new, empty store, with whatever has to live as long; null, and the test failed, when there is none.
  std::function<std::shared_ptr<Store>()> open;
};

inline std::string store_kind_name(const testing::TestParamInfo<StoreKind>& info) {
  return info.param.name;
}

using Model = std::map<Bytes, Bytes>;

inline Batch put(BytesView key, BytesView value) {
  Batch batch;
  batch.put(key, value);
  return batch;
}

inline Model scan(const Reader& reader) {
  Model all;
  std::unique_ptr<Iterator> it = reader.iterate();
  for (it->seek(""); it->valid(); it->next()) all.emplace(it->key(), it->value());
  EXPECT_TRUE(it->status());
  return all;
}

inline Model scan_backwards(const Reader& reader) {
  Model all;
  std::unique_ptr<Iterator> it = reader.iterate();
  for (it->seek_to_last(); it->valid(); it->prev()) all.emplace(it->key(), it->value());
  EXPECT_TRUE(it->status());
  return all;
}

class StoreContract : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    store_ = GetParam().open();
    ASSERT_NE(store_, nullptr);
  }

  void write(Batch batch) {
    auto written = store_->write(std::move(batch), Sync::no);
    ASSERT_TRUE(written) << written.error().to_string();
  }
  std::optional<Bytes> get(BytesView key) {
    auto value = store_->get(key);
    EXPECT_TRUE(value);
    return value ? *value : std::nullopt;
  }

  std::shared_ptr<Store> store_;
};

TEST_P(StoreContract, GetsWhatWasPut) {
  EXPECT_EQ(get("a"), std::nullopt);
  write(put("a", "1"));
  write(put("", "empty key"));
  write(put(Bytes("\0\xff", 2), ""));
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get(""), "empty key");
  EXPECT_EQ(get(Bytes("\0\xff", 2)), "");
  write(put("a", Bytes(1u << 20, 'x')));
  EXPECT_EQ(get("a"), Bytes(1u << 20, 'x'));
}

TEST_P(StoreContract, ABatchAppliesInOrder) {
  Batch batch;
  EXPECT_TRUE(batch.empty());
  batch.put("a", "1");
  batch.put("b", "1");
  batch.erase("a");
  batch.put("c", "1");
  batch.put("c", "2");
  batch.erase("z");
  batch.erase_range("b", "c");
  batch.put("b", "again");
  EXPECT_FALSE(batch.empty());
  EXPECT_GT(batch.size_bytes(), 0u);
  write(std::move(batch));
  EXPECT_EQ(scan(*store_), (Model{{"b", "again"}, {"c", "2"}}));
  batch.clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.size_bytes(), 0u);
  write(Batch());
}

TEST_P(StoreContract, OnlyWhatIsObsoleteIsDropped) {
  write(put("old 1", "v"));
  write(put("new 1", "v"));
  auto below = std::make_shared<std::atomic<int>>(0);
  store_->drop([below](BytesView key, BytesView value) {
    return key.starts_with("old ") && value == "v" && key[4] - '0' < *below;
  });
  write(put("old 2", "v"));
  write(put("old 3", "v"));
  write(put("old 1", "other"));
  *below = 3;
  ASSERT_TRUE(store_->flush());
  Model rows = scan(*store_);
  rows.erase("old 2");
  EXPECT_EQ(rows, (Model{{"new 1", "v"}, {"old 1", "other"}, {"old 3", "v"}}));
  write(put("old 2", "other"));
  EXPECT_EQ(get("old 2"), "other");
}

TEST_P(StoreContract, ErasesRanges) {
  auto fill = [this] {
    for (BytesView key : {"", "a", "b", "c", "d", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"})
      write(put(key, "v"));
  };
  auto erase = [this](BytesView start, BytesView end) {
    Batch batch;
    batch.erase_range(start, end);
    write(std::move(batch));
    return scan(*store_).size();
  };
  fill();
  EXPECT_EQ(erase("b", "b"), 6u);
  EXPECT_EQ(erase("c", "b"), 6u);
  EXPECT_EQ(erase("a", "c"), 4u);
  EXPECT_EQ(get("b"), std::nullopt);
  EXPECT_EQ(scan_backwards(*store_), scan(*store_));
  fill();
  EXPECT_EQ(erase("c", ""), 3u);
  EXPECT_EQ(get("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), std::nullopt);
  EXPECT_EQ(erase("", ""), 0u);
  EXPECT_EQ(erase("", ""), 0u);
  fill();
  EXPECT_EQ(scan(*store_).size(), 6u);
}

TEST_P(StoreContract, AnOpenRangeCoversTheSameBatch) {
  write(put("b", "v"));
  Batch batch;
  batch.put("\xff\xff", "first");
  batch.erase_range("a", "");
  batch.put("c", "after");
  write(std::move(batch));
  EXPECT_EQ(scan(*store_), (Model{{"c", "after"}}));
}

TEST_P(StoreContract, IteratorsSeekBothWays) {
  for (BytesView key : {"b", "d", "f"}) write(put(key, key));
  std::unique_ptr<Iterator> it = store_->iterate();
  EXPECT_FALSE(it->valid());
  auto at = [&it] { return it->valid() ? Bytes(it->key()) : Bytes("end"); };
  it->seek("c");
  EXPECT_EQ(at(), "d");
  it->seek("d");
  EXPECT_EQ(at(), "d");
  it->prev();
  EXPECT_EQ(at(), "b");
  it->prev();
  EXPECT_EQ(at(), "end");
  it->seek("g");
  EXPECT_EQ(at(), "end");
  it->seek_for_prev("e");
  EXPECT_EQ(at(), "d");
  it->seek_for_prev("d");
  EXPECT_EQ(at(), "d");
  it->next();
  EXPECT_EQ(at(), "f");
  it->next();
  EXPECT_EQ(at(), "end");
  it->seek_for_prev("a");
  EXPECT_EQ(at(), "end");
  it->seek_to_last();
  EXPECT_EQ(at(), "f");
  EXPECT_EQ(it->value(), "f");
}

TEST_P(StoreContract, SnapshotsAndIteratorsDoNotMove) {
  write(put("a", "1"));
  write(put("b", "1"));
  std::unique_ptr<Reader> before = store_->snapshot();
  std::unique_ptr<Iterator> it = store_->iterate();
  write(put("a", "2"));
  Batch batch;
  batch.erase_range("b", "");
  batch.put("c", "3");
  write(std::move(batch));
  ASSERT_TRUE(store_->flush());

  EXPECT_EQ(scan(*before), (Model{{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(before->get("b").value(), "1");
  EXPECT_EQ(before->get("c").value(), std::nullopt);
  it->seek("");
  EXPECT_EQ(it->value(), "1");
  it->seek("c");
  EXPECT_FALSE(it->valid());
  EXPECT_EQ(scan(*store_), (Model{{"a", "2"}, {"c", "3"}}));
  EXPECT_EQ(scan(*store_->snapshot()), scan(*store_));
}

TEST_P(StoreContract, AgreesWithAModel) {
  std::mt19937_64 random(7);
  Model model;
  std::vector<std::pair<std::unique_ptr<Reader>, Model>> snapshots;
  // Short ones, and ones that begin alike.
  auto key = [&random] {
    const Bytes beginning = random() % 2 == 0 ? "" : "all alike ";
    return beginning + Bytes(1 + random() % 3, static_cast<char>(random() % 8 * 36)) + char(random() % 4);
  };
  for (int round = 0; round < 3000; ++round) {
    Batch batch;
    for (size_t n = random() % 4; n > 0; --n) {
      Bytes start = key();
      if (size_t what = random() % 20; what < 13) {
        Bytes value(random() % 300, static_cast<char>(random()));
        batch.put(start, value);
        model[start] = value;
      } else if (what < 19) {
        batch.erase(start);
        model.erase(start);
      } else {
        Bytes end = random() % 4 == 0 ? Bytes() : key();
        batch.erase_range(start, end);
        for (auto it = model.lower_bound(start); it != model.end() && (end.empty() || it->first < end);) {
          it = model.erase(it);
        }
      }
    }
    write(std::move(batch));
    if (round % 100 == 0) {
      ASSERT_EQ(scan(*store_), model);
      ASSERT_EQ(scan_backwards(*store_), model);
      if (snapshots.size() == 4) snapshots.erase(snapshots.begin());
      snapshots.emplace_back(store_->snapshot(), model);
      for (auto& [reader, then] : snapshots) ASSERT_EQ(scan(*reader), then);
      if (round % 500 == 0) ASSERT_TRUE(store_->flush());
    }
    Bytes probe = key();
    auto found = model.find(probe);
    ASSERT_EQ(get(probe), found == model.end() ? std::nullopt : std::optional(found->second));
  }
}

}  // namespace aspen::store
