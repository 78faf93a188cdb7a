// The rules of aspen.h that hold for every operation: completion, cancel, ownership, options, bad input.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

TEST_F(Capi, BadInputIsAnErrorOfTheOperationThatNamesTheLimit) {
  NodePtr node = embedded();
  Op empty = put(node.get(), "", "v");
  EXPECT_EQ(aspen_op_status(empty.get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_applied(empty.get()), ASPEN_APPLIED_NO);
  Op longer = put(node.get(), std::string(4097, 'k'), "v");
  EXPECT_EQ(aspen_op_status(longer.get()), ASPEN_LIMIT_EXCEEDED);
  EXPECT_NE(std::string(aspen_op_message(longer.get())).find("4096"), std::string::npos);
  Op large = put(node.get(), "k", std::string((4u << 20) + 1, 'v'));
  EXPECT_EQ(aspen_op_status(large.get()), ASPEN_LIMIT_EXCEEDED);
  Op largest = put(node.get(), std::string(4096, 'k'), std::string(4u << 20, 'v'));
  EXPECT_EQ(aspen_op_status(largest.get()), ASPEN_OK) << aspen_op_message(largest.get());
}

TEST_F(Capi, ASizeBeyondEveryLimitIsRefusedBeforeItIsRead) {
  NodePtr node = embedded();
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_kv_put(node.get(), "k", SIZE_MAX, "v", 1, nullptr, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_LIMIT_EXCEEDED);
  ASSERT_EQ(aspen_kv_put(node.get(), "k", 1, "v", SIZE_MAX / 2, nullptr, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_LIMIT_EXCEEDED);
  ASSERT_EQ(
      aspen_kv_cas(node.get(), "k", 1, ASPEN_IF_VALUE, "x", SIZE_MAX, 0, "v", 1, nullptr, nullptr, 0, &op),
      ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_LIMIT_EXCEEDED);
  aspen_range_options_t range;
  aspen_range_options_init(&range, sizeof range);
  range.prefix = "p";
  range.prefix_size = SIZE_MAX;
  ASSERT_EQ(aspen_kv_range(node.get(), &range, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_LIMIT_EXCEEDED);
  aspen_batch_t* raw = nullptr;
  ASSERT_EQ(aspen_batch_new(&raw), ASPEN_OK);
  Batch batch(raw);
  EXPECT_EQ(aspen_batch_put(raw, "k", SIZE_MAX, "", 0), ASPEN_OK);
  ASSERT_EQ(aspen_kv_apply(node.get(), raw, nullptr, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_LIMIT_EXCEEDED);
}

TEST_F(Capi, TimesThatMakeNoSenseAreRefused) {
  for (auto [heartbeat, election] :
       {std::pair<int64_t, int64_t>{INT64_MAX, 0}, {1, 4}, {0, INT64_MAX}, {-1, 0}}) {
    aspen_node_options_t options;
    aspen_node_options_init(&options, sizeof options);
    std::string dir = root_ + "/x";
    options.dir = dir.c_str();
    options.heartbeat_ns = heartbeat;
    options.election_ns = election;
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_node_open(&options, nullptr, 0, &op), ASPEN_OK);
    EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_INVALID_ARGUMENT);
    EXPECT_FALSE(std::filesystem::exists(dir));
  }
}

TEST_F(Capi, AForkLeavesTheParentAlone) {
  NodePtr node = embedded();
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    aspen_op_t* op = nullptr;
    bool refused =
        aspen_kv_put(node.get(), "k", 1, "v", 1, nullptr, nullptr, 0, &op) == ASPEN_INVALID_ARGUMENT;
    aspen_node_free(node.release());
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(aspen_op_status(put(node.get(), "k", "v").get()), ASPEN_OK);
}

TEST_F(Capi, OptionsOfAnUnknownModeOrWithoutWhatTheModeNeedsAreRefused) {
  for (int32_t mode : {-1, 4, 1 << 20}) {
    Op op = open_op(mode, root_ + "/x");
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_INVALID_ARGUMENT);
    EXPECT_EQ(aspen_op_take_node(op.get()), nullptr);
  }
  EXPECT_EQ(aspen_op_status(open_op(ASPEN_MODE_EMBEDDED, "").get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(open_op(ASPEN_MODE_FOUND, root_ + "/x").get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(open_op(ASPEN_MODE_CLIENT, "").get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(open_op(ASPEN_MODE_CLIENT, "", nullptr, "nonsense").get()), ASPEN_TICKET_INVALID);
  EXPECT_FALSE(std::filesystem::exists(root_ + "/x"));
}

TEST_F(Capi, AStructFromANewerHeaderIsTakenWhenItsNewFieldsAreZero) {
  struct Newer {
    aspen_call_options_t options;
    uint64_t future;
  } newer;
  aspen_call_options_init(&newer.options, sizeof newer);
  NodePtr node = embedded();
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_kv_get(node.get(), "k", 1, &newer.options, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_OK);
  newer.future = 1;
  EXPECT_EQ(aspen_kv_get(node.get(), "k", 1, &newer.options, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(op, nullptr);
}

TEST_F(Capi, CompareAndSwapSaysWhatTheKeyHasInstead) {
  NodePtr node = embedded();
  auto cas = [&](int32_t comparison, const std::string& expected, uint64_t revision,
                 const std::string& value) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_cas(node.get(), "k", 1, comparison, expected.data(), expected.size(), revision,
                           value.data(), value.size(), nullptr, nullptr, 0, &op),
              ASPEN_OK);
    return finished(op);
  };
  EXPECT_TRUE(aspen_op_succeeded(cas(ASPEN_IF_ABSENT, "", 0, "1").get()));
  Op miss = cas(ASPEN_IF_ABSENT, "", 0, "2");
  EXPECT_EQ(aspen_op_status(miss.get()), ASPEN_OK);
  EXPECT_FALSE(aspen_op_succeeded(miss.get()));
  EXPECT_EQ(aspen_op_failed_condition(miss.get()), 0);
  aspen_entry_t entry;
  ASSERT_EQ(aspen_op_entry(miss.get(), 0, &entry), ASPEN_OK);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(entry.value), entry.value_size), "1");
  EXPECT_TRUE(aspen_op_succeeded(cas(ASPEN_IF_REVISION, "", entry.mod_revision, "2").get()));
  EXPECT_FALSE(aspen_op_succeeded(cas(ASPEN_IF_REVISION, "", entry.mod_revision, "3").get()));
  EXPECT_TRUE(aspen_op_succeeded(cas(ASPEN_IF_VALUE, "2", 0, "3").get()));
}

TEST_F(Capi, ABatchIsAllOrNothing) {
  NodePtr node = embedded();
  aspen_batch_t* raw = nullptr;
  ASSERT_EQ(aspen_batch_new(&raw), ASPEN_OK);
  Batch batch(raw);
  EXPECT_EQ(aspen_batch_check(raw, "a", 1, ASPEN_IF_ABSENT, nullptr, 0, 0), ASPEN_OK);
  EXPECT_EQ(aspen_batch_check(raw, "a", 1, 77, nullptr, 0, 0), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_batch_put(raw, "a", 1, "1", 1), ASPEN_OK);
  EXPECT_EQ(aspen_batch_delete(raw, "b", 1), ASPEN_OK);
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_kv_apply(node.get(), raw, nullptr, nullptr, 0, &op), ASPEN_OK);
  Op first = finished(op);
  EXPECT_TRUE(aspen_op_succeeded(first.get()));
  ASSERT_EQ(aspen_op_change_count(first.get()), 2u);
  uint8_t existed = 9;
  EXPECT_EQ(aspen_op_change(first.get(), 1, &existed, nullptr), ASPEN_OK);
  EXPECT_EQ(existed, 0);
  ASSERT_EQ(aspen_kv_apply(node.get(), raw, nullptr, nullptr, 0, &op), ASPEN_OK);
  Op second = finished(op);
  EXPECT_FALSE(aspen_op_succeeded(second.get()));
  EXPECT_EQ(aspen_op_change_count(second.get()), 0u);
}

TEST_F(Capi, ARangeContinuesInBothDirections) {
  NodePtr node = embedded();
  std::vector<std::string> keys;
  for (int i = 100; i < 150; ++i) {
    keys.push_back("k" + std::to_string(i));
    put(node.get(), keys.back(), "v");
  }
  for (bool reverse : {false, true}) {
    std::vector<std::string> found;
    std::string continuation;
    for (bool more = true; more;) {
      aspen_range_options_t options;
      aspen_range_options_init(&options, sizeof options);
      options.prefix = "k";
      options.prefix_size = 1;
      options.limit = 7;
      options.reverse = reverse;
      options.continuation = continuation.empty() ? nullptr : continuation.data();
      options.continuation_size = continuation.size();
      aspen_op_t* raw = nullptr;
      ASSERT_EQ(aspen_kv_range(node.get(), &options, nullptr, 0, &raw), ASPEN_OK);
      Op op = finished(raw);
      ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK);
      EXPECT_LE(aspen_op_entry_count(op.get()), 7u);
      aspen_entry_t entry;
      for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i) {
        found.emplace_back(reinterpret_cast<const char*>(entry.key), entry.key_size);
      }
      more = aspen_op_more(op.get());
      size_t size = 0;
      const uint8_t* data = aspen_op_continuation(op.get(), &size);
      continuation.assign(reinterpret_cast<const char*>(data), size);
    }
    std::vector<std::string> expected(keys);
    if (reverse) expected.assign(keys.rbegin(), keys.rend());
    EXPECT_EQ(found, expected);
  }
}

