// Watches of aspen.h, at a client and at members of a cluster of processes, and embedded.
#include <set>
#include <string_view>

#include "capi/test_cluster.h"

using namespace aspen::capi_test;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kPatience = 60 * kSecond;

using Watch = std::unique_ptr<aspen_watch_t, Deleter<aspen_watch_free>>;

std::string text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The prefix is borrowed, as the options do.
aspen_watch_options_t options_of(std::string_view prefix) {
  aspen_watch_options_t options;
  aspen_watch_options_init(&options, sizeof options);
  options.prefix = prefix.data();
  options.prefix_size = prefix.size();
  return options;
}

Op completed(aspen_op_t* raw) {
  Op op(raw);
  EXPECT_EQ(aspen_op_wait(raw, kPatience), ASPEN_OK) << "no completion";
  return op;
}

Op begin(aspen_node_t* node, const aspen_watch_options_t& options) {
  aspen_op_t* op = nullptr;
  EXPECT_EQ(aspen_watch_open(node, &options, nullptr, 0, &op), ASPEN_OK);
  return completed(op);
}

Watch open(aspen_node_t* node, const aspen_watch_options_t& options) {
  Op op = begin(node, options);
  EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
  Watch watch(aspen_op_take_watch(op.get()));
  EXPECT_NE(watch, nullptr);
  EXPECT_EQ(aspen_op_take_watch(op.get()), nullptr);
  return watch;
}

Op ask(const Watch& watch) {
  aspen_op_t* op = nullptr;
  EXPECT_EQ(aspen_watch_next(watch.get(), nullptr, 0, &op), ASPEN_OK);
  return Op(op);
}

Op next(const Watch& watch) {
  return completed(ask(watch).release());
}

// "+a=1" for a put, "-a" for a delete, "+a=2(1)" with what was before.
std::string describe(const aspen_watch_event_t& event) {
  std::string key = text(event.entry.key, event.entry.key_size);
  std::string out = event.kind == ASPEN_EVENT_PUT
                        ? "+" + key + "=" + text(event.entry.value, event.entry.value_size)
                        : "-" + key;
  if (event.has_previous) out += "(" + text(event.previous.value, event.previous.value_size) + ")";
  return out;
}

// What a watch was told so far.
struct Told {
  std::string text = {};
  std::vector<uint64_t> revisions = {};  // one per event
  uint64_t upto = 0;
  size_t batches = 0;
  std::string wrong = {};

  void take(const Op& op) {
    const int32_t status = aspen_op_status(op.get());
    if (status != ASPEN_OK) wrong = aspen_error_name(status) + std::string(": ") + aspen_op_message(op.get());
    ++batches;
    aspen_watch_event_t event;
    for (size_t i = 0; aspen_op_watch_event(op.get(), i, &event) == ASPEN_OK; ++i) {
      if (event.revision <= upto) wrong = "a batch of a revision that was told";
      if (!revisions.empty() && event.revision < revisions.back()) wrong = "not in order";
      text += (text.empty() ? "" : " ") + describe(event);
      revisions.push_back(event.revision);
    }
    if (aspen_op_revision(op.get()) < upto) wrong = "told less than before";
    upto = aspen_op_revision(op.get());
    if (!revisions.empty() && revisions.back() > upto) wrong = "told more than it says";
  }
};

Told told(const Watch& watch, size_t events) {
  Told all;
  while (all.revisions.size() < events && all.wrong.empty()) all.take(next(watch));
  EXPECT_EQ(all.wrong, "");
  return all;
}

// One cluster for all of these, each with keys of its own.
class WatchTest : public Capi {
 protected:
  static void SetUpTestSuite() {
    char path[] = "/tmp/aspen-watch-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    shared_root_ = path;
    cluster_ = std::make_unique<ClusterProcesses>(shared_root_, 3);
  }
  static void TearDownTestSuite() {
    cluster_.reset();
    std::filesystem::remove_all(shared_root_);
  }
  void SetUp() override {
    Capi::SetUp();
    Op op = open_op(ASPEN_MODE_CLIENT, "", nullptr, cluster_->ticket().c_str());
    ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    client_.reset(aspen_op_take_node(op.get()));
  }
  void TearDown() override {
    client_.reset();
    Capi::TearDown();
  }

