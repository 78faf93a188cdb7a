// Leases of aspen.h, at a cluster of three.
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1000 * kMillisecond;

int64_t since(Clock::time_point then) {
  return std::chrono::nanoseconds(Clock::now() - then).count();
}

void pause(int64_t ns) {
  std::this_thread::sleep_for(std::chrono::nanoseconds(ns));
}

class LeaseTest : public Capi {
 protected:
  void SetUp() override {
    Capi::SetUp();
    nodes_.push_back(open(ASPEN_MODE_FOUND, "0", nullptr));
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_node_ticket(nodes_[0].get(), 0, nullptr, 0, &op), ASPEN_OK);
    const std::string ticket = aspen_op_text(finished(op).get());
    for (const char* name : {"1", "2"}) nodes_.push_back(open(ASPEN_MODE_JOIN, name, ticket.c_str()));
    nodes_.push_back(open(ASPEN_MODE_CLIENT, "", ticket.c_str()));
    client_ = nodes_.back().get();
  }
  void TearDown() override {
    nodes_.clear();
    Capi::TearDown();
  }

  NodePtr open(int32_t mode, const std::string& name, const char* ticket) {
    const bool member = mode != ASPEN_MODE_CLIENT;
    Op op = open_op(mode, member ? root_ + "/" + name : "", member ? "127.0.0.1:0" : nullptr, ticket);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return NodePtr(aspen_op_take_node(op.get()));
  }
  // The operation that `start` begins, when it is done.
  template <typename Start>
  static Op done(Start start) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(start(&op), ASPEN_OK);
    return finished(op);
  }
  Op grant(int64_t ttl_ns) {
    return done([&](aspen_op_t** op) { return aspen_lease_grant(client_, ttl_ns, nullptr, nullptr, 0, op); });
  }
  Op revoke(uint64_t lease) {
    return done([&](aspen_op_t** op) { return aspen_lease_revoke(client_, lease, nullptr, nullptr, 0, op); });
  }
  Op keep_alive(uint64_t lease) {
    return done(
        [&](aspen_op_t** op) { return aspen_lease_keep_alive(client_, lease, nullptr, nullptr, 0, op); });
  }
  Op info(uint64_t lease, const std::string& continuation = "") {
    return done([&](aspen_op_t** op) {
      return aspen_lease_info(client_, lease, continuation.data(), continuation.size(), nullptr, nullptr, 0,
                              op);
    });
  }
  Op list(uint64_t after) {
    return done([&](aspen_op_t** op) { return aspen_lease_list(client_, after, nullptr, nullptr, 0, op); });
  }
  Op attach(const std::string& key, uint64_t lease) {
    aspen_call_options_t options;
    aspen_call_options_init(&options, sizeof options);
    options.lease = lease;
    return done([&](aspen_op_t** op) {
      return aspen_kv_put(client_, key.data(), key.size(), "v", 1, &options, nullptr, 0, op);
    });
  }
  bool there(const std::string& key) {
    Op op = done([&](aspen_op_t** op) {
      return aspen_kv_get(client_, key.data(), key.size(), nullptr, nullptr, 0, op);
    });
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return aspen_op_entry_count(op.get()) == 1;
  }
  // How long after `then` the key was gone.
  int64_t gone_after(const std::string& key, Clock::time_point then) {
    while (there(key) && since(then) < 30 * kSecond) pause(5 * kMillisecond);
    EXPECT_FALSE(there(key));
    return since(then);
  }
  static aspen_lease_t first(const Op& op) {
    aspen_lease_t lease{};
    EXPECT_EQ(aspen_op_lease_at(op.get(), 0, &lease), ASPEN_OK) << aspen_op_message(op.get());
    return lease;
  }

  std::vector<NodePtr> nodes_;  // three members and a client
  aspen_node_t* client_ = nullptr;
};

TEST_F(LeaseTest, AKeyGoesWhenItsLeaseHasRunOut) {
  const Clock::time_point began = Clock::now();
  Op granted = grant(500 * kMillisecond);
  const uint64_t lease = aspen_op_lease(granted.get());
  ASSERT_NE(lease, 0u) << aspen_op_message(granted.get());
  EXPECT_EQ(first(granted).ttl_ns, 500 * kMillisecond);
  Op put = attach("a", lease);
  ASSERT_EQ(aspen_op_status(put.get()), ASPEN_OK) << aspen_op_message(put.get());
  EXPECT_GE(gone_after("a", began), 500 * kMillisecond);
  EXPECT_EQ(aspen_op_status(info(lease).get()), ASPEN_NOT_FOUND);
}

TEST_F(LeaseTest, KeptAliveItStays) {
  const uint64_t lease = aspen_op_lease(grant(500 * kMillisecond).get());
  attach("a", lease);
  Clock::time_point kept;
  for (int i = 0; i < 10; ++i) {
    pause(150 * kMillisecond);
    kept = Clock::now();
    Op op = keep_alive(lease);
    ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    EXPECT_EQ(first(op).remaining_ns, 500 * kMillisecond);
  }
  EXPECT_TRUE(there("a"));
  EXPECT_GE(gone_after("a", kept), 500 * kMillisecond);
}

