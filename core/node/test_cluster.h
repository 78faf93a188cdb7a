// What the node's tests share: nodes on loopback with directories of their own, and calls that wait.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "core/base/limits.h"
#include "core/node/data_dir.h"
#include "core/node/node.h"
#include "core/store/store_test_dir.h"

namespace aspen::node {

inline constexpr DurationNs kCallTimeout = 10 * kSecond;

// The result of something asynchronous; a failure of the test when it takes more than a minute.
template <typename T, typename F>
Result<T> wait_for(F start) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  start([promise](Result<T> result) { promise->set_value(std::move(result)); });
  if (future.wait_for(std::chrono::seconds(60)) == std::future_status::ready) return future.get();
  ADD_FAILURE() << "no completion within a minute";
  return fail(Code::INTERNAL, "no completion");
}

struct TestNode {
  NodeOptions options;
  NodeFacts facts;
  std::unique_ptr<Node> node;

  Result<kv::WriteReply> write(kv::Command command, DurationNs timeout = kCallTimeout) {
    return wait_for<kv::WriteReply>(
        [&](auto done) { node->write(std::move(command), timeout, std::move(done)); });
  }
  Result<kv::DoneReply> run(kv::Command command) {
    return wait_for<kv::DoneReply>(
        [&](auto done) { node->run(std::move(command), kCallTimeout, std::move(done)); });
  }
  Result<kv::IndexScanReply> scan(kv::IndexScanRequest request) {
    return wait_for<kv::IndexScanReply>(
        [&](auto done) { node->scan(std::move(request), kCallTimeout, std::move(done)); });
  }
  Result<kv::IndexList> indexes() {
    return wait_for<kv::IndexList>([&](auto done) { node->indexes(kCallTimeout, std::move(done)); });
  }
  Result<kv::WriteReply> put(Bytes key, Bytes value, DurationNs timeout = kCallTimeout) {
    return write({.transaction = {.then = {{.key = std::move(key), .value = std::move(value)}}}}, timeout);
  }
  Result<kv::WriteReply> erase(Bytes key) {
    return write({.transaction = {.then = {{.kind = kv::Op::Kind::erase, .key = std::move(key)}}}});
  }
  // 0 when that failed.
  kv::LeaseId grant(DurationNs ttl, Bytes prefix = {}) {
    auto granted = run({.kind = kv::Command::Kind::lease_grant, .ttl = ttl, .prefix = std::move(prefix)});
    EXPECT_TRUE(granted) << granted.error().to_string();
    return granted ? granted->result : 0;
  }
  Result<kv::DoneReply> revoke(kv::LeaseId id) {
    return run({.kind = kv::Command::Kind::lease_revoke, .leases = {id}});
  }
  Result<kv::WriteReply> attach(Bytes key, kv::LeaseId lease) {
    return write({.transaction = {.then = {{.key = std::move(key), .value = "v", .lease = lease}}}});
  }
  Result<DurationNs> keep_alive(kv::LeaseId id) {
    return wait_for<DurationNs>([&](auto done) { node->keep_alive(id, kCallTimeout, std::move(done)); });
  }
  Result<LeaseInfo> lease(LeaseRequest request) {
    return wait_for<LeaseInfo>(
        [&](auto done) { node->lease(std::move(request), kCallTimeout, std::move(done)); });
  }
  Result<LeaseList> leases(LeaseListRequest request) {
    return wait_for<LeaseList>([&](auto done) { node->leases(request, kCallTimeout, std::move(done)); });
  }
  Result<std::optional<kv::Record>> get(Bytes key, Freshness freshness = {},
                                        DurationNs timeout = kCallTimeout) {
    auto reply = wait_for<kv::GetReply>(
        [&](auto done) { node->get({std::move(key)}, freshness, timeout, std::move(done)); });
    if (!reply) return std::unexpected(reply.error());
    return std::move(reply->record);
  }
  // The value, or what went wrong, as text.
  std::string value(Bytes key, Freshness freshness = {}) {
    auto record = get(std::move(key), freshness);
    return !record ? record.error().to_string() : *record ? (*record)->value : "(absent)";
  }
  Result<kv::RangeReply> range(kv::RangeRequest request, Freshness freshness = {}) {
    return wait_for<kv::RangeReply>(
        [&](auto done) { node->range(std::move(request), freshness, kCallTimeout, std::move(done)); });
  }
  nlohmann::json status() {
    auto text = wait_for<std::string>([&](auto done) { node->status(kCallTimeout, std::move(done)); });
    EXPECT_TRUE(text) << text.error().to_string();
    return nlohmann::json::parse(text.value_or("{}"));
  }
  Result<std::string> ticket(DurationNs valid = 0) {
    return wait_for<std::string>([&](auto done) { node->ticket(valid, std::move(done)); });
  }
  void close() {
    if (!node) return;
    EXPECT_TRUE(wait_for<void>([&](auto done) { node->close(std::move(done)); }));
    node.reset();
  }
};

class ClusterTest : public testing::Test {
 protected:
  NodeOptions options(Mode mode, const std::string& name = "", const std::string& ticket = "") {
    NodeOptions options{.mode = mode, .ticket = ticket, .heartbeat = 30 * kMillisecond};
    options.election = 200 * kMillisecond;
    options.journal_segment_bytes = 256u << 10;
    if (mode != Mode::client) options.dir = root_.path(name);
    if (mode == Mode::found || mode == Mode::join) options.listen = "127.0.0.1:0";
    return options;
  }
  static Result<TestNode> try_open(NodeOptions options) {
    TestNode opened{.options = options, .facts = {}, .node = nullptr};
    auto facts = wait_for<NodeFacts>(
        [&](auto done) { opened.node = Node::start(std::move(options), std::move(done)); });
    if (!facts) return std::unexpected(facts.error());
    opened.facts = std::move(*facts);
    return opened;
  }
  static TestNode open(NodeOptions options) {
    auto opened = try_open(std::move(options));
    if (opened) return std::move(*opened);
    ADD_FAILURE() << opened.error().to_string();
    throw std::runtime_error("a node that the test needs does not open");
  }
  // The same node at the same address.
  static void reopen(TestNode& node) {
    NodeOptions options = node.options;
    if (!node.facts.address.empty()) options.listen = node.facts.address;
    node = open(options);
  }
  // A founder and joiners, in the order they came.
  std::vector<TestNode> cluster(size_t size, size_t log_entries_max = 0) {
    std::vector<TestNode> nodes;
    NodeOptions founder = options(Mode::found, "0");
    founder.log_entries_max = log_entries_max;
    nodes.push_back(open(founder));
    ticket_ = nodes[0].ticket().value_or("");
    for (size_t i = 1; i < size; ++i) {
      NodeOptions joiner = options(Mode::join, std::to_string(i), ticket_);
      joiner.log_entries_max = log_entries_max;
      nodes.push_back(open(joiner));
    }
    return nodes;
  }
  static size_t leader_of(std::vector<TestNode>& nodes) {
    for (int attempt = 0; attempt < 500; ++attempt) {
      for (size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].node && nodes[i].status()["role"] == "leader") return i;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "nobody leads";
    return 0;
  }
  template <typename F>
  static bool eventually(F condition) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  store::TestDir root_;
  std::string ticket_;
};

}  // namespace aspen::node