  uint64_t put(const std::string& key, const std::string& value) {
    Op op = Capi::put(client_.get(), key, value);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return aspen_op_revision(op.get());
  }
  uint64_t erase(const std::string& key) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_delete(client_.get(), key.data(), key.size(), nullptr, nullptr, 0, &op), ASPEN_OK);
    return aspen_op_revision(finished(op).get());
  }

  static std::string shared_root_;
  static std::unique_ptr<ClusterProcesses> cluster_;
  NodePtr client_;
};
std::string WatchTest::shared_root_;
std::unique_ptr<ClusterProcesses> WatchTest::cluster_;

TEST_F(WatchTest, TellsEveryChangeOnceInTheOrderOfTheRevisions) {
  Watch watch = open(client_.get(), options_of("order/"));
  std::string expected;
  std::vector<uint64_t> revisions;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "order/" + std::to_string(i % 7);
    revisions.push_back(put(key, std::to_string(i)));
    expected += (i > 0 ? " +" : "+") + key + "=" + std::to_string(i);
    put("other/" + key, "not told");
  }
  Told all = told(watch, 100);
  EXPECT_EQ(all.text, expected);
  EXPECT_EQ(all.revisions, revisions);
}

TEST_F(WatchTest, SaysWhatAKeyWasBefore) {
  aspen_watch_options_t options = options_of("was/");
  options.previous = 1;
  Watch watch = open(client_.get(), options);
  const uint64_t created = put("was/a", "1");
  const uint64_t changed = put("was/a", "2");
  const uint64_t gone = erase("was/a");
  put("was/a", "3");
  std::vector<Op> ops;
  std::vector<aspen_watch_event_t> events;
  while (events.size() < 4) {
    ops.push_back(next(watch));
    ASSERT_EQ(aspen_op_status(ops.back().get()), ASPEN_OK);
    aspen_watch_event_t event;
    for (size_t i = 0; aspen_op_watch_event(ops.back().get(), i, &event) == ASPEN_OK; ++i)
      events.push_back(event);
  }
  EXPECT_EQ(describe(events[0]), "+was/a=1");
  EXPECT_EQ(describe(events[1]), "+was/a=2(1)");
  EXPECT_EQ(describe(events[2]), "-was/a(2)");
  EXPECT_EQ(describe(events[3]), "+was/a=3");
  EXPECT_EQ(events[1].entry.create_revision, created);
  EXPECT_EQ(events[1].entry.mod_revision, changed);
  EXPECT_EQ(events[1].entry.version, 2u);
  EXPECT_EQ(events[1].previous.mod_revision, created);
  EXPECT_EQ(events[2].revision, gone);
  EXPECT_EQ(events[2].entry.mod_revision, 0u);
  EXPECT_EQ(events[2].previous.version, 2u);
}

TEST_F(WatchTest, TellsOnlyWhatIsWanted) {
  aspen_watch_options_t options = options_of("f/");
  options.no_puts = 1;
  Watch deletes = open(client_.get(), options);
  options.no_puts = 0;
  options.no_deletes = 1;
  Watch puts = open(client_.get(), options);
  aspen_watch_options_init(&options, sizeof options);
  options.key = "f/b";
  options.key_size = 3;
  Watch key = open(client_.get(), options);
  options.key = nullptr;
  options.key_size = 0;
  options.start = "f/b";
  options.start_size = 3;
  options.end = "f/c";
  options.end_size = 3;
  Watch range = open(client_.get(), options);
  put("f/a", "1");
  put("f/b", "1");
  put("f/bb", "1");
  put("f/c", "1");
  erase("f/b");
  erase("f/c");
  put("f/b", "2");
  EXPECT_EQ(told(deletes, 2).text, "-f/b -f/c");
  EXPECT_EQ(told(puts, 5).text, "+f/a=1 +f/b=1 +f/bb=1 +f/c=1 +f/b=2");
  EXPECT_EQ(told(key, 3).text, "+f/b=1 -f/b +f/b=2");
  EXPECT_EQ(told(range, 4).text, "+f/b=1 +f/bb=1 -f/b +f/b=2");
}

TEST_F(WatchTest, ATransactionIsToldWhole) {
  // Larger than the buffer and than what members send at a time.
  aspen_watch_options_t options = options_of("whole/");
  options.buffer_bytes = 1000;
  Watch watch = open(client_.get(), options);
  aspen_batch_t* raw = nullptr;
  ASSERT_EQ(aspen_batch_new(&raw), ASPEN_OK);
  Batch batch(raw);
  const std::string value(100'000, 'v');
  for (int i = 10; i < 50; ++i) {
    const std::string key = "whole/" + std::to_string(i);
    ASSERT_EQ(aspen_batch_put(raw, key.data(), key.size(), value.data(), value.size()), ASPEN_OK);
  }
  aspen_op_t* op = nullptr;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(aspen_kv_apply(client_.get(), raw, nullptr, nullptr, 0, &op), ASPEN_OK);
    const uint64_t revision = aspen_op_revision(finished(op).get());
    Told all;
    all.take(next(watch));
    EXPECT_EQ(all.wrong, "");
    EXPECT_EQ(all.revisions, std::vector<uint64_t>(40, revision));
  }
}