TEST_F(Capi, EveryOperationCompletesOnceWhenTheNodeCloses) {
  NodePtr node = embedded();
  aspen_cq_t* raw = nullptr;
  ASSERT_EQ(aspen_cq_new(&raw), ASPEN_OK);
  Queue queue(raw);
  constexpr uint64_t kOps = 500;
  for (uint64_t tag = 0; tag < kOps; ++tag) {
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_kv_put(node.get(), &tag, sizeof tag, "v", 1, nullptr, raw, tag, &op), ASPEN_OK);
  }
  aspen_op_t* closing = nullptr;
  ASSERT_EQ(aspen_node_close(node.get(), raw, kOps, &closing), ASPEN_OK);
  std::set<uint64_t> tags;
  while (tags.size() <= kOps) {
    ASSERT_EQ(aspen_cq_wait(raw, 10'000'000'000), ASPEN_OK);
    aspen_event_t events[64];
    size_t taken = aspen_cq_poll(raw, events, 64);
    for (size_t i = 0; i < taken; ++i) {
      EXPECT_TRUE(tags.insert(events[i].tag).second);
      EXPECT_TRUE(events[i].status == ASPEN_OK || events[i].status == ASPEN_SHUTDOWN) << events[i].status;
      aspen_op_free(events[i].op);
    }
  }
  Op after = put(node.get(), "k", "v");
  EXPECT_EQ(aspen_op_status(after.get()), ASPEN_SHUTDOWN);
  EXPECT_EQ(aspen_op_applied(after.get()), ASPEN_APPLIED_NO);
}

TEST_F(Capi, CancelIsStickyAndTheOperationStillCompletes) {
  NodePtr node = embedded();
  for (int i = 0; i < 200; ++i) {
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_kv_put(node.get(), "k", 1, "v", 1, nullptr, nullptr, 0, &op), ASPEN_OK);
    aspen_op_cancel(op);
    aspen_op_cancel(op);
    Op done = finished(op);
    int32_t status = aspen_op_status(done.get());
    EXPECT_TRUE(status == ASPEN_OK || status == ASPEN_CANCELLED) << status;
  }
}

