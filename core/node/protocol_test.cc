// What nodes say to each other: every encoding is read back, and no other bytes are accepted.
#include "core/node/protocol.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"

namespace aspen::node {
namespace {

NodeId id_of(uint8_t byte) {
  NodeId id;
  id.key.fill(byte);
  return id;
}

LeaderHint hint_of(uint8_t byte) {
  return {id_of(byte), fmt::format("10.0.0.{}:4000", byte)};
}

// `decode` takes `good`, and nothing that is shorter, longer, or reads back as something else.
template <typename Decode, typename Encode>
void expect_canonical(const Bytes& good, Decode decode, Encode encode_again) {
  ASSERT_TRUE(decode(good)) << decode(good).error().message;
  for (size_t size = 0; size < good.size(); ++size) {
    auto cut = decode(BytesView(good).substr(0, size));
    ASSERT_FALSE(cut) << "cut to " << size;
    EXPECT_EQ(cut.error().code, Code::PROTOCOL);
  }
  EXPECT_FALSE(decode(good + '\0'));
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes mutated = good;
      mutated[at] = static_cast<char>(mutated[at] ^ (1 << bit));
      if (auto read = decode(mutated)) {
        EXPECT_EQ(encode_again(*read), mutated) << "bit " << bit << " of byte " << at;
      }
    }
  }
}

TEST(Protocol, RequestsAreReadBack) {
  for (RequestKind kind :
       {RequestKind::write, RequestKind::get, RequestKind::range, RequestKind::status, RequestKind::members,
        RequestKind::join, RequestKind::quotas, RequestKind::index_scan, RequestKind::indexes,
        RequestKind::lease_keep_alive, RequestKind::lease_info, RequestKind::lease_list}) {
    bool reads = kind == RequestKind::get || kind == RequestKind::range;
    bool has_body = kind != RequestKind::status && kind != RequestKind::members &&
                    kind != RequestKind::quotas && kind != RequestKind::indexes;
    Freshness within{Freshness::Kind::stale, kSecond};
    // What the kind gives no meaning is not written.
    Bytes frame = encode_request(1u << 20, {.kind = kind, .freshness = within, .body = Bytes("a\0b", 3)});
    auto read = decode_request(frame);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->id, 1u << 20);
    EXPECT_EQ(read->request.kind, kind);
    EXPECT_EQ(read->request.freshness, reads ? within : Freshness{});
    EXPECT_EQ(read->request.body, has_body ? Bytes("a\0b", 3) : Bytes());
    expect_canonical(frame, decode_request,
                     [](const IdentifiedRequest& r) { return encode_request(r.id, r.request); });
  }
}

TEST(Protocol, ARequestOfAnUnknownKindIsRefusedByItsNumber) {
  for (uint64_t kind : {0, 16, 1 << 20}) {
    wire::Writer writer;
    writer.begin(kind);
    writer.u64(1);
    writer.u64(0);
    writer.u64(0);
    writer.bytes("");
    writer.end();
    auto read = decode_request(writer.view());
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find(std::to_string(kind)), std::string::npos) << read.error().message;
  }
}

TEST(Protocol, WhatARequestsKindGivesNoMeaningIsRefused) {
  auto refused = [](RequestKind kind, uint64_t freshness, BytesView body, uint64_t age_max = 0) {
    wire::Writer writer;
    writer.begin(static_cast<uint64_t>(kind));
    writer.u64(1);
    writer.u64(freshness);
    writer.u64(age_max);
    writer.bytes(body);
    writer.end();
    return !decode_request(writer.view());
  };
  for (RequestKind kind : {RequestKind::write, RequestKind::status, RequestKind::members, RequestKind::join,
                           RequestKind::quotas, RequestKind::index_scan, RequestKind::indexes}) {
    EXPECT_TRUE(refused(kind, 1, "")) << static_cast<int>(kind);
    EXPECT_FALSE(refused(kind, 0, "")) << static_cast<int>(kind);
  }
  EXPECT_TRUE(refused(RequestKind::status, 0, "x"));
  EXPECT_TRUE(refused(RequestKind::members, 0, "x"));
  EXPECT_TRUE(refused(RequestKind::indexes, 0, "x"));
  EXPECT_FALSE(refused(RequestKind::get, 1, "x"));
  EXPECT_FALSE(refused(RequestKind::range, 2, "x"));
  EXPECT_TRUE(refused(RequestKind::get, 3, "x"));
  EXPECT_FALSE(refused(RequestKind::get, 1, "x", 7));
  EXPECT_TRUE(refused(RequestKind::get, 1, "x", UINT64_MAX));
  EXPECT_TRUE(refused(RequestKind::get, 0, "x", 7));
  EXPECT_TRUE(refused(RequestKind::get, 2, "x", 7));
  EXPECT_TRUE(refused(RequestKind::write, 0, "x", 7));
}

TEST(Protocol, ResponsesAreReadBack) {
  Bytes frame = encode_response(9, {Bytes("reply"), std::nullopt});
  auto read = decode_response(frame);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, 9u);
  EXPECT_EQ(read->response.body.value_or(""), "reply");
  EXPECT_FALSE(read->response.leader);
  expect_canonical(frame, decode_response,
                   [](const IdentifiedResponse& r) { return encode_response(r.id, r.response); });
}

