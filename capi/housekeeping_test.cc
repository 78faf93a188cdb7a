// Compaction, quotas, and how fresh reads are, of aspen.h.
#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

class Housekeeping : public Capi {
 protected:
  static Op get(aspen_node_t* node, const std::string& key, aspen_call_options_t options) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_get(node, key.data(), key.size(), &options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static aspen_call_options_t options(int32_t consistency = ASPEN_READ_LINEARIZABLE,
                                      int64_t staleness_ns = 0) {
    aspen_call_options_t options;
    aspen_call_options_init(&options, sizeof options);
    options.consistency = consistency;
    options.staleness_ns = staleness_ns;
    return options;
  }
  static Op compact(aspen_node_t* node, uint64_t revision) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_compact(node, revision, nullptr, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static Op set_quota(aspen_node_t* node, const std::string& prefix, uint64_t bytes_max, uint64_t keys_max) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(
        aspen_quota_set(node, prefix.data(), prefix.size(), bytes_max, keys_max, nullptr, nullptr, 0, &op),
        ASPEN_OK);
    return finished(op);
  }
  static Op quotas(aspen_node_t* node) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_quota_list(node, nullptr, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static std::string ticket_of(aspen_node_t* node) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_node_ticket(node, 0, nullptr, 0, &op), ASPEN_OK);
    return aspen_op_text(finished(op).get());
  }
  NodePtr opened(aspen_node_options_t options) {
    aspen_op_t* raw = nullptr;
    EXPECT_EQ(aspen_node_open(&options, nullptr, 0, &raw), ASPEN_OK);
    Op op = finished(raw);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return NodePtr(aspen_op_take_node(op.get()));
  }
};

TEST_F(Housekeeping, WhatIsCompactedCannotBeReadAnyMore) {
  NodePtr node = embedded();
  uint64_t first = aspen_op_revision(put(node.get(), "k", "1").get());
  uint64_t second = aspen_op_revision(put(node.get(), "k", "2").get());
  aspen_call_options_t then = options();
  then.revision = first;
  EXPECT_EQ(aspen_op_entry_count(get(node.get(), "k", then).get()), 1u);

  Op done = compact(node.get(), second);
  ASSERT_EQ(aspen_op_status(done.get()), ASPEN_OK) << aspen_op_message(done.get());
  EXPECT_EQ(aspen_op_revision(done.get()), second);
  EXPECT_EQ(aspen_op_status(get(node.get(), "k", then).get()), ASPEN_COMPACTED);
  then.revision = second;
  EXPECT_EQ(aspen_op_entry_count(get(node.get(), "k", then).get()), 1u);
  EXPECT_EQ(aspen_op_revision(compact(node.get(), first).get()), second) << "it was forgotten already";
  EXPECT_EQ(aspen_op_status(compact(node.get(), second + 1000).get()), ASPEN_INVALID_ARGUMENT);
}

TEST_F(Housekeeping, AQuotaHoldsAndSaysWhatItIsUsedBy) {
  NodePtr node = embedded();
  EXPECT_EQ(aspen_op_quota_count(quotas(node.get()).get()), 0u);
  ASSERT_EQ(aspen_op_status(set_quota(node.get(), "user/", 0, 2).get()), ASPEN_OK);
  ASSERT_EQ(aspen_op_status(set_quota(node.get(), "", 1000, 0).get()), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(put(node.get(), "user/1", "v").get()), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(put(node.get(), "user/2", "v").get()), ASPEN_OK);
  Op third = put(node.get(), "user/3", "v");
  EXPECT_EQ(aspen_op_status(third.get()), ASPEN_QUOTA_EXCEEDED);
  EXPECT_NE(std::string(aspen_op_message(third.get())).find("user/"), std::string::npos)
      << aspen_op_message(third.get());
  EXPECT_EQ(aspen_op_status(put(node.get(), "other", std::string(1000, 'v')).get()), ASPEN_QUOTA_EXCEEDED);

  Op list = quotas(node.get());
  ASSERT_EQ(aspen_op_quota_count(list.get()), 2u);
  aspen_quota_t quota;
  ASSERT_EQ(aspen_op_quota(list.get(), 1, &quota), ASPEN_OK);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(quota.prefix), quota.prefix_size), "user/");
  EXPECT_EQ(quota.keys_max, 2u);
  EXPECT_EQ(quota.keys, 2u);
  EXPECT_EQ(quota.bytes, 2 * sizeof "user/1");
  EXPECT_EQ(aspen_op_quota(list.get(), 2, &quota), ASPEN_NOT_FOUND);

  ASSERT_EQ(aspen_op_status(set_quota(node.get(), "user/", 0, 0).get()), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(put(node.get(), "user/3", "v").get()), ASPEN_OK);
  EXPECT_EQ(aspen_op_quota_count(quotas(node.get()).get()), 1u);
  Op long_prefix = set_quota(node.get(), std::string(5000, 'p'), 1, 0);
  EXPECT_EQ(aspen_op_status(long_prefix.get()), ASPEN_LIMIT_EXCEEDED) << aspen_op_message(long_prefix.get());
}