TEST_F(WatchTest, BeginsInThePastOrInTheFuture) {
  std::vector<uint64_t> revisions;
  for (int i = 0; i < 5; ++i) revisions.push_back(put("past/k", std::to_string(i)));
  aspen_watch_options_t options = options_of("past/");
  options.revision = revisions[2];
  Op op = begin(client_.get(), options);
  EXPECT_EQ(aspen_op_revision(op.get()), revisions[2] - 1);
  Watch past(aspen_op_take_watch(op.get()));
  EXPECT_EQ(told(past, 3).text, "+past/k=2 +past/k=3 +past/k=4");
  options.revision = revisions[4] + 2;
  Watch future = open(client_.get(), options);
  put("past/k", "too early");
  put("past/k", "5");
  EXPECT_EQ(told(future, 1).text, "+past/k=5");
}

TEST_F(WatchTest, GoesOnWhereAnotherOneStood) {
  Watch first = open(client_.get(), options_of("on/"));
  put("on/a", "1");
  Told told_first = told(first, 1);
  first.reset();
  put("on/a", "2");
  aspen_watch_options_t options = options_of("on/");
  options.revision = told_first.upto + 1;
  Watch second = open(client_.get(), options);
  put("on/a", "3");
  EXPECT_EQ(told(second, 2).text, "+on/a=2 +on/a=3");
}

TEST_F(WatchTest, MarksSayHowFarItIs) {
  aspen_watch_options_t options = options_of("marks/");
  options.progress_ns = kSecond / 10;
  Watch watch = open(client_.get(), options);
  const uint64_t elsewhere = put("elsewhere", "1");
  Told all;
  while (all.upto < elsewhere && all.wrong.empty()) all.take(next(watch));
  EXPECT_EQ(all.wrong, "");
  EXPECT_EQ(all.text, "");
}

