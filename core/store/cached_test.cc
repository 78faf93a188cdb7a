// The cached store says what the store below it says, whatever happens at the same time. That it keeps the
// contract is in store_test.cc.
#include <gtest/gtest.h>

#include <functional>

#include "core/store/store.h"

namespace aspen::store {
namespace {

// Counts reads, and does something in the middle of one or of a write.
class Watched final : public Store {
 public:
  Result<std::optional<Bytes>> get(BytesView key) const override {
    ++reads;
    auto value = below_->get(key);
    if (auto action = std::exchange(after_read, nullptr)) action();
    return value;
  }
  std::unique_ptr<Iterator> iterate() const override { return below_->iterate(); }
  std::unique_ptr<Reader> snapshot() const override { return below_->snapshot(); }
  Result<> flush() override { return below_->flush(); }
  void drop(Obsolete obsolete) override { below_->drop(std::move(obsolete)); }
  Result<> write(Batch batch, Sync sync) override {
    if (auto action = std::exchange(before_write, nullptr)) action();
    if (std::exchange(fail_next_write, false)) return fail(Code::IO, "the disk is gone");
    return below_->write(std::move(batch), sync);
  }

  mutable size_t reads = 0;
  mutable std::function<void()> after_read;
  std::function<void()> before_write;
  bool fail_next_write = false;

 private:
  std::unique_ptr<Store> below_ = open_memory();
};

class Cached : public testing::Test {
 protected:
  Cached() {
    auto watched = std::make_unique<Watched>();
    below_ = watched.get();
    store_ = open_cached(std::move(watched), 1u << 20);
  }

  Bytes get(BytesView key) {
    auto value = store_->get(key);
    EXPECT_TRUE(value);
    return value && *value ? **value : "absent";
  }
  Result<> put(BytesView key, BytesView value) {
    Batch batch;
    batch.put(key, value);
    return store_->write(std::move(batch), Sync::no);
  }

  Watched* below_;
  std::unique_ptr<Store> store_;
};

TEST_F(Cached, ReadsARowOnce) {
  ASSERT_TRUE(put("a", "1"));
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("a"), "1");
  ASSERT_TRUE(put("a", "2"));
  EXPECT_EQ(get("a"), "2");
  EXPECT_EQ(below_->reads, 1u);
}

TEST_F(Cached, ErasedRowsAreGone) {
  for (BytesView key : {"a", "b", "c"}) {
    ASSERT_TRUE(put(key, "1"));
    EXPECT_EQ(get(key), "1");
  }
  Batch batch;
  batch.erase("a");
  ASSERT_TRUE(store_->write(std::move(batch), Sync::no));
  EXPECT_EQ(get("a"), "absent");
  Batch range;
  range.erase_range("b", "");
  ASSERT_TRUE(store_->write(std::move(range), Sync::no));
  EXPECT_EQ(get("b"), "absent");
  EXPECT_EQ(get("c"), "absent");
}

TEST_F(Cached, ARowReadBeforeAWriteIsNotKeptAfterIt) {
  ASSERT_TRUE(put("a", "1"));
  below_->after_read = [this] { ASSERT_TRUE(put("a", "2")); };
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("a"), "2");
}

TEST_F(Cached, ABatchUnderWayIsNotSeenByHalves) {
  ASSERT_TRUE(put("a", "1"));
  EXPECT_EQ(get("a"), "1");
  below_->before_write = [this] {
    EXPECT_EQ(get("a"), "1");
    EXPECT_EQ(get("b"), "absent");
  };
  Batch batch;
  batch.put("a", "2");
  batch.put("b", "2");
  ASSERT_TRUE(store_->write(std::move(batch), Sync::no));
  EXPECT_EQ(get("a"), "2");
}

TEST_F(Cached, OfTwoWritesAtOnceTheStoreBelowDecides) {
  ASSERT_TRUE(put("a", "0"));
  EXPECT_EQ(get("a"), "0");
  below_->before_write = [this] { ASSERT_TRUE(put("a", "began second, written first")); };
  ASSERT_TRUE(put("a", "began first, written second"));
  EXPECT_EQ(get("a"), "began first, written second");
}

TEST_F(Cached, AFailedWriteLeavesNothingInTheCache) {
  ASSERT_TRUE(put("a", "1"));
  EXPECT_EQ(get("a"), "1");
  below_->fail_next_write = true;
  ASSERT_FALSE(put("a", "2"));
  EXPECT_EQ(get("a"), "1");
}

}  // namespace
}  // namespace aspen::store