TEST(Protocol, AnErrorKeepsItsCodeItsTextAndWhetherItWasApplied) {
  for (Applied applied : {Applied::NO, Applied::MAYBE}) {
    Response response{std::unexpected(Error(Code::NOT_LEADER, applied, "ask another")), hint_of(7)};
    Bytes frame = encode_response(3, response);
    auto read = decode_response(frame);
    ASSERT_TRUE(read);
    ASSERT_FALSE(read->response.body);
    EXPECT_EQ(read->response.body.error().code, Code::NOT_LEADER);
    EXPECT_EQ(read->response.body.error().applied, applied);
    EXPECT_EQ(read->response.body.error().message, "ask another");
    ASSERT_TRUE(read->response.leader);
    EXPECT_EQ(read->response.leader->node, id_of(7));
    EXPECT_EQ(read->response.leader->address, "10.0.0.7:4000");
    expect_canonical(frame, decode_response,
                     [](const IdentifiedResponse& r) { return encode_response(r.id, r.response); });
  }
}

TEST(Protocol, OnlyNotLeaderNamesALeader) {
  Bytes frame = encode_response(1, {fail(Code::UNAVAILABLE, "later"), hint_of(7)});
  auto read = decode_response(frame);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->response.leader);
  wire::Writer writer;
  writer.begin(2);
  writer.u64(1);
  wire::encode_error(writer, Error(Code::UNAVAILABLE, "later"));
  writer.boolean(true);
  writer.fixed(id_of(7).view());
  writer.bytes("10.0.0.7:4000");
  writer.end();
  EXPECT_FALSE(decode_response(writer.view()));
}

TEST(Protocol, ASnapshotIsBegunAcceptedOrRefusedWithAnError) {
  auto accepted = decode_snapshot_answer(encode(SnapshotVerdict{}));
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(std::get<SnapshotVerdict>(*accepted).verdict);
  Bytes frame = encode(SnapshotVerdict{std::unexpected(Error(Code::CORRUPT, Applied::NO, "chunk 3"))});
  auto refused = decode_snapshot_answer(frame);
  ASSERT_TRUE(refused);
  const Result<>& verdict = std::get<SnapshotVerdict>(*refused).verdict;
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Code::CORRUPT);
  EXPECT_EQ(verdict.error().message, "chunk 3");
  auto begin = decode_snapshot_answer(encode(SnapshotBegin{300}));
  ASSERT_TRUE(begin);
  EXPECT_EQ(std::get<SnapshotBegin>(*begin).chunk, 300u);
  for (const Bytes& good : {encode(SnapshotVerdict{}), frame, encode(SnapshotBegin{300})}) {
    expect_canonical(good, decode_snapshot_answer, [](const SnapshotAnswer& a) { return encode(a); });
  }
  EXPECT_FALSE(decode_snapshot_answer(Bytes("\4\0", 2)));
}

TEST(Protocol, ALongErrorTextIsCutAndStillReadable) {
  Response response{fail(Code::IO, "{}", std::string(100'000, 'x')), std::nullopt};
  auto read = decode_response(encode_response(1, response));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->response.body.error().message.size(), 4096u);
}

TEST(Protocol, AnErrorCodeThatTheTableDoesNotHaveIsRefused) {
  for (uint64_t code : {uint64_t{0}, uint64_t{10'000}, uint64_t{1} << 40}) {
    wire::Writer writer;
    writer.begin(2);
    writer.u64(1);
    writer.u64(code);
    writer.boolean(false);
    writer.bytes("why");
    writer.boolean(false);
    writer.end();
    EXPECT_FALSE(decode_response(writer.view())) << code;
  }
}

TEST(Protocol, JoinRequestsAreReadBackAndMustNameAPeerAndAnAddress) {
  Bytes bytes = encode(JoinRequest{kStoreGroup, 77, "10.0.0.7:4000"});
  auto read = decode_join(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->peer, 77u);
  EXPECT_EQ(read->address, "10.0.0.7:4000");
  expect_canonical(bytes, decode_join, [](const JoinRequest& join) { return encode(join); });
  EXPECT_FALSE(decode_join(encode(JoinRequest{kStoreGroup, raft::kNobody, "10.0.0.7:4000"})));
  EXPECT_FALSE(decode_join(encode(JoinRequest{kStoreGroup, 77, ""})));
  EXPECT_EQ(bytes.substr(0, 9), Bytes("\1M\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(decode_join(encode(JoinRequest{kStoreGroup, 77, "h\xff:1"})).error().code, Code::PROTOCOL);
  EXPECT_FALSE(decode_join(encode(JoinRequest{kStoreGroup, 77, std::string(256, 'a')})));
}

TEST(Protocol, AnAddressThatNobodyCouldDialIsRefused) {
  for (const char* address : {"nonsense", "10.0.0.7", "10.0.0.7:", "10.0.0.7:99999", ":4000"}) {
    EXPECT_FALSE(decode_join(encode(JoinRequest{kStoreGroup, 77, address}))) << address;
  }
}

TEST(Protocol, MemberListsAreReadBackUpToTheirLimit) {
  MemberList list;
  for (size_t i = 0; i < limits::kMembersMax; ++i) list.members.push_back(hint_of(static_cast<uint8_t>(i)));
  list.leader = hint_of(3);
  auto read = decode_member_list(encode(list));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->members.size(), limits::kMembersMax);
  EXPECT_EQ(read->members[5].address, "10.0.0.5:4000");
  EXPECT_EQ(read->leader->node, id_of(3));
  list.members.push_back(hint_of(200));
  EXPECT_FALSE(decode_member_list(encode(list)));
  list.members.resize(2);
  expect_canonical(encode(list), decode_member_list, [](const MemberList& l) { return encode(l); });
}

}  // namespace
}  // namespace aspen::node
