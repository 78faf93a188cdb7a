// The requester's bookkeeping, without a network.
#include "core/node/router.h"

#include <gtest/gtest.h>

#include "core/rt/test_world.h"
#include "core/rt/timeout.h"

namespace aspen::node {
namespace {

NodeId id_of(uint64_t number) {
  NodeId id;
  std::memcpy(id.key.data(), &number, sizeof number);
  return id;
}

TEST(Router, WhoeverNamesMembersCannotMakeItRememberWithoutBound) {
  rt::TestWorld world;
  Router router(world.executor, id_of(1));
  for (uint64_t i = 1; i < 10'000; ++i) router.learn(id_of(i), "10.0.0.1:4000");
  EXPECT_EQ(router.known(), limits::kMembersMax + limits::kTicketPeersMax);
}

TEST(Router, TheLeaderIsNotForgottenForANewcomer) {
  rt::TestWorld world;
  Router router(world.executor, id_of(1));
  router.attach(nullptr, nullptr);
  router.learn(id_of(2), "10.0.0.2:4000");
  router.set_leader(id_of(2));
  for (uint64_t i = 3; i < 1'000; ++i) router.learn(id_of(i), "10.0.0.1:4000");
  auto outcome = rt::run_task(world, [&](rt::Cx& cx) -> rt::Task<Result<Bytes>> {
    auto answer = co_await rt::timeout(cx, kMillisecond, [&](rt::Cx& cx) {
      return router.call(cx, {.kind = RequestKind::get, .body = "k"});
    });
    co_return answer;
  });
  auto result = std::move(outcome).result();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("10.0.0.2:4000"), std::string::npos) << result.error().message;
}

TEST(Router, WithoutAnyMemberItSaysSo) {
  rt::TestWorld world;
  Router router(world.executor, id_of(1));
  auto outcome = rt::run_task(world, [&](rt::Cx& cx) { return router.call(cx, {}); });
  auto result = std::move(outcome).result();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::UNAVAILABLE);
}

}  // namespace
}  // namespace aspen::node