TEST_F(WatchTest, OneNextAtATime) {
  Watch watch = open(client_.get(), options_of("one/"));
  Op waiting = ask(watch);
  Op second = next(watch);
  EXPECT_EQ(aspen_op_status(second.get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(aspen_op_message(second.get())).find("one at a time"), std::string::npos);
  put("one/a", "1");
  Told all;
  all.take(completed(waiting.release()));
  EXPECT_EQ(all.text, "+one/a=1");
  put("one/a", "2");
  EXPECT_EQ(told(watch, 1).text, "+one/a=2");
}

TEST_F(WatchTest, ACancelledNextLosesNothing) {
  Watch watch = open(client_.get(), options_of("cancel/"));
  std::string expected;
  Told all;
  for (int i = 0; i < 30; ++i) {
    Op waiting = ask(watch);
    put("cancel/a", std::to_string(i));
    expected += (i > 0 ? " " : "") + ("+cancel/a=" + std::to_string(i));
    aspen_op_cancel(waiting.get());
    Op ended = completed(waiting.release());
    if (aspen_op_status(ended.get()) == ASPEN_OK) {
      all.take(ended);
    } else {
      EXPECT_EQ(aspen_op_status(ended.get()), ASPEN_CANCELLED);
    }
  }
  while (all.revisions.size() < 30 && all.wrong.empty()) all.take(next(watch));
  EXPECT_EQ(all.wrong, "");
  EXPECT_EQ(all.text, expected);
}

TEST_F(WatchTest, ClosingEndsANextThatWaitsAndRefusesFurtherOnes) {
  Watch watch = open(client_.get(), options_of("close/"));
  Op waiting = ask(watch);
  aspen_watch_close(watch.get());
  Op refused = next(watch);
  EXPECT_EQ(aspen_op_status(refused.get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(aspen_op_message(refused.get())).find("closed"), std::string::npos);
  Op ended = completed(waiting.release());
  EXPECT_EQ(aspen_op_status(ended.get()), ASPEN_CANCELLED);
  EXPECT_EQ(aspen_op_applied(ended.get()), ASPEN_APPLIED_NO);
  aspen_watch_close(watch.get());
  // Freeing is closing, also while a next waits.
  Watch freed = open(client_.get(), options_of("close/"));
  waiting = ask(freed);
  freed.reset();
  EXPECT_EQ(aspen_op_status(completed(waiting.release()).get()), ASPEN_CANCELLED);
}

TEST_F(WatchTest, AThousandOnOneNode) {
  constexpr size_t kWatches = 1000;
  aspen_cq_t* raw = nullptr;
  ASSERT_EQ(aspen_cq_new(&raw), ASPEN_OK);
  Queue queue(raw);
  std::vector<Watch> watches;
  std::vector<Op> nexts;
  auto key = [](size_t i) { return "many/" + std::to_string(i); };
  for (size_t i = 0; i < kWatches; ++i) {
    aspen_watch_options_t options;
    aspen_watch_options_init(&options, sizeof options);
    const std::string name = key(i);
    options.key = name.data();
    options.key_size = name.size();
    watches.push_back(open(client_.get(), options));
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_watch_next(watches.back().get(), raw, i, &op), ASPEN_OK);
    nexts.emplace_back(op);
  }
  for (size_t i = 0; i < kWatches; i += 50) put(key(i), "x");
  std::set<uint64_t> woken;
  while (woken.size() < kWatches / 50) {
    ASSERT_EQ(aspen_cq_wait(raw, kPatience), ASPEN_OK);
    aspen_event_t event;
    while (aspen_cq_poll(raw, &event, 1) == 1) {
      EXPECT_EQ(event.status, ASPEN_OK);
      EXPECT_TRUE(event.tag % 50 == 0 && woken.insert(event.tag).second) << event.tag;
      Told all;
      all.take(Op(nexts[event.tag].release()));
      EXPECT_EQ(all.text, "+" + key(event.tag) + "=x");
    }
  }
}

TEST_F(WatchTest, AMemberThatIsKilledTakesNothingWithIt) {
  // A cluster of its own; the client of the other one has to go before it is forked off.
  client_.reset();
  ClusterProcesses cluster(root_, 3);
  Op op = open_op(ASPEN_MODE_CLIENT, "", nullptr, cluster.ticket().c_str());
  ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
  client_.reset(aspen_op_take_node(op.get()));
  // Each begins with another member, so that one of them is served by the one that is killed.
  std::vector<Watch> watches;
  for (int i = 0; i < 3; ++i) watches.push_back(open(client_.get(), options_of("k")));
  std::string expected;
  std::vector<uint64_t> revisions;
  for (int i = 0; i < 300; ++i) {
    if (i == 100) cluster.kill_leader(client_.get());
    const std::string key = "k" + std::to_string(i % 10);
    revisions.push_back(put(key, std::to_string(i)));
    expected += (i > 0 ? " +" : "+") + key + "=" + std::to_string(i);
  }
  for (const Watch& watch : watches) {
    Told all = told(watch, 300);
    EXPECT_EQ(all.text, expected);
    EXPECT_EQ(all.revisions, revisions);
  }
  client_.reset();
}

TEST_F(WatchTest, AMemberWatchesToo) {
  client_.reset();
  ClusterProcesses cluster(root_, 2);
  Op op = open_op(ASPEN_MODE_JOIN, root_ + "/own", "127.0.0.1:0", cluster.ticket().c_str());
  ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
  client_.reset(aspen_op_take_node(op.get()));
  Watch watch = open(client_.get(), options_of("k"));
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    if (i == 50) cluster.kill_leader(client_.get());
    put("k", std::to_string(i));
    expected += (i > 0 ? " +k=" : "+k=") + std::to_string(i);
  }
  EXPECT_EQ(told(watch, 100).text, expected);
  watch.reset();
  client_.reset();
}

class EmbeddedWatchTest : public Capi {};

TEST_F(EmbeddedWatchTest, IsToldWhatItsOwnNodeDoes) {
  NodePtr node = embedded();
  Watch watch = open(node.get(), options_of(""));
  put(node.get(), "a", "1");
  put(node.get(), "b", "2");
  EXPECT_EQ(told(watch, 2).text, "+a=1 +b=2");
}

TEST_F(EmbeddedWatchTest, EndsWithItsNode) {
  NodePtr node = embedded();
  Watch watch = open(node.get(), options_of(""));
  Watch idle = open(node.get(), options_of(""));
  Op waiting = ask(watch);
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_node_close(node.get(), nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(completed(waiting.release()).get()), ASPEN_SHUTDOWN);
  EXPECT_EQ(aspen_op_status(next(watch).get()), ASPEN_SHUTDOWN);
  watch.reset();
  node.reset();
  EXPECT_EQ(aspen_op_status(next(idle).get()), ASPEN_SHUTDOWN);
  aspen_watch_close(idle.get());
}

