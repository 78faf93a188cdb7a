#include "core/net/hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/net/close_code.h"
#include "core/net/test_node.h"

namespace aspen::net {
namespace {

using testing::HasSubstr;

constexpr WallNs kNow = 1'000'000 * kSecond;

class HelloTest : public testing::Test {
 protected:
  HelloTest() {
    ours.network = theirs.network = root_key().id();
    ours.membership = admit_node(key_of(1).id());
    theirs.membership = admit_node(peer, crypto::kRoleClient, kNow + kSecond);
    ours.subprotocols = {{1, 1, 3}, {5, 1, 1}, {9, 4, 6}, {300, 2, 2}};
    theirs.subprotocols = {{1, 2, 5}, {7, 1, 1}, {9, 1, 3}, {300, 1, 2}};
    theirs.reset_token.fill(0x5a);
  }
  NodeId peer = key_of(2).id();
  Hello ours, theirs;
};

TEST_F(HelloTest, RoundTrips) {
  auto back = decode_hello(encode_hello(theirs));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(*back, theirs);
}

TEST_F(HelloTest, AFullHelloFitsItsLimit) {
  theirs.membership.assign(limits::kGrantChainMax, theirs.membership[0]);
  for (auto& grant : theirs.membership) grant.scope = Bytes(limits::kGrantScopeBytesMax, 's');
  theirs.subprotocols.clear();
  for (uint64_t i = 0; i < limits::kSubprotocolsMax; ++i) {
    theirs.subprotocols.push_back({~uint64_t{0} - 100 + i, ~0u, ~0u});
  }
  EXPECT_LT(encode_hello(theirs).size(), limits::kHelloBytesMax);
  EXPECT_TRUE(decode_hello(encode_hello(theirs)));
}

TEST_F(HelloTest, AcceptsWhatBothHave) {
  auto accepted = accept_hello(ours, theirs, peer, kNow);
  ASSERT_TRUE(accepted) << accepted.error().to_string();
  EXPECT_EQ(accepted->membership.roles, crypto::kRoleClient);
  EXPECT_EQ(accepted->versions, (std::map<uint64_t, uint32_t>{{1, 3}, {300, 2}}));
}

TEST_F(HelloTest, RefusesEveryCut) {
  Bytes encoding = encode_hello(theirs);
  for (size_t cut = 0; cut < encoding.size(); ++cut) {
    auto refused = decode_hello(BytesView(encoding).substr(0, cut));
    ASSERT_FALSE(refused) << cut;
    EXPECT_EQ(refused.error().code, Code::PROTOCOL);
  }
  EXPECT_FALSE(decode_hello(encoding + "x"));
}

TEST_F(HelloTest, RefusesWhatIsMalformed) {
  auto why = [](const Hello& hello) {
    auto refused = decode_hello(encode_hello(hello));
    EXPECT_FALSE(refused);
    return refused ? "" : refused.error().message;
  };
  Hello bad = theirs;
  bad.version_min = 2;
  EXPECT_THAT(why(bad), HasSubstr("versions are in the wrong order"));
  bad = theirs;
  std::swap(bad.subprotocols[0], bad.subprotocols[1]);
  EXPECT_THAT(why(bad), HasSubstr("not in order"));
  bad.subprotocols = {theirs.subprotocols[0], theirs.subprotocols[0]};
  EXPECT_THAT(why(bad), HasSubstr("not in order"));
  bad.subprotocols = {{1, 3, 2}};
  EXPECT_THAT(why(bad), HasSubstr("versions are in the wrong order"));
  bad.subprotocols.assign(limits::kSubprotocolsMax + 1, {});
  EXPECT_THAT(why(bad), HasSubstr("65 subprotocols; at most 64"));
  Bytes other_kind = encode_hello(theirs);
  other_kind[0] = 2;
  EXPECT_THAT(decode_hello(other_kind).error().message, HasSubstr("kind 2 instead of a hello"));
}

TEST_F(HelloTest, OnlyANewerPeerMaySayMore) {
  auto with_more = [](Hello hello) {
    Bytes body = encode_hello(hello);
    wire::Reader reader(body);
    reader.begin();
    Bytes fields;
    while (!reader.at_end()) fields += reader.fixed(1);
    wire::Writer writer;
    writer.begin(1);
    writer.fixed(fields + "more");
    writer.end();
    return writer.take();
  };
  EXPECT_THAT(decode_hello(with_more(theirs)).error().message, HasSubstr("4 bytes left over"));
  theirs.version_max = kVersionMax + 1;
  EXPECT_TRUE(decode_hello(with_more(theirs)));
}

TEST_F(HelloTest, RefusesStrangersAndOtherVersions) {
  auto code = [this] {
    auto accepted = accept_hello(ours, theirs, peer, kNow);
    return accepted ? Code::OK : accepted.error().code;
  };
  EXPECT_EQ(code(), Code::OK);
  Hello good = theirs;
  theirs.version_min = theirs.version_max = 2;
  EXPECT_EQ(code(), Code::UNSUPPORTED);
  theirs = good;
  theirs.network = peer;
  EXPECT_EQ(code(), Code::NOT_A_MEMBER);
  theirs = good;
  theirs.membership = ours.membership;
  EXPECT_EQ(code(), Code::NOT_A_MEMBER);
  theirs.membership = admit_node(peer, 0, kNow);
  EXPECT_EQ(code(), Code::GRANT_EXPIRED);
}

TEST(CloseCode, TravelsThereAndBack) {
  Error back = from_wire(to_wire(Code::NOT_A_MEMBER), "why", "the peer refused");
  EXPECT_EQ(back.code, Code::NOT_A_MEMBER);
  EXPECT_EQ(back.message, "the peer refused: why");
  EXPECT_EQ(from_wire(0, "", "closed").code, Code::CONNECTION_LOST);
  for (uint64_t unknown :
       {uint64_t{9999}, uint64_t{0x7fffffff}, uint64_t{1} << 32, (uint64_t{1} << 62) - 1}) {
    EXPECT_EQ(from_wire(unknown, "", "closed").code, Code::PROTOCOL) << unknown;
  }
  EXPECT_EQ(printable_reason(Bytes("a\0\n\x80z", 5)), "a???z");
  EXPECT_EQ(printable_reason(std::string(1000, 'r')).size(), kReasonBytesMax);
  EXPECT_EQ(from_transport(2, "").code, Code::OVERLOADED);
  EXPECT_EQ(from_transport(0x100 + 120, "").code, Code::UNSUPPORTED);
  EXPECT_EQ(from_transport(0xa, "").code, Code::PROTOCOL);
}

}  // namespace
}  // namespace aspen::net
