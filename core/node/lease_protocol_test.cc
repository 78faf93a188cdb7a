// What is said about leases: every encoding is read back, and no other bytes are accepted.
#include "core/node/lease_protocol.h"

#include <gtest/gtest.h>

namespace aspen::node {
namespace {

// The decoder takes `good`, nothing shorter or longer, and of what differs in a bit only what it would
// encode.
template <typename T>
void expect_canonical(const T& value, Result<T> (*decode)(BytesView)) {
  const Bytes good = encode(value);
  auto read = decode(good);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(encode(*read), good);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode(BytesView(good).substr(0, size))) << "cut to " << size;
  }
  EXPECT_FALSE(decode(good + '\0'));
  for (size_t at = 0; at < good.size() * 8; ++at) {
    Bytes mutated = good;
    mutated[at / 8] = static_cast<char>(mutated[at / 8] ^ (1 << at % 8));
    if (auto other = decode(mutated)) EXPECT_EQ(encode(*other), mutated) << "bit " << at;
  }
}

TEST(LeaseProtocol, IsReadBack) {
  const LeaseState lease{300, kSecond, kMillisecond, 2};
  expect_canonical(LeaseKeepAlive{{1, 300, UINT64_MAX}}, decode_lease_keep_alive);
  expect_canonical(LeasesKept{{0, kSecond}}, decode_leases_kept);
  expect_canonical(LeaseRequest{300, "k", 7}, decode_lease_request);
  expect_canonical(LeaseInfo{lease, {"a", "b"}, true}, decode_lease_info);
  expect_canonical(LeaseListRequest{300, 7}, decode_lease_list_request);
  expect_canonical(LeaseList{{lease, {301, 1, 1, 0}}, false}, decode_lease_list);
}

TEST(LeaseProtocol, WhatIsOutOfOrderOrBoundsIsRefused) {
  EXPECT_FALSE(decode_lease_keep_alive(encode(LeaseKeepAlive{})));
  EXPECT_FALSE(decode_lease_keep_alive(encode(LeaseKeepAlive{{2, 1}})));
  EXPECT_FALSE(decode_lease_keep_alive(encode(LeaseKeepAlive{{1, 1}})));
  EXPECT_FALSE(decode_leases_kept(encode(LeasesKept{{-1}})));
  EXPECT_FALSE(decode_lease_info(encode(LeaseInfo{{}, {"b", "a"}, false})));
  EXPECT_FALSE(decode_lease_list(encode(LeaseList{{{2, 1, 1, 0}, {1, 1, 1, 0}}, false})));
  LeaseKeepAlive many;
  for (kv::LeaseId id = 1; id <= kLeasesKeptMax + 1; ++id) many.ids.push_back(id);
  EXPECT_FALSE(decode_lease_keep_alive(encode(many)));
}

}  // namespace
}  // namespace aspen::node