TEST_F(LeaseTest, TheEngineRenewsItUntilItIsDroppedAlsoPastADeadLeader) {
  const uint64_t lease = aspen_op_lease(grant(1500 * kMillisecond).get());
  attach("a", lease);
  aspen_op_t* keep = nullptr;
  ASSERT_EQ(aspen_lease_keep(client_, lease, nullptr, 0, &keep), ASPEN_OK);
  pause(2 * kSecond);
  for (size_t i = 0; i < 3; ++i) {
    Op status = done([&](aspen_op_t** op) { return aspen_node_status(nodes_[i].get(), 0, nullptr, 0, op); });
    if (nlohmann::json::parse(aspen_op_text(status.get()))["role"] != "leader") continue;
    nodes_[i].reset();
    break;
  }
  pause(2 * kSecond);
  EXPECT_TRUE(there("a"));
  EXPECT_FALSE(aspen_op_done(keep));
  const Clock::time_point dropped = Clock::now();
  EXPECT_EQ(aspen_lease_drop_keep(client_, lease), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(keep).get()), ASPEN_OK);
  EXPECT_GE(gone_after("a", dropped), 500 * kMillisecond);
}

TEST_F(LeaseTest, RevokingDeletesAtOnce) {
  const uint64_t lease = aspen_op_lease(grant(3600 * kSecond).get());
  for (const char* key : {"a", "b", "c"}) attach(key, lease);
  aspen_op_t* keep = nullptr;
  ASSERT_EQ(aspen_lease_keep(client_, lease, nullptr, 0, &keep), ASPEN_OK);

  Op about = info(lease);
  EXPECT_EQ(first(about).lease, lease);
  EXPECT_EQ(first(about).ttl_ns, 3600 * kSecond);
  EXPECT_GT(first(about).remaining_ns, 3500 * kSecond);
  EXPECT_EQ(first(about).keys, 3u);
  ASSERT_EQ(aspen_op_entry_count(about.get()), 3u);
  aspen_entry_t entry;
  ASSERT_EQ(aspen_op_entry(about.get(), 1, &entry), ASPEN_OK);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(entry.key), entry.key_size), "b");
  EXPECT_FALSE(aspen_op_more(about.get()));
  EXPECT_EQ(aspen_op_entry_count(info(lease, "c").get()), 1u);

  Op revoked = revoke(lease);
  ASSERT_EQ(aspen_op_status(revoked.get()), ASPEN_OK) << aspen_op_message(revoked.get());
  EXPECT_EQ(first(revoked).keys, 3u);
  EXPECT_GT(aspen_op_revision(revoked.get()), 0u);
  for (const char* key : {"a", "b", "c"}) EXPECT_FALSE(there(key)) << key;
  EXPECT_FALSE(aspen_op_done(keep)) << "it is renewed in twenty minutes";
  EXPECT_EQ(aspen_lease_drop_keep(client_, lease), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(finished(keep).get()), ASPEN_OK);
  Op again = done([&](aspen_op_t** op) { return aspen_lease_keep(client_, lease, nullptr, 0, op); });
  EXPECT_EQ(aspen_op_status(again.get()), ASPEN_NOT_FOUND);
}

TEST_F(LeaseTest, OneThatDoesNotExistIsNotFound) {
  for (const Op& op : {revoke(9999), keep_alive(9999), info(9999), attach("a", 9999), revoke(0)}) {
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_NOT_FOUND) << aspen_op_message(op.get());
    EXPECT_EQ(aspen_op_lease(op.get()), 0u);
    EXPECT_EQ(aspen_op_lease_count(op.get()), 0u);
  }
}

TEST_F(LeaseTest, AreListedByNumber) {
  std::vector<uint64_t> granted;
  for (int i = 0; i < 3; ++i) granted.push_back(aspen_op_lease(grant(60 * kSecond).get()));
  Op all = list(0);
  ASSERT_EQ(aspen_op_lease_count(all.get()), 3u) << aspen_op_message(all.get());
  EXPECT_EQ(aspen_op_lease(all.get()), granted[0]);
  EXPECT_FALSE(aspen_op_more(all.get()));
  EXPECT_EQ(aspen_op_lease_count(list(granted[0]).get()), 2u);
  aspen_lease_t lease;
  EXPECT_EQ(aspen_op_lease_at(all.get(), 3, &lease), ASPEN_NOT_FOUND);
  EXPECT_EQ(aspen_op_lease_at(all.get(), 0, nullptr), ASPEN_INVALID_ARGUMENT);
}

TEST_F(LeaseTest, ATimeHasBounds) {
  const auto shortest = static_cast<int64_t>(aspen_limit_get(ASPEN_LIMIT_LEASE_TTL_MIN_NS));
  const auto longest = static_cast<int64_t>(aspen_limit_get(ASPEN_LIMIT_LEASE_TTL_MAX_NS));
  for (int64_t ttl : {int64_t{-1}, int64_t{0}, shortest - 1, longest + 1}) {
    Op op = grant(ttl);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_INVALID_ARGUMENT) << ttl;
    EXPECT_EQ(aspen_op_applied(op.get()), ASPEN_APPLIED_NO);
  }
  EXPECT_EQ(aspen_op_status(grant(longest).get()), ASPEN_OK);
  EXPECT_EQ(aspen_lease_drop_keep(nullptr, 1), ASPEN_INVALID_ARGUMENT);
}

TEST_F(LeaseTest, KeepingEndsWithTheNode) {
  const uint64_t lease = aspen_op_lease(grant(60 * kSecond).get());
  aspen_op_t* keep = nullptr;
  ASSERT_EQ(aspen_lease_keep(client_, lease, nullptr, 0, &keep), ASPEN_OK);
  aspen_op_t* cancelled = nullptr;
  ASSERT_EQ(aspen_lease_keep(client_, lease, nullptr, 0, &cancelled), ASPEN_OK);
  aspen_op_cancel(cancelled);
  EXPECT_EQ(aspen_op_status(finished(cancelled).get()), ASPEN_CANCELLED);
  nodes_.pop_back();
  EXPECT_EQ(aspen_op_status(finished(keep).get()), ASPEN_SHUTDOWN);
}

}  // namespace
