#include "core/rt/pool.h"

#include "core/rt/test_fifo_model.h"
#include "core/rt/test_injection.h"

namespace aspen::rt {
namespace {

// A resource that can be told from the others.
struct Link {
  explicit Link(int id, std::set<int>& alive) : id(id), alive(&alive) { alive.insert(id); }
  Link(Link&& other) noexcept
      : id(other.id), broken(other.broken), alive(std::exchange(other.alive, nullptr)) {}
  Link& operator=(Link&&) = delete;
  ~Link() {
    if (alive != nullptr) alive->erase(id);
  }
  int id;
  bool broken = false;
  std::set<int>* alive;
};

struct PoolTest : testing::Test {
  TestWorld world;
  Region root{world.executor};
  std::set<int> alive;
  int made = 0;
  DurationNs make_time = 0;
  bool make_fails = false;
  bool make_panics = false;
  Pool<Link> pool{root,
                  {.size_max = 2,
                   .make = [this](Cx& cx) -> Task<Result<Link>> {
                     ASPEN_CO_CHECK(co_await cx.sleep(make_time));
                     ASPEN_ASSERT(!make_panics);
                     if (make_fails) co_return fail(Code::IO, "no luck");
                     co_return Link(++made, alive);
                   },
                   .healthy = [](Link& link) { return !link.broken; }}};
  std::map<std::string, Pool<Link>::Lease> leases;
  std::string log;

  Join<> start(std::string name) {
    return root.spawn("task", [this, name](Cx& cx) -> Task<Result<>> {
      auto lease = co_await pool.acquire(cx);
      log += name + (lease ? std::to_string((*lease)->id) : std::string(":") + lease.error().name()) + " ";
      if (lease) leases.emplace(name, std::move(*lease));
      co_return Result<>();
    });
  }
  void release(const char* name) {
    leases.erase(name);
    world.run();
  }
  void TearDown() override {
    world.run();
    leases.clear();
    pool.close();
    world.run();
    root.close([] {});
    world.run();
    EXPECT_EQ(root.state(), Region::State::closed) << root.pending();
    EXPECT_TRUE(alive.empty());
  }
};

TEST_F(PoolTest, MakesUpToItsSizeAndReuses) {
  for (const char* name : {"a", "b", "c", "d"}) start(name);
  world.run();
  EXPECT_EQ(log, "a1 b2 ");
  EXPECT_EQ(pool.in_use(), 2u);
  EXPECT_EQ(root.obligation_count(), 2u);
  release("b");
  release("a");
  EXPECT_EQ(log, "a1 b2 c2 d1 ");
  EXPECT_EQ(made, 2);
}

TEST_F(PoolTest, TheLastUsedGoesOutFirst) {
  start("a");
  start("b");
  world.run();
  release("a");
  release("b");
  EXPECT_EQ(pool.idle(), 2u);
  start("c");
  world.run();
  EXPECT_EQ(log, "a1 b2 c2 ");
}

TEST_F(PoolTest, ABrokenOneIsReplaced) {
  start("a");
  world.run();
  leases.at("a")->broken = true;
  release("a");
  EXPECT_EQ(pool.idle(), 0u);
  EXPECT_TRUE(alive.empty());
  start("b");
  world.run();
  leases.at("b").discard();
  release("b");
  start("c");
  world.run();
  EXPECT_EQ(log, "a1 b2 c3 ");
}

TEST_F(PoolTest, AMakerThatFailsGivesItsPlaceToTheNext) {
  make_time = 1;
  make_fails = true;
  for (const char* name : {"a", "b", "c"}) start(name);
  world.turn_all();
  world.env.time += 1;
  world.executor.turn();
  make_fails = false;
  world.run();
  EXPECT_EQ(log, "a:IO b:IO c1 ");
  EXPECT_EQ(pool.in_use(), 1u);
}

TEST_F(PoolTest, AMakerThatPanicsOrIsCancelledToo) {
  make_panics = true;
  start("a");
  world.run();
  EXPECT_EQ(pool.in_use(), 0u);
  make_panics = false;
  make_time = 5;
  auto b = start("b");
  start("c");
  start("d");
  world.turn_all();
  b.cancel({CancelKind::user, "stop"});
  world.run();
  EXPECT_EQ(log, "b:CANCELLED c1 d2 ");
}

TEST_F(PoolTest, ClosesCleanly) {
  start("a");
  start("b");
  world.run();
  release("a");
  EXPECT_EQ(alive.size(), 2u);
  start("x");
  start("waits");
  bool drained = false;
  root.spawn("drains", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await pool.drained(cx));
    drained = true;
    co_return Result<>();
  });
  world.run();
  release("x");
  release("waits");
  pool.close();
  EXPECT_EQ(alive.size(), 1u);  // the idle one is gone
  start("late");
  world.run();
  EXPECT_EQ(log, "a1 b2 x1 waits1 late:UNAVAILABLE ");
  EXPECT_FALSE(drained);
  release("b");
  EXPECT_TRUE(alive.empty());
  EXPECT_TRUE(drained);
}