TEST_F(Capi, ACancelledOpenIsCancelled) {
  Op founder = open_op(ASPEN_MODE_FOUND, root_ + "/f", "127.0.0.1:0");
  NodePtr node(aspen_op_take_node(founder.get()));
  aspen_op_t* raw = nullptr;
  ASSERT_EQ(aspen_node_ticket(node.get(), 0, nullptr, 0, &raw), ASPEN_OK);
  Op ticket = finished(raw);
  node.reset();  // nobody answers the client
  aspen_node_options_t options;
  aspen_node_options_init(&options, sizeof options);
  options.mode = ASPEN_MODE_CLIENT;
  options.ticket = aspen_op_text(ticket.get());
  ASSERT_EQ(aspen_node_open(&options, nullptr, 0, &raw), ASPEN_OK);
  EXPECT_EQ(aspen_op_wait(raw, 50'000'000), ASPEN_DEADLINE_EXCEEDED);
  aspen_op_cancel(raw);
  Op open = finished(raw);
  EXPECT_EQ(aspen_op_status(open.get()), ASPEN_CANCELLED) << aspen_op_message(open.get());
  EXPECT_EQ(aspen_op_take_node(open.get()), nullptr);
}

TEST_F(Capi, AFreedPendingOperationLeavesAnEventWithoutIt) {
  NodePtr node = embedded();
  aspen_cq_t* raw = nullptr;
  ASSERT_EQ(aspen_cq_new(&raw), ASPEN_OK);
  Queue queue(raw);
  for (uint64_t i = 0; i < 100; ++i) {
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_kv_put(node.get(), "k", 1, "v", 1, nullptr, raw, i, &op), ASPEN_OK);
    aspen_op_free(op);
  }
  size_t total = 0;
  while (total < 100) {
    ASSERT_EQ(aspen_cq_wait(raw, 10'000'000'000), ASPEN_OK);
    aspen_event_t events[64];
    size_t taken = aspen_cq_poll(raw, events, 64);
    for (size_t i = 0; i < taken; ++i) EXPECT_EQ(events[i].op, nullptr);
    total += taken;
  }
}

TEST_F(Capi, TheLongestWaitWaits) {
  NodePtr node = embedded();
  aspen_cq_t* raw = nullptr;
  ASSERT_EQ(aspen_cq_new(&raw), ASPEN_OK);
  Queue queue(raw);
  for (int i = 0; i < 20; ++i) {
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_kv_put(node.get(), "k", 1, "v", 1, nullptr, raw, 0, &op), ASPEN_OK);
    EXPECT_EQ(i % 2 == 0 ? aspen_cq_wait(raw, INT64_MAX) : aspen_op_wait(op, INT64_MAX), ASPEN_OK);
    aspen_event_t event;
    while (aspen_cq_poll(raw, &event, 1) == 0) ASSERT_EQ(aspen_cq_wait(raw, -1), ASPEN_OK);
    aspen_op_free(op);
  }
}

