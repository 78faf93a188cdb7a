// The stores of production and of tests keep the contract, also with many threads.
#include "core/store/store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/store/store_contract.h"
#include "core/store/store_test_dir.h"

namespace aspen::store {
namespace {

std::shared_ptr<Store> open_rocksdb_kind(bool wal) {
  struct Opened {
    TestDir dir;
    std::unique_ptr<Store> store;
  };
  auto opened = std::make_shared<Opened>();
  auto store = open_rocksdb({.path = opened->dir.path("s"), .wal = wal, .memtable_bytes = 1u << 16});
  if (!store) ADD_FAILURE() << store.error().to_string();
  if (!store) return nullptr;
  opened->store = *std::move(store);
  return {opened, opened->store.get()};
}

auto all_kinds() {
  return testing::Values(
      StoreKind{"memory", [] { return std::shared_ptr<Store>(open_memory()); }},
      StoreKind{"cached", [] { return std::shared_ptr<Store>(open_cached(open_memory(), 1u << 16)); }},
      StoreKind{"rocksdb_wal", [] { return open_rocksdb_kind(true); }},
      StoreKind{"rocksdb_no_wal", [] { return open_rocksdb_kind(false); }});
}

class StoreThreads : public StoreContract {};

// Every reader sees whole batches; open-ended erasures leave nothing of what was written before them.
TEST_P(StoreThreads, ManyThreads) {
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

INSTANTIATE_TEST_SUITE_P(Store, StoreContract, all_kinds(), store_kind_name);
INSTANTIATE_TEST_SUITE_P(Store, StoreThreads, all_kinds(), store_kind_name);

}  // namespace
}  // namespace aspen::store
