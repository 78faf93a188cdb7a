// What every Store promises, run over all of them: reads, order, batches, snapshots, threads.
#include "core/store/store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "core/store/store_test_dir.h"

namespace aspen::store {
namespace {

using Model = std::map<Bytes, Bytes>;

Batch put(BytesView key, BytesView value) {
  Batch batch;
  batch.put(key, value);
  return batch;
}

Model scan(const Reader& reader) {
  Model all;
  std::unique_ptr<Iterator> it = reader.iterate();
  for (it->seek(""); it->valid(); it->next()) all.emplace(it->key(), it->value());
  EXPECT_TRUE(it->status());
  return all;
}

Model scan_backwards(const Reader& reader) {
  Model all;
  std::unique_ptr<Iterator> it = reader.iterate();
  for (it->seek_to_last(); it->valid(); it->prev()) all.emplace(it->key(), it->value());
  EXPECT_TRUE(it->status());
  return all;
}

class Conformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "memory") {
      store_ = open_memory();
      return;
    }
    auto opened = open_rocksdb(
        {.path = dir_.path("s"), .wal = GetParam() == "rocksdb_wal", .memtable_bytes = 1u << 16});
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_ = *std::move(opened);
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

  TestDir dir_;
  std::unique_ptr<Store> store_;
};

TEST_P(Conformance, GetsWhatWasPut) {
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

TEST_P(Conformance, ABatchAppliesInOrder) {
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

TEST_P(Conformance, ErasesRanges) {
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

TEST_P(Conformance, AnOpenRangeCoversTheSameBatch) {
  write(put("b", "v"));
  Batch batch;
  batch.put("\xff\xff", "first");
  batch.erase_range("a", "");
  batch.put("c", "after");
  write(std::move(batch));
  EXPECT_EQ(scan(*store_), (Model{{"c", "after"}}));
}

TEST_P(Conformance, IteratorsSeekBothWays) {
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

TEST_P(Conformance, SnapshotsAndIteratorsDoNotMove) {
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

TEST_P(Conformance, AgreesWithAModel) {
  std::mt19937_64 random(7);
  Model model;
  std::vector<std::pair<std::unique_ptr<Reader>, Model>> snapshots;
  auto key = [&random] {
    return Bytes(1 + random() % 3, static_cast<char>(random() % 8 * 36)) + char(random() % 4);
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

// Every reader sees whole batches; open-ended erasures leave nothing of what was written before them.
TEST_P(Conformance, ManyThreads) {
  std::atomic<bool> done = false;
  std::thread writer([this] {
    for (int i = 0; i < 2000; ++i) {
      Batch batch;
      if (i % 100 == 99) batch.erase_range("", "");
      for (BytesView key : {"a", "b", "c"}) batch.put(key, std::to_string(i));
      ASSERT_TRUE(store_->write(std::move(batch), Sync::no));
    }
  });
  std::thread flusher([&] {
    while (!done) {
      ASSERT_TRUE(store_->flush());
      std::this_thread::yield();
    }
  });
  std::thread reader([&] {
    while (!done) {
      Model seen = scan(*store_->snapshot());
      ASSERT_TRUE(seen.empty() || (seen.size() == 3 && seen["a"] == seen["b"] && seen["b"] == seen["c"]));
    }
  });
  writer.join();
  done = true;
  flusher.join();
  reader.join();
  EXPECT_EQ(get("c"), "1999");
}

INSTANTIATE_TEST_SUITE_P(Store, Conformance, testing::Values("memory", "rocksdb_wal", "rocksdb_no_wal"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace aspen::store