TEST_F(PoolTest, AMakerThatPanicsAfterTheCloseIsTheLast) {
  make_time = 5;
  make_panics = true;
  start("a");
  world.turn_all();
  pool.close();
  bool drained = false;
  root.spawn("drains", [&](Cx& cx) -> Task<Result<>> {
    ASPEN_CO_CHECK(co_await pool.drained(cx));
    drained = true;
    co_return Result<>();
  });
  world.run();
  EXPECT_TRUE(drained);
}

TEST(Pool, AgreesWithItsModelInAnyOrder) {
  for (uint32_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    TestWorld world;
    Region root(world.executor);
    std::minstd_rand random(seed);
    std::set<int> alive, out;
    int made = 0;
    const size_t size = seed % 3 + 1;
    {
      Pool<Link> pool(root, {.size_max = size,
                             .make = [&](Cx&) -> Task<Result<Link>> { co_return Link(++made, alive); },
                             .healthy = [&](Link& link) { return !link.broken; }});
      struct Use {
        Pool<Link>::Lease lease;
        std::set<int>& out;
        Use(Pool<Link>::Lease&& taken, std::set<int>& out) : lease(std::move(taken)), out(out) {
          EXPECT_TRUE(out.insert(lease->id).second) << "given out twice";
        }
        ~Use() { out.erase(lease->id); }
      };
      play_fifo(world, root, seed, {.units = size}, [&](Cx& cx, size_t) -> Task<Result<Held>> {
        ASPEN_CO_TRY(auto lease, co_await pool.acquire(cx));
        EXPECT_FALSE(lease->broken);
        lease->broken = random() % 5 == 0;
        EXPECT_LE(alive.size(), size);
        co_return Held(std::make_shared<Use>(std::move(lease), out));
      });
      EXPECT_EQ(pool.in_use(), 0u);
      EXPECT_EQ(pool.idle(), alive.size());
    }
    EXPECT_TRUE(alive.empty());
    root.close([] {});
    world.run();
  }
}

struct PoolWorkload : InjectedWorkload {
  std::set<int> links;
  int made = 0;
  int done = 0;
  Pool<Link> pool{root, {.size_max = 2, .make = [this](Cx& cx) -> Task<Result<Link>> {
                           ASPEN_CO_CHECK(co_await cx.sleep(2));
                           co_return Link(++made, links);
                         }}};

  void start() override {
    for (int i = 0; i < 4; ++i) {
      part("user", [this, i](Cx& cx) -> Task<Result<>> {
        ASPEN_CO_TRY(auto lease, co_await pool.acquire(cx));
        EXPECT_LE(links.size(), 2u);
        ASPEN_CO_CHECK(co_await cx.sleep(i));
        if (i == 0) lease.discard();
        ++done;
        co_return Result<>();
      });
    }
  }
  void check(bool cancelled) override {
    EXPECT_EQ(pool.in_use(), 0u);
    EXPECT_EQ(pool.idle(), links.size());
    if (!cancelled) EXPECT_EQ(done, 4);
  }
};

TEST(Pool, CancelledAnywhereKeepsItsPlaces) {
  EXPECT_GT(inject_cancels<PoolWorkload>().runs, 20);
}

}  // namespace
}  // namespace aspen::rt
