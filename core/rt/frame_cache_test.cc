#include "core/rt/frame_cache.h"

#include <thread>
#include <vector>

#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

// Each test has a thread of its own, which keeps nothing at first.
struct FrameCacheTest : testing::Test {
  void SetUp() override {
    if (!FrameCache::kEnabled) GTEST_SKIP() << "nothing is kept under AddressSanitizer";
  }
  template <typename F>
  void on_new_thread(F body) {
    std::thread(body).join();
  }
};

TEST_F(FrameCacheTest, WhatWasFreedIsUsedAgain) {
  on_new_thread([] {
    void* first = FrameCache::allocate(100);
    void* second = FrameCache::allocate(100);
    FrameCache::free(first, 100);
    FrameCache::free(second, 100);
    EXPECT_EQ(FrameCache::kept(), 2u);
    EXPECT_EQ(FrameCache::allocate(128), second);  // the last freed first; 65 to 128 bytes share
    EXPECT_EQ(FrameCache::allocate(65), first);
    EXPECT_EQ(FrameCache::kept(), 0u);
    FrameCache::free(first, 65);
    FrameCache::free(second, 128);
  });
}

TEST_F(FrameCacheTest, SizesAreKeptApart) {
  on_new_thread([] {
    void* small = FrameCache::allocate(64);
    FrameCache::free(small, 64);
    void* large = FrameCache::allocate(65);
    EXPECT_NE(large, small);
    EXPECT_EQ(FrameCache::kept(), 1u);
    FrameCache::free(large, 65);
    EXPECT_EQ(FrameCache::kept(), 2u);
  });
}

TEST_F(FrameCacheTest, KeepsAtMostItsLimit) {
  on_new_thread([] {
    std::vector<void*> blocks;
    for (size_t i = 0; i < limits::kFramesKept + 3; ++i) blocks.push_back(FrameCache::allocate(64));
    for (void* block : blocks) FrameCache::free(block, 64);
    EXPECT_EQ(FrameCache::kept(), limits::kFramesKept);
  });
}

TEST_F(FrameCacheTest, WhatIsLargeIsNotKept) {
  on_new_thread([] {
    FrameCache::free(FrameCache::allocate(FrameCache::kBlockMax), FrameCache::kBlockMax);
    EXPECT_EQ(FrameCache::kept(), 1u);
    FrameCache::free(FrameCache::allocate(FrameCache::kBlockMax + 1), FrameCache::kBlockMax + 1);
    EXPECT_EQ(FrameCache::kept(), 1u);
  });
}

TEST_F(FrameCacheTest, MemoryMayBeFreedOnAnotherThread) {
  void* block = FrameCache::allocate(64);
  on_new_thread([block] {
    FrameCache::free(block, 64);
    EXPECT_EQ(FrameCache::allocate(64), block);
    FrameCache::free(block, 64);
  });
}

TEST_F(FrameCacheTest, AThreadThatEndsStillFrees) {
  // Destroyed after the cache, which is first used later.
  struct Late {
    void* memory = nullptr;
    ~Late() { FrameCache::free(memory, 64); }
  };
  on_new_thread([] {
    static thread_local Late late;
    late.memory = FrameCache::allocate(64);
    FrameCache::free(FrameCache::allocate(64), 64);
    EXPECT_EQ(FrameCache::kept(), 1u);
  });
}

// Not inlined, or the compiler may make its frame a part of its caller's.
[[gnu::noinline]] Task<Result<int>> child(int value) {
  co_return value;
}

TEST_F(FrameCacheTest, AwaitsUseOneFrameAgainAndAgain) {
  on_new_thread([] {
    auto outcome = run_task([&](Cx&) -> Task<Result<size_t>> {
      EXPECT_EQ(*co_await child(1), 1);
      size_t kept = FrameCache::kept();
      for (int i = 0; i < 100; ++i) EXPECT_EQ(*co_await child(i), i);
      EXPECT_EQ(FrameCache::kept(), kept);
      co_return kept;
    });
    ASSERT_TRUE(outcome.ok());
    EXPECT_GT(*outcome.result(), 0u);
  });
}

}  // namespace
}  // namespace aspen::rt
