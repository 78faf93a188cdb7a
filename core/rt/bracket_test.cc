#include "core/rt/bracket.h"

#include "core/rt/test_attempts.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

struct BracketTest : testing::Test, TestAttempts {
  std::vector<int> released;

  auto bracket_of(Attempt<int> acquire, Attempt<int> use, DurationNs cancel_after = kNever) {
    auto body = [&](Cx& cx) {
      return bracket(
          cx, [&](Cx& cx) { return acquire(cx); }, [&](Cx& cx, int&) { return use(cx); },
          [&](Cx& cx, int resource) -> Task<void> {
            EXPECT_TRUE(co_await cx.sleep(100)) << "the release is masked";
            released.push_back(resource);
          });
    };
    return run(body, cancel_after);
  }
};

TEST_F(BracketTest, AcquiresUsesReleases) {
  EXPECT_EQ(*bracket_of(value(10, 1), value(10, 2)).result(), 2);
  EXPECT_EQ(released, (std::vector{1}));
  EXPECT_EQ(elapsed(), 120);
}

TEST_F(BracketTest, WithoutResourceThereIsNothingToRelease) {
  EXPECT_EQ(bracket_of(error(10), value(10, 2)).error().code, Code::IO);
  EXPECT_EQ(bracket_of(value(kSecond, 1), value(10, 2), 5).severity(), Severity::cancelled);
  EXPECT_EQ(bracket_of(panic(10), value(10, 2)).severity(), Severity::panicked);
  EXPECT_TRUE(released.empty());
}

TEST_F(BracketTest, ReleasesAfterAnErrorAPanicAndACancel) {
  EXPECT_EQ(bracket_of(value(10, 1), error(10)).error().code, Code::IO);
  EXPECT_EQ(bracket_of(value(10, 2), panic(10)).severity(), Severity::panicked);
  EXPECT_EQ(bracket_of(value(10, 3), value(kSecond, 0), 15).severity(), Severity::cancelled);
  EXPECT_EQ(released, (std::vector{1, 2, 3}));
  EXPECT_EQ(elapsed(), 120 + 120 + 115);
}

TEST_F(BracketTest, ACancelBeforeTheUseSkipsItAndReleases) {
  EXPECT_EQ(bracket_of(stubborn(kSecond, 10, 1), value(10, 2), 5).severity(), Severity::cancelled);
  EXPECT_EQ(released, (std::vector{1}));
  EXPECT_EQ(started, 1) << "acquire, not use";
}

TEST_F(BracketTest, ACancelDuringTheReleaseDoesNotCutItShort) {
  EXPECT_EQ(*bracket_of(value(10, 1), value(10, 2), 50).result(), 2);
  EXPECT_EQ(released, (std::vector{1}));
}

TEST_F(BracketTest, APanicInTheReleaseIsTheCallersUnlessTheUsePanicked) {
  auto run_with = [this](Attempt<int> use) {
    return run([&](Cx& cx) {
      return bracket(
          cx, value(1, 1), [&](Cx& cx, int&) { return use(cx); },
          [](Cx&, int) -> Task<void> {
            throw Panic("in the release");
            co_return;
          });
    });
  };
  EXPECT_NE(run_with(value(1, 2)).error().message.find("in the release"), std::string::npos);
  EXPECT_NE(run_with(panic(1)).error().message.find("after 1"), std::string::npos);
}

struct BracketWorkload : InjectedWorkload {
  int held = 0;
  int acquired = 0;
  int released = 0;

  void start() override {
    part("caller", [this](Cx& cx) -> Task<Result<>> {
      co_return co_await bracket(
          cx,
          [this](Cx& cx) -> Task<Result<std::unique_ptr<int>>> {
            ASPEN_CO_CHECK(co_await cx.sleep(2));
            ++held;
            ++acquired;
            co_return std::make_unique<int>(7);
          },
          [](Cx& cx, std::unique_ptr<int>& resource) -> Task<Result<>> {
            EXPECT_EQ(*resource, 7);
            co_return co_await cx.sleep(2);
          },
          [this](Cx& cx, std::unique_ptr<int> resource) -> Task<void> {
            EXPECT_TRUE(resource);
            EXPECT_TRUE(co_await cx.sleep(2));
            --held;
            ++released;
          });
    });
  }
  void check(bool) override {
    EXPECT_EQ(held, 0);
    EXPECT_EQ(acquired, released);
  }
};

TEST(BracketInjection, ReleasesOnceWhereverItIsCancelled) {
  EXPECT_GT(inject_cancels<BracketWorkload>().runs, 8);
}

}  // namespace
}  // namespace aspen::rt
