// What asks the allocator for nothing once it is warm: the paths that everything the node does goes through.
#include <cstdlib>
#include <new>

#include "core/rt/channel.h"
#include "core/rt/test_world.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KEEPS_ITS_ALLOCATOR 1  // a sanitizer checks what it allocates
#endif
#endif

#ifndef KEEPS_ITS_ALLOCATOR
namespace {
thread_local size_t allocations = 0;
}

// The other forms, but for what is over-aligned, call these.
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace aspen::rt {
namespace {

constexpr int kWarmUp = 100;
constexpr int kMeasured = 1'000;

// How often `step`, which is co_awaited, allocates when it is warm.
template <typename F>
Task<Result<size_t>> count(F step) {
  for (int i = 0; i < kWarmUp; ++i) ASPEN_CO_CHECK(co_await step());
  size_t before = allocations;
  for (int i = 0; i < kMeasured; ++i) ASPEN_CO_CHECK(co_await step());
  co_return allocations - before;
}

// Of a body that co_returns what count() gave it.
template <typename F>
size_t counted(F body) {
  auto outcome = run_task(std::move(body));
  EXPECT_TRUE(outcome.ok());
  return outcome.ok() ? *outcome.result() : SIZE_MAX;
}

TEST(AllocationTest, TheCounterCounts) {
  auto step = []() -> Task<Result<>> {
    std::string text(100, 'x');
    EXPECT_NE(text.data(), nullptr);
    co_return Result<>();
  };
  EXPECT_EQ(counted([&](Cx&) { return count(step); }), size_t{kMeasured});
}

// Not inlined, or the compiler may make its frame a part of its caller's.
[[gnu::noinline]] Task<Result<>> child() {
  co_return Result<>();
}

TEST(AllocationTest, AnAwaitOfAChildNeedsNone) {
  EXPECT_EQ(counted([](Cx&) { return count(child); }), 0u);
}

TEST(AllocationTest, ASpawnNeedsNone) {
  size_t needed = counted([](Cx& cx) -> Task<Result<size_t>> {
    Region region(cx);
    auto step = [&]() -> Task<Result<>> {
      auto join = region.spawn("child", [](Cx&) { return child(); });
      co_return (co_await join.wait(cx)).result();
    };
    auto needed = co_await count(step);
    co_await region.close();
    co_return needed;
  });
  EXPECT_EQ(needed, 0u);
}

// Both ends wait for each other all the time: the channel holds less than is sent in one turn.
TEST(AllocationTest, AMessageOnAWarmChannelNeedsNone) {
  size_t needed = counted([](Cx& cx) -> Task<Result<size_t>> {
    Region region(cx);
    Channel<int> channel(region, 4);
    region.spawn("sender", [&](Cx& cx) -> Task<Result<>> {
      for (int i = 0; i < kWarmUp + kMeasured; ++i) {
        ASPEN_CO_TRY(auto permit, co_await channel.reserve(cx));
        std::move(permit).send(i);
      }
      co_return Result<>();
    });
    auto step = [&, next = 0]() mutable -> Task<Result<>> {
      ASPEN_CO_TRY(std::optional<int> item, co_await channel.recv(cx));
      EXPECT_EQ(item, next++);
      co_return Result<>();
    };
    auto needed = co_await count(std::move(step));
    co_await region.close();
    co_return needed;
  });
  EXPECT_EQ(needed, 0u);
}

TEST(AllocationTest, ASleepNeedsNone) {
  size_t needed = counted(
      [](Cx& cx) { return count([&cx]() -> Task<Result<>> { co_return co_await cx.sleep(kMillisecond); }); });
  EXPECT_EQ(needed, 0u);
}

}  // namespace
}  // namespace aspen::rt
#endif