TEST_F(Housekeeping, EveryKindOfReadSeesAWriteOfTheSameMember) {
  aspen_node_options_t node_options;
  aspen_node_options_init(&node_options, sizeof node_options);
  std::string dir = root_ + "/db";
  node_options.dir = dir.c_str();
  node_options.lease_reads = 1;
  NodePtr node = opened(node_options);
  put(node.get(), "k", "v");
  for (aspen_call_options_t read : {options(), options(ASPEN_READ_STALE), options(ASPEN_READ_LEASE),
                                    options(ASPEN_READ_STALE, 1'000'000'000), options(ASPEN_READ_STALE, 1)}) {
    Op op = get(node.get(), "k", read);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    EXPECT_EQ(aspen_op_entry_count(op.get()), 1u);
    aspen_range_options_t range;
    aspen_range_options_init(&range, sizeof range);
    range.consistency = read.consistency;
    range.staleness_ns = read.staleness_ns;
    aspen_op_t* raw = nullptr;
    ASSERT_EQ(aspen_kv_range(node.get(), &range, nullptr, 0, &raw), ASPEN_OK);
    EXPECT_EQ(aspen_op_entry_count(finished(raw).get()), 1u);
  }
}

TEST_F(Housekeeping, AReadAtAFollowerIsAsFreshAsItIsAskedToBe) {
  NodePtr founder(aspen_op_take_node(open_op(ASPEN_MODE_FOUND, root_ + "/a", "127.0.0.1:0").get()));
  ASSERT_NE(founder, nullptr);
  std::string ticket = ticket_of(founder.get());
  NodePtr follower(
      aspen_op_take_node(open_op(ASPEN_MODE_JOIN, root_ + "/b", "127.0.0.1:0", ticket.c_str()).get()));
  ASSERT_NE(follower, nullptr);
  for (int i = 0; i < 50; ++i) {
    std::string value = std::to_string(i);
    ASSERT_EQ(aspen_op_status(put(founder.get(), "k", value).get()), ASPEN_OK);
    Op op = get(follower.get(), "k", options(ASPEN_READ_STALE, 1));
    aspen_entry_t entry{};
    ASSERT_EQ(aspen_op_entry(op.get(), 0, &entry), ASPEN_OK) << aspen_op_message(op.get());
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(entry.value), entry.value_size), value);
  }
}

TEST_F(Housekeeping, WhatMakesNoSenseIsRefusedByName) {
  NodePtr node = embedded();
  auto message = [&](aspen_call_options_t read) {
    Op op = get(node.get(), "k", read);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_INVALID_ARGUMENT);
    return std::string(aspen_op_message(op.get()));
  };
  EXPECT_NE(message(options(3)).find("consistency 3"), std::string::npos);
  EXPECT_NE(message(options(ASPEN_READ_STALE, -1)).find("staleness_ns"), std::string::npos);
  EXPECT_NE(message(options(ASPEN_READ_LINEARIZABLE, 5)).find("staleness_ns"), std::string::npos);

  auto refused = [&](auto change) {
    aspen_node_options_t options;
    aspen_node_options_init(&options, sizeof options);
    std::string dir = root_ + "/other";
    options.dir = dir.c_str();
    change(options);
    aspen_op_t* raw = nullptr;
    EXPECT_EQ(aspen_node_open(&options, nullptr, 0, &raw), ASPEN_OK);
    Op op = finished(raw);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_INVALID_ARGUMENT);
    return std::string(aspen_op_message(op.get()));
  };
  using Options = aspen_node_options_t;
  EXPECT_NE(refused([](Options& o) { o.dead_voter_ns = 1; }).find("dead_voter_ns"), std::string::npos);
  EXPECT_NE(refused([](Options& o) { o.dead_voter_ns = -1; }).find("dead_voter_ns"), std::string::npos);
  EXPECT_NE(refused([](Options& o) { o.journal_segment_bytes = 4096; }).find("journal_segment_bytes"),
            std::string::npos);
  EXPECT_NE(refused([](Options& o) { o.clock_drift_ppm_max = 200'000; }).find("clock_drift_ppm_max"),
            std::string::npos);
}

TEST_F(Housekeeping, CallsWithoutWhatTheyNeedAreRefused) {
  NodePtr node = embedded();
  aspen_op_t* op = nullptr;
  EXPECT_EQ(aspen_kv_compact(nullptr, 1, nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_kv_compact(node.get(), 1, nullptr, nullptr, 0, nullptr), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_quota_set(node.get(), nullptr, 3, 1, 1, nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_quota_set(nullptr, "p", 1, 1, 1, nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_quota_list(nullptr, nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(op, nullptr);
  EXPECT_EQ(aspen_op_quota_count(nullptr), 0u);
  aspen_quota_t quota;
  EXPECT_EQ(aspen_op_quota(nullptr, 0, &quota), ASPEN_NOT_FOUND);
}

}  // namespace
