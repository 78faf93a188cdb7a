#include "core/node/open_watches.h"

#include "core/node/test_cluster.h"

namespace aspen::node {
namespace {

class OpenWatchesTest : public ClusterTest {
 protected:
  void SetUp() override {
    NodeOptions options = this->options(Mode::embedded, "db");
    options.history = {.keep_revisions = 10};
    node_ = open(options);
  }
  void TearDown() override { node_.close(); }

  uint64_t open_watch(kv::WatchRequest request, size_t window = limits::kWatchWindowBytes) {
    auto opened = wait_for<OpenWatches::Opened>([&](auto done) {
      node_.node->open_watch(std::move(request), window, kCallTimeout, std::move(done));
    });
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? opened->id : 0;
  }
  Result<WatchBatch> next(uint64_t watch) {
    return wait_for<WatchBatch>([&](auto done) { node_.node->next(watch, std::move(done)); });
  }
  // The first revision that is left, once compaction has passed `revision`.
  uint64_t compacted_past(uint64_t revision) {
    uint64_t oldest = 0;
    EXPECT_TRUE(eventually([&] {
      EXPECT_TRUE(node_.put("other", "x"));
      WatchBatch batch = *next(open_watch({.start = "k", .first_revision = 1}));
      if (batch.compacted) oldest = batch.revision;
      return oldest > revision;
    }));
    return oldest;
  }

  TestNode node_;
};

TEST_F(OpenWatchesTest, ABatchHasAllThatIsThere) {
  uint64_t watch = open_watch({.start = "k"});
  uint64_t last = 0;
  for (int i = 0; i < 20; ++i) last = node_.put("k", fmt::format("{}", i))->revision;
  WatchBatch all;
  while (all.revision < last) {
    WatchBatch batch = *next(watch);
    EXPECT_GT(batch.revision, all.revision);
    EXPECT_EQ(batch.items.back().revision, batch.revision);
    all.revision = batch.revision;
    for (WatchItem& item : batch.items) all.items.push_back(std::move(item));
  }
  ASSERT_EQ(all.items.size(), 20u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(all.items[static_cast<size_t>(i)].events.at(0).record->value, fmt::format("{}", i));
  }
}

TEST_F(OpenWatchesTest, ThePastThatIsForgottenIsNamed) {
  uint64_t first = node_.put("k", "1")->revision;
  uint64_t oldest = compacted_past(first);
  uint64_t watch = open_watch({.start = "k", .first_revision = first});
  for (int i = 0; i < 2; ++i) {
    Result<WatchBatch> batch = next(watch);
    ASSERT_TRUE(batch && batch->compacted) << i;
    EXPECT_EQ(batch->compacted->code, Code::COMPACTED);
    EXPECT_EQ(batch->compacted->message.find("fallen behind"), std::string::npos);
    EXPECT_GE(batch->revision, oldest);
  }
}

TEST_F(OpenWatchesTest, OneThatFellTooFarBehindEndsAndSaysSo) {
  // Room for one event of these; what comes later waits in the ring, and what that has no room for in the
  // store.
  uint64_t watch = open_watch({.start = "k", .end = "l"}, 1);
  uint64_t last = 0;
  for (size_t bytes = 0; bytes < 2 * limits::kWatchRingBytes; bytes += 3u << 20) {
    last = node_.put("k", Bytes(3u << 20, 'v'))->revision;
  }
  uint64_t oldest = compacted_past(last);
  WatchBatch batch = *next(watch);
  EXPECT_EQ(batch.items.size(), 1u);
  do batch = *next(watch);
  while (!batch.compacted && batch.revision < last);
  ASSERT_TRUE(batch.compacted) << "told of what the store has forgotten";
  EXPECT_NE(batch.compacted->message.find("fallen behind"), std::string::npos) << batch.compacted->message;
  EXPECT_GE(batch.revision, oldest);
  // As it says: read, and watch from there.
  uint64_t again = open_watch({.start = "k", .end = "l", .first_revision = node_.range({})->revision + 1});
  EXPECT_TRUE(node_.put("k", "new"));
  EXPECT_EQ(next(again)->items.at(0).events.at(0).record->value, "new");
}

TEST_F(OpenWatchesTest, NothingIsMissedThatHappenedWhileNobodyWatched) {
  uint64_t before = node_.put("k", "1")->revision;
  for (int round = 0; round < 5; ++round) {
    uint64_t watch = open_watch({.start = "k", .end = "l", .first_revision = before});
    EXPECT_EQ(next(watch)->items.at(0).revision, before);
    node_.node->close_watch(watch);
    // So long that the member has noticed, or not quite.
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * round));
    before = node_.put("k", "2")->revision;
  }
  uint64_t watch = open_watch({.start = "k", .end = "l"});
  uint64_t after = node_.put("k", "3")->revision;
  EXPECT_EQ(next(watch)->items.at(0).revision, after) << "told of what was before it began";
}

TEST_F(OpenWatchesTest, ThoseThatWaitLeaveRoomForOperations) {
  std::vector<uint64_t> watches;
  std::vector<std::future<Result<WatchBatch>>> waiting;
  for (size_t i = 0; i <= limits::kOpsInFlightMax; ++i) {
    watches.push_back(open_watch({.start = fmt::format("k{}", i), .end = fmt::format("k{}+", i)}));
    std::promise<Result<WatchBatch>> promise;
    waiting.push_back(promise.get_future());
    node_.node->next(watches.back(), [promise = std::move(promise)](Result<WatchBatch> batch) mutable {
      promise.set_value(std::move(batch));
    });
  }
  ASSERT_TRUE(node_.put("k7", "x"));
  EXPECT_EQ(waiting[7].get()->items.size(), 1u);
  for (uint64_t watch : watches) node_.node->close_watch(watch);
  waiting.erase(waiting.begin() + 7);
  for (auto& each : waiting) EXPECT_EQ(each.get().error().code, Code::CANCELLED);
}

TEST_F(OpenWatchesTest, OneNextAtATime) {
  uint64_t watch = open_watch({.start = "k"});
  std::promise<Result<WatchBatch>> promise;
  auto first = promise.get_future();
  node_.node->next(watch, [&](Result<WatchBatch> batch) { promise.set_value(std::move(batch)); });
  EXPECT_EQ(next(watch).error().code, Code::INVALID_ARGUMENT);
  ASSERT_TRUE(node_.put("k", "x"));
  EXPECT_EQ(first.get()->items.size(), 1u);
  node_.node->close_watch(watch);
  EXPECT_EQ(next(watch).error().code, Code::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace aspen::node
