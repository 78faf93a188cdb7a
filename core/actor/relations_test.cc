#include "core/actor/relations.h"

#include <gtest/gtest.h>

#include <random>

namespace aspen::actor {
namespace {

constexpr ActorId kA{1};
constexpr ActorId kB{2};
constexpr ActorId kC{3};

TEST(Relations, ALinkIsMutualAndOnce) {
  Relations relations;
  relations.link(kB, kA);
  relations.link(kA, kB);
  relations.link(kA, kC);
  EXPECT_TRUE(relations.linked(kA, kB));
  EXPECT_TRUE(relations.linked(kB, kA));
  EXPECT_EQ(relations.expected(kA), 2u);
  EXPECT_EQ(relations.end(kA).linked, (std::vector<ActorId>{kB, kC}));
  EXPECT_FALSE(relations.linked(kB, kA));
  EXPECT_TRUE(relations.end(kB).linked.empty());
}

TEST(Relations, UnlinkIsMutual) {
  Relations relations;
  relations.link(kA, kB);
  EXPECT_TRUE(relations.unlink(kB, kA));
  EXPECT_FALSE(relations.unlink(kA, kB));
  EXPECT_TRUE(relations.end(kA).linked.empty());
}

TEST(Relations, EveryMonitorIsToldOnce) {
  Relations relations;
  relations.monitor(kB, kA, {10});
  relations.monitor(kB, kA, {11});
  relations.monitor(kC, kA, {12});
  EXPECT_EQ(relations.watchers(kA), 3u);
  EXPECT_TRUE(relations.demonitor(kB, {10}));
  EXPECT_FALSE(relations.demonitor(kB, {10}));
  EXPECT_FALSE(relations.demonitor(kB, {12})) << "another's";
  EXPECT_EQ(relations.end(kA).watchers, (std::vector<Relations::Watcher>{{kB, {11}}, {kC, {12}}}));
  EXPECT_EQ(relations.expected(kB), 0u);
}

TEST(Relations, AWatcherThatEndsIsForgotten) {
  Relations relations;
  relations.monitor(kB, kA, {10});
  EXPECT_TRUE(relations.end(kB).watchers.empty());
  EXPECT_TRUE(relations.end(kA).watchers.empty());
}

// Against a plain list of pairs.
TEST(Relations, AgreesWithAModel) {
  std::minstd_rand random(7);
  Relations relations;
  std::set<std::pair<uint64_t, uint64_t>> links;  // both ways
  struct Watch {
    uint64_t watcher, target, reference;
  };
  std::vector<Watch> watches;
  uint64_t references = 0;
  for (int step = 0; step < 20'000; ++step) {
    uint64_t a = 1 + random() % 8;
    uint64_t b = 1 + random() % 8;
    if (a == b) continue;
    switch (random() % 6) {
      case 0:
      case 1:
        relations.link({a}, {b});
        links.insert({a, b});
        links.insert({b, a});
        break;
      case 2:
        EXPECT_EQ(relations.unlink({a}, {b}), links.erase({a, b}) == 1);
        links.erase({b, a});
        break;
      case 3:
        relations.monitor({a}, {b}, {++references});
        watches.push_back({a, b, references});
        break;
      case 4: {
        uint64_t reference = 1 + random() % (references + 1);
        size_t erased = std::erase_if(
            watches, [&](const Watch& w) { return w.watcher == a && w.reference == reference; });
        EXPECT_EQ(relations.demonitor({a}, {reference}), erased == 1);
        break;
      }
      case 5: {
        if (random() % 4 != 0) break;
        Relations::Ended ended = relations.end({a});
        std::vector<ActorId> linked;
        for (auto [x, y] : links) {
          if (x == a) linked.push_back({y});
        }
        std::vector<Relations::Watcher> watchers;
        for (const Watch& w : watches) {
          if (w.target == a) watchers.push_back({{w.watcher}, {w.reference}});
        }
        EXPECT_EQ(ended.linked, linked);
        EXPECT_EQ(ended.watchers, watchers);
        std::erase_if(links, [&](auto& link) { return link.first == a || link.second == a; });
        std::erase_if(watches, [&](const Watch& w) { return w.target == a || w.watcher == a; });
        break;
      }
    }
    size_t expected = 0;
    for (auto [x, y] : links) expected += x == a;
    for (const Watch& w : watches) expected += w.watcher == a;
    ASSERT_EQ(relations.expected({a}), expected);
  }
}

}  // namespace
}  // namespace aspen::actor