TEST_F(EmbeddedWatchTest, ThePastThatIsForgottenIsNamed) {
  NodePtr node = embedded();
  aspen_watch_options_t options = options_of("");
  options.revision = aspen_op_revision(put(node.get(), "a", "1").get());
  put(node.get(), "a", "2");
  const uint64_t oldest = aspen_op_revision(put(node.get(), "a", "3").get());
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_kv_compact(node.get(), oldest, nullptr, nullptr, 0, &op), ASPEN_OK);
  ASSERT_EQ(aspen_op_status(finished(op).get()), ASPEN_OK);
  Watch watch = open(node.get(), options);
  for (int i = 0; i < 2; ++i) {
    Op ended = next(watch);
    EXPECT_EQ(aspen_op_status(ended.get()), ASPEN_COMPACTED) << aspen_op_message(ended.get());
    EXPECT_EQ(aspen_op_revision(ended.get()), oldest);
    EXPECT_EQ(aspen_op_event_count(ended.get()), 0u);
  }
  options.revision = oldest;
  EXPECT_EQ(told(open(node.get(), options), 1).text, "+a=3");
}

TEST_F(EmbeddedWatchTest, HasALimitAndOneThatIsNotTakenIsClosed) {
  NodePtr node = embedded();
  const auto most = aspen_limit_get(ASPEN_LIMIT_WATCHES);
  for (uint64_t i = 0; i <= most; ++i) {
    ASSERT_EQ(aspen_op_status(begin(node.get(), options_of("")).get()), ASPEN_OK) << i;
  }
  std::vector<Watch> watches;
  for (uint64_t i = 0; i < most; ++i) watches.push_back(open(node.get(), options_of("")));
  Op op = begin(node.get(), options_of(""));
  EXPECT_EQ(aspen_op_status(op.get()), ASPEN_LIMIT_EXCEEDED) << aspen_op_message(op.get());
  EXPECT_NE(std::string(aspen_op_message(op.get())).find(std::to_string(most)), std::string::npos);
  watches.pop_back();
  EXPECT_EQ(aspen_op_status(begin(node.get(), options_of("")).get()), ASPEN_OK);
}

TEST_F(EmbeddedWatchTest, WhatIsWrongIsNamed) {
  NodePtr node = embedded();
  aspen_op_t* op = nullptr;
  aspen_watch_options_t options = options_of("");
  EXPECT_EQ(aspen_watch_open(nullptr, &options, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_watch_open(node.get(), &options, nullptr, 0, nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_watch_next(nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_take_watch(nullptr), nullptr);
  aspen_watch_close(nullptr);
  aspen_watch_free(nullptr);
  options.struct_size = 8;
  EXPECT_EQ(aspen_watch_open(node.get(), &options, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(op, nullptr);

  auto refused = [&](auto change) {
    aspen_watch_options_t wrong = options_of("");
    change(wrong);
    Op ended = begin(node.get(), wrong);
    EXPECT_NE(std::string(aspen_op_message(ended.get())), "");
    EXPECT_EQ(aspen_op_take_watch(ended.get()), nullptr);
    return aspen_op_status(ended.get());
  };
  auto range = [](aspen_watch_options_t& wrong, const char* start, const char* end) {
    wrong.prefix = nullptr;
    wrong.start = start;
    wrong.start_size = 1;
    wrong.end = end;
    wrong.end_size = 1;
  };
  EXPECT_EQ(refused([&](auto& wrong) { range(wrong, "b", "a"); }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.no_puts = wrong.no_deletes = 1; }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.progress_ns = 1; }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.progress_ns = -1; }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.timeout_ns = -1; }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.revision = UINT64_MAX; }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.key = ""; }), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(refused([](auto& wrong) { wrong.prefix_size = SIZE_MAX; }), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(
      refused([](auto& wrong) { wrong.buffer_bytes = aspen_limit_get(ASPEN_LIMIT_WATCH_BUFFER_BYTES) + 1; }),
      ASPEN_LIMIT_EXCEEDED);
  aspen_watch_event_t event;
  Op plain = put(node.get(), "a", "1");
  EXPECT_EQ(aspen_op_watch_event(plain.get(), 0, &event), ASPEN_NOT_FOUND);
  EXPECT_EQ(aspen_op_watch_event(plain.get(), 0, nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_take_watch(plain.get()), nullptr);
}

}  // namespace
