// The engine reads the fixtures of docs/wire.md sections 9 to 11: connections, consensus, the key-value
// protocol.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/kv/snapshot.h"
#include "core/kv/state_machine.h"
#include "core/net/close_code.h"
#include "core/net/hello.h"
#include "core/net/stateless.h"
#include "cross_lang_tests/protocol_forms.h"

namespace aspen {
namespace {

class ProtocolFixtures : public testing::TestWithParam<const char*> {};

TEST_P(ProtocolFixtures, ValidOnesAreReadAndWritten) {
  for (const Json& row : fixture(GetParam())["valid"]) {
    SCOPED_TRACE(str(row["form"]) + ": " + str(row["name"]));
    Bytes encoding = unhex(row["hex"]);
    auto read = form(row["form"])(encoding);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->value, row["value"]);
    EXPECT_EQ(hex(read->encoding), str(row["hex"]));
    if (row["form"] == "stream") continue;  // may end after any frame
    for (size_t size = 0; size < encoding.size(); ++size) {
      ASSERT_FALSE(form(row["form"])(BytesView(encoding).substr(0, size))) << size;
    }
    EXPECT_FALSE(form(row["form"])(encoding + '\0'));
  }
}

TEST_P(ProtocolFixtures, OthersAreRefused) {
  for (const Json& row : fixture(GetParam())["invalid"]) {
    SCOPED_TRACE(str(row["form"]) + ": " + str(row["name"]));
    auto read = form(row["form"])(unhex(row["hex"]));
    ASSERT_FALSE(read);
    if (row["form"] == "stream") continue;  // has words of its own; see below
    EXPECT_EQ(read.error().code, row["reason"] == "address" ? Code::INVALID_ARGUMENT : Code::PROTOCOL);
    EXPECT_TRUE(says(read.error(), row["reason"])) << read.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ProtocolFixtures,
                         testing::Values("hello", "raft", "kv", "request", "lease", "watch"),
                         [](const auto& info) { return std::string(info.param); });

// ---- hello.json

TEST(StreamFixtures, ReadTheSameInPiecesOfAnySize) {
  for (const Json& row : fixture("hello")["valid"]) {
    if (row["form"] != "stream") continue;
    for (size_t piece = 1; piece <= unhex(row["hex"]).size(); ++piece) {
      auto read = read_stream(unhex(row["hex"]), piece);
      ASSERT_TRUE(read) << row["name"];
      EXPECT_EQ(read->value, row["value"]) << row["name"] << " by " << piece;
    }
  }
}

TEST(StreamFixtures, OthersAreRefusedWithACode) {
  const std::map<std::string, std::string> texts{{"truncated", "ended inside a frame"},
                                                 {"overlong", "a varint is overlong"},
                                                 {"range", "a varint is over 64 bits"},
                                                 {"limit", "; at most 16777216"}};
  for (const Json& row : fixture("hello")["invalid"]) {
    if (row["form"] != "stream") continue;
    auto read = read_stream(unhex(row["hex"]), 3);
    ASSERT_FALSE(read) << row;
    bool limit = row["reason"] == "limit";
    EXPECT_EQ(read.error().code, limit ? Code::LIMIT_EXCEEDED : Code::PROTOCOL) << row;
    EXPECT_NE(read.error().message.find(texts.at(row["reason"])), std::string::npos) << row;
  }
}

TEST(HelloFixtures, FieldsOfANewerPeerAreSkipped) {
  for (const Json& row : fixture("hello")["newer"]) {
    auto newer = net::decode_hello(unhex(row["hex"]));
    ASSERT_TRUE(newer) << newer.error().message;
    EXPECT_EQ(hex(net::encode_hello(*newer)), str(row["same_as"]));
  }
}

Result<net::Acceptance> judge(const Json& row) {
  const Json& all = fixture("hello");
  ASPEN_TRY(net::Hello ours, net::decode_hello(unhex(all["ours"])));
  ASPEN_TRY(net::Hello theirs, net::decode_hello(unhex(row["theirs"])));
  return net::accept_hello(ours, theirs, id_of(all["peer"]), now_of("hello"));
}

TEST(HelloFixtures, AcceptedOnesGiveTheVersions) {
  for (const Json& row : fixture("hello")["accepted"]) {
    auto acceptance = judge(row);
    ASSERT_TRUE(acceptance) << row["name"] << acceptance.error().message;
    Json versions = Json::array();
    for (auto [id, version] : acceptance->versions) versions.push_back({number(id), number(version)});
    EXPECT_EQ(versions, row["versions"]) << row["name"];
  }
}

TEST(HelloFixtures, OthersAreRefusedWithACause) {
  for (const Json& row : fixture("hello")["not_accepted"]) {
    auto acceptance = judge(row);
    ASSERT_FALSE(acceptance) << row["name"];
    EXPECT_EQ(acceptance.error().name(), str(row["code"])) << acceptance.error().message;
  }
}

TEST(HelloFixtures, CodesOfCloses) {
  for (const Json& row : fixture("hello")["close_codes"]) {
    uint64_t code = std::stoull(str(row["code"]));
    Error error = row["layer"] == "application" ? net::from_wire(code, "why", "closed")
                                                : net::from_transport(code, "why");
    EXPECT_EQ(error.name(), str(row["error"])) << row;
  }
}

TEST(HelloFixtures, ResetTokens) {
  for (const Json& row : fixture("hello")["reset_tokens"]) {
    crypto::Seed seed;
    std::ranges::copy(unhex(row["seed"]), seed.begin());
    crypto::KeyPair key = crypto::KeyPair::from_seed(seed);
    net::ResetToken token = net::Stateless(key, rt::system_env()).reset_token(unhex(row["connection_id"]));
    EXPECT_EQ(hex(as_bytes(token.data(), token.size())), str(row["token"]));
  }
}

// ---- kv.json: snapshots

Result<Json> read_rows(const Json& chunks) {
  kv::SnapshotParser parser;
  Json rows = Json::array();
  for (const Json& chunk : chunks) {
    ASPEN_CHECK(parser.parse(unhex(chunk), [&](BytesView key, BytesView value) -> Result<> {
      ASPEN_TRY(rows.emplace_back(), spell_row(key, value));
      return {};
    }));
  }
  ASPEN_CHECK(parser.finish());
  return rows;
}

// The chunks of the state after it was replaced by the snapshot.
Result<Json> restore(const Json& row) {
  ASPEN_TRY(auto machine, kv::StateMachine::open(store::open_memory()));
  ASPEN_TRY(auto sink, machine->restore({.index = std::stoull(str(row["index"]))}));
  for (const Json& chunk : row["chunks"]) ASPEN_CHECK(sink->write(unhex(chunk)));
  ASPEN_CHECK(sink->finish());
  ASPEN_TRY(auto source, machine->snapshot());
  Json chunks = Json::array();
  for (;;) {
    ASPEN_TRY(Bytes chunk, source->next());
    if (chunk.empty()) return chunks;
    chunks.push_back(hex(chunk));
  }
}

TEST(SnapshotFixtures, ValidOnesReplaceTheStateAndAreWrittenAgain) {
  std::map<std::string, Json> whole;  // by rows
  for (const Json& row : fixture("kv")["snapshots"]) {
    SCOPED_TRACE(str(row["name"]));
    auto rows = read_rows(row["chunks"]);
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_EQ(*rows, row["rows"]);
    auto chunks = restore(row);
    ASSERT_TRUE(chunks) << chunks.error().message;
    if (!row["is_cut"]) whole[row["rows"].dump()] = row["chunks"];
    EXPECT_EQ(*chunks, whole.at(row["rows"].dump()));
  }
}

TEST(SnapshotFixtures, OthersAreRefused) {
  for (const Json& row : fixture("kv")["invalid_snapshots"]) {
    auto chunks = restore(row);
    ASSERT_FALSE(chunks) << row["name"];
    EXPECT_EQ(chunks.error().code, Code::CORRUPT) << row["name"] << chunks.error().message;
  }
}

}  // namespace
}  // namespace aspen