TEST_F(Capi, AQueuesDescriptorMayBeAskedForLate) {
  NodePtr node = embedded();
  aspen_cq_t* raw = nullptr;
  ASSERT_EQ(aspen_cq_new(&raw), ASPEN_OK);
  Queue queue(raw);
  auto put = [&] {
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_kv_put(node.get(), "k", 1, "v", 1, nullptr, raw, 0, &op), ASPEN_OK);
    aspen_op_free(op);
    ASSERT_EQ(aspen_cq_wait(raw, 10'000'000'000), ASPEN_OK);
  };
  auto readable = [&] {
    pollfd descriptor = {aspen_cq_fd(raw), POLLIN, 0};
    return ::poll(&descriptor, 1, 0);
  };
  aspen_event_t events[2];
  put();
  EXPECT_EQ(readable(), 1) << "an event waited before";
  EXPECT_EQ(aspen_cq_poll(raw, events, 2), 1u);
  EXPECT_EQ(readable(), 0);
  put();
  EXPECT_EQ(readable(), 1);
}

TEST_F(Capi, ADirectoryIsOpenOnce) {
  NodePtr node = embedded();
  Op second = open_op(ASPEN_MODE_EMBEDDED, root_ + "/db");
  EXPECT_EQ(aspen_op_status(second.get()), ASPEN_IN_USE);
  EXPECT_NE(std::string(aspen_op_message(second.get())).find(root_), std::string::npos);
  node.reset();
  EXPECT_NE(embedded(), nullptr);
}

TEST_F(Capi, AnOpenThatIsFreedBeforeItCompletesLeavesNothingRunning) {
  for (int i = 0; i < 20; ++i) {
    aspen_node_options_t options;
    aspen_node_options_init(&options, sizeof options);
    std::string dir = root_ + "/db";
    options.dir = dir.c_str();
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_node_open(&options, nullptr, 0, &op), ASPEN_OK);
    if (i % 2 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5 * i));
    aspen_op_free(op);
  }
  EXPECT_NE(embedded(), nullptr);
}

TEST_F(Capi, CallsFromManyThreads) {
  NodePtr node = embedded();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&node, t] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(aspen_op_status(put(node.get(), std::to_string(t) + "/" + std::to_string(i), "v").get()),
                  ASPEN_OK);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  aspen_range_options_t options;
  aspen_range_options_init(&options, sizeof options);
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_kv_range(node.get(), &options, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_entry_count(finished(op).get()), 400u);
}

TEST_F(Capi, IdentifiersRoundTrip) {
  uint8_t id[32];
  for (size_t i = 0; i < sizeof id; ++i) id[i] = static_cast<uint8_t>(7 * i);
  char text[53];
  aspen_node_id_format(id, text);
  uint8_t parsed[32];
  EXPECT_EQ(aspen_node_id_parse(text, parsed), ASPEN_OK);
  EXPECT_EQ(std::memcmp(id, parsed, sizeof id), 0);
  EXPECT_EQ(aspen_node_id_parse("short", parsed), ASPEN_INVALID_ARGUMENT);
}

TEST_F(Capi, ALogLineReachesTheCallback) {
  static std::vector<std::string> lines;
  aspen_log_set([](int32_t, const char* line, size_t size, void*) { lines.emplace_back(line, size); },
                nullptr, ASPEN_LOG_DEBUG);
  Op op = open_op(ASPEN_MODE_FOUND, root_ + "/f", "127.0.0.1:0");
  NodePtr node(aspen_op_take_node(op.get()));
  ASSERT_NE(node, nullptr);
  aspen_op_t* raw = nullptr;
  ASSERT_EQ(aspen_node_ticket(node.get(), 0, nullptr, 0, &raw), ASPEN_OK);
  Op ticket = finished(raw);
  Op client = open_op(ASPEN_MODE_CLIENT, "", nullptr, aspen_op_text(ticket.get()));
  EXPECT_EQ(aspen_op_status(client.get()), ASPEN_OK) << aspen_op_message(client.get());
  aspen_log_set(nullptr, nullptr, ASPEN_LOG_OFF);
  EXPECT_FALSE(lines.empty());
}

}  // namespace
