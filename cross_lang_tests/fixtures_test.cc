// The engine reads the fixtures of docs/wire.md sections 1 to 8 (protocol_fixtures_test.cc has the others):
// what is valid is read and written back to the same bytes, what is not is refused for the stated reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/base/hash.h"
#include "core/base/node_id.h"
#include "core/base/wire.h"
#include "core/crypto/ticket.h"
#include "cross_lang_tests/fixture.h"

namespace aspen {
namespace {

using crypto::GrantChain;
using testing::HasSubstr;

// ---- wire.json: values of any type, read into the fixtures' spelling and written from it.

Json read_value(wire::Reader& r, const Json& type, bool newer);

Json read_map(wire::Reader& r, const Json& type, bool newer) {
  Json pairs = Json::array();
  Bytes last;
  uint64_t last_number = 0;
  bool numbers = type["map"][0].is_string();
  for (size_t n = r.count(type["max"], "entries"); n > 0 && r.ok(); --n) {
    Json key = read_value(r, type["map"][0], newer);
    Bytes bytes = numbers ? "" : unhex(key);
    uint64_t number = numbers ? std::stoull(str(key)) : 0;
    bool ascending = numbers ? number > last_number : bytes > last;
    if (!pairs.empty() && !ascending) r.refuse("map keys are not in ascending order");
    last = bytes;
    last_number = number;
    pairs.push_back({key, read_value(r, type["map"][1], newer)});
  }
  return pairs;
}

Json read_value(wire::Reader& r, const Json& type, bool newer) {
  if (type == "u8") return std::to_string(r.u8());
  if (type == "u64") return std::to_string(r.u64());
  if (type == "i64") return std::to_string(r.i64());
  if (type == "bool") return r.boolean();
  if (type.contains("u64")) return std::to_string(r.u64_max(type["u64"]["max"], "number"));
  if (type.contains("fixed")) return hex(r.fixed(type["fixed"]));
  if (type.contains("bytes")) return hex(r.bytes(type["bytes"], "bytes"));
  if (type.contains("text")) return std::string(r.text(type["text"], "text"));
  if (type.contains("optional")) return r.boolean() ? read_value(r, type["optional"], newer) : Json();
  if (type.contains("map")) return read_map(r, type, newer);
  Json values = Json::array();
  if (type.contains("list")) {
    for (size_t n = r.count(type["max"], "items"); n > 0; --n) {
      values.push_back(read_value(r, type["list"], newer));
    }
    return values;
  }
  uint64_t kind = r.begin();
  if (kind != type["message"]) r.refuse(fmt::format("unknown kind {}", kind));
  for (const Json& field : type["fields"]) values.push_back(read_value(r, field, newer));
  newer ? r.end_skip() : r.end();
  return values;
}

void write_value(wire::Writer& w, const Json& type, const Json& value) {
  auto number = [&value] { return std::stoull(str(value)); };
  if (type == "u8") return w.u8(static_cast<uint8_t>(number()));
  if (type == "i64") return w.i64(std::stoll(str(value)));
  if (type == "bool") return w.boolean(value);
  if (type == "u64" || type.contains("u64")) return w.u64(number());
  if (type.contains("fixed")) return w.fixed(unhex(value));
  if (type.contains("bytes")) return w.bytes(unhex(value));
  if (type.contains("text")) return w.bytes(str(value));
  if (type.contains("optional")) {
    w.boolean(!value.is_null());
    if (!value.is_null()) write_value(w, type["optional"], value);
    return;
  }
  if (type.contains("message")) {
    w.begin(type["message"]);
    for (size_t i = 0; i < value.size(); ++i) write_value(w, type["fields"][i], value[i]);
    return w.end();
  }
  w.u64(value.size());
  for (const Json& item : value) {
    if (type.contains("list")) {
      write_value(w, type["list"], item);
    } else {
      write_value(w, type["map"][0], item[0]);
      write_value(w, type["map"][1], item[1]);
    }
  }
}

Result<Json> decode(const Json& type, BytesView encoding, bool newer) {
  wire::Reader reader(encoding);
  Json value = read_value(reader, type, newer);
  ASPEN_CHECK(reader.finish("value"));
  return value;
}

TEST(WireFixtures, ValidValuesAreReadAndWritten) {
  for (const Json& row : fixture("wire")["valid"]) {
    SCOPED_TRACE(row.dump());
    Bytes encoding = unhex(row["hex"]);
    auto value = decode(row["type"], encoding, false);
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(*value, row["value"]);
    wire::Writer writer;
    write_value(writer, row["type"], row["value"]);
    EXPECT_EQ(hex(writer.view()), str(row["hex"]));
    for (size_t size = 0; size < encoding.size(); ++size) {
      EXPECT_FALSE(decode(row["type"], BytesView(encoding).substr(0, size), false)) << size;
    }
  }
}

TEST(WireFixtures, OthersAreRefused) {
  for (const char* section : {"invalid", "newer_peer_invalid"}) {
    for (const Json& row : fixture("wire")[section]) {
      SCOPED_TRACE(row.dump());
      auto value = decode(row["type"], unhex(row["hex"]), std::string_view(section) == "newer_peer_invalid");
      ASSERT_FALSE(value);
      EXPECT_EQ(value.error().code, Code::PROTOCOL);
      EXPECT_TRUE(says(value.error(), row["reason"])) << value.error().message;
    }
  }
}

TEST(WireFixtures, FieldsOfANewerPeerAreSkipped) {
  for (const Json& row : fixture("wire")["newer_peer_valid"]) {
    SCOPED_TRACE(row.dump());
    auto value = decode(row["type"], unhex(row["hex"]), true);
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(*value, row["value"]);
    EXPECT_FALSE(decode(row["type"], unhex(row["hex"]), false));
  }
}

// ---- node_id.json, hash.json, errors.json

TEST(NodeIdFixtures, ValidTextsAreReadAndWritten) {
  for (const Json& row : fixture("node_id")["valid"]) {
    auto id = NodeId::parse(str(row["text"]));
    ASSERT_TRUE(id) << row;
    EXPECT_EQ(hex(id->view()), str(row["hex"]));
    EXPECT_EQ(id->to_string(), str(row["text"]));
  }
}

TEST(NodeIdFixtures, OthersAreRefused) {
  for (const Json& row : fixture("node_id")["invalid"]) {
    auto id = NodeId::parse(str(row["text"]));
    ASSERT_FALSE(id) << row;
    EXPECT_TRUE(says(id.error(), row["reason"])) << id.error().message;
  }
}

Hash hash_of(const Json& row) {
  std::vector<Bytes> parts;
  for (const Json& part : row["parts"]) parts.push_back(unhex(part));
  auto domain = str(row["domain"]);
  switch (parts.size()) {
    case 0:
      return hash(domain, {});
    case 1:
      return hash(domain, {parts[0]});
    case 2:
      return hash(domain, {parts[0], parts[1]});
  }
  ADD_FAILURE() << "more parts than this test can pass: " << row;
  return {};
}

TEST(HashFixtures, AllAgreeAndDiffer) {
  std::set<Hash> seen;
  for (const Json& row : fixture("hash")["valid"]) {
    Hash value = hash_of(row);
    EXPECT_EQ(hex(hash_view(value)), str(row["hash"])) << row;
    EXPECT_TRUE(seen.insert(value).second) << row;
  }
}

TEST(ErrorFixtures, AreTheTableOfTheEngine) {
  for (const Json& row : fixture("errors")["errors"]) {
    const ErrorInfo* info = error_info(row["number"]);
    ASSERT_NE(info, nullptr) << row;
    EXPECT_EQ(info->name, str(row["name"]));
    EXPECT_EQ(info->applied == Applied::MAYBE ? "maybe" : "no", str(row["applied"]));
    EXPECT_EQ(info->retryable, row["retryable"].get<bool>());
    EXPECT_EQ(info->text, str(row["text"]));
  }
  for (const Json& number : fixture("errors")["unknown"]) EXPECT_EQ(error_info(number), nullptr);
}

// ---- grant.json and ticket.json

Result<GrantChain> decode_chain(const Json& row) {
  Bytes encoding = unhex(row["hex"]);
  wire::Reader reader(encoding);
  GrantChain chain = crypto::decode_chain(reader);
  ASPEN_CHECK(reader.finish("chain"));
  return chain;
}

Result<crypto::Membership> verify_chain(const GrantChain& chain) {
  const Json& all = fixture("grant");
  return crypto::verify_chain(id_of(all["network"]), chain, id_of(all["subject"]), now_of("grant"));
}

TEST(GrantFixtures, ValidChainsAreReadVerifiedAndWritten) {
  for (const Json& row : fixture("grant")["valid"]) {
    SCOPED_TRACE(str(row["name"]));
    auto chain = decode_chain(row);
    ASSERT_TRUE(chain) << chain.error().message;
    auto membership = verify_chain(*chain);
    ASSERT_TRUE(membership) << membership.error().message;
    EXPECT_EQ(membership->roles, chain->back().roles);
    EXPECT_EQ(membership->scope, chain->back().scope);
    EXPECT_EQ(membership->not_after, chain->back().not_after);
    wire::Writer writer;
    encode(writer, *chain);
    EXPECT_EQ(hex(writer.view()), str(row["hex"]));
    if (!row.contains("links")) continue;
    for (size_t i = 0; i < chain->size(); ++i) {
      const crypto::Grant& grant = (*chain)[i];
      const Json& link = row["links"][i];
      EXPECT_EQ(std::to_string(static_cast<int>(grant.kind)), str(link["kind"]));
      EXPECT_EQ(hex(grant.subject.view()), str(link["subject"]));
      EXPECT_EQ(std::to_string(grant.roles), str(link["roles"]));
      EXPECT_EQ(hex(grant.scope), str(link["scope"]));
      EXPECT_EQ(std::to_string(grant.not_after), str(link["not_after"]));
      EXPECT_EQ(hex(as_bytes(grant.revocation_id.data(), 16)), str(link["revocation_id"]));
      EXPECT_EQ(hex(as_bytes(grant.signature.data(), 64)), str(link["signature"]));
    }
  }
}

TEST(GrantFixtures, ChainsThatBreakARuleAreNotAMembership) {
  for (const Json& row : fixture("grant")["invalid"]) {
    SCOPED_TRACE(str(row["name"]));
    auto chain = decode_chain(row);
    ASSERT_TRUE(chain) << chain.error().message;
    auto membership = verify_chain(*chain);
    ASSERT_FALSE(membership);
    EXPECT_EQ(membership.error().name(), str(row["code"])) << membership.error().message;
  }
}

TEST(GrantFixtures, MalformedChainsAreRefused) {
  for (const Json& row : fixture("grant")["malformed"]) {
    SCOPED_TRACE(row.dump());
    auto chain = decode_chain(row);
    ASSERT_FALSE(chain);
    EXPECT_EQ(chain.error().code, Code::PROTOCOL);
    EXPECT_TRUE(says(chain.error(), row["reason"])) << chain.error().message;
  }
}

TEST(TicketFixtures, ValidTicketsAreReadAndWritten) {
  for (const Json& row : fixture("ticket")["valid"]) {
    SCOPED_TRACE(str(row["name"]));
    auto ticket = crypto::parse_ticket(str(row["text"]), now_of("ticket"));
    ASSERT_TRUE(ticket) << ticket.error().message;
    EXPECT_EQ(hex(ticket->network.view()), str(row["network"]));
    EXPECT_EQ(hex(as_bytes(ticket->invitation_seed.data(), 32)), str(row["invitation_seed"]));
    ASSERT_EQ(ticket->peers.size(), row["peers"].size());
    for (size_t i = 0; i < ticket->peers.size(); ++i) {
      EXPECT_EQ(hex(ticket->peers[i].node.view()), str(row["peers"][i]["node"]));
      EXPECT_EQ(ticket->peers[i].address, str(row["peers"][i]["address"]));
    }
    wire::Writer chain;
    encode(chain, ticket->chain);
    EXPECT_EQ(hex(chain.view()), str(row["chain"]));
    EXPECT_EQ(crypto::format_ticket(*ticket), str(row["text"]));
  }
}

TEST(TicketFixtures, OthersAreRefusedWithACause) {
  for (const Json& row : fixture("ticket")["invalid"]) {
    SCOPED_TRACE(str(row["name"]));
    auto ticket = crypto::parse_ticket(str(row["text"]), now_of("ticket"));
    ASSERT_FALSE(ticket);
    EXPECT_EQ(ticket.error().name(), str(row["code"])) << ticket.error().message;
    EXPECT_THAT(ticket.error().message, testing::AnyOf(HasSubstr("ticket"), HasSubstr("membership chain")));
  }
}

}  // namespace
}  // namespace aspen
