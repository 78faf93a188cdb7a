#include "core/crypto/ticket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/base32.h"
#include "core/base/hash.h"
#include "core/base/limits.h"

namespace aspen::crypto {
namespace {

using testing::HasSubstr;

constexpr WallNs kNow = 1'000'000 * kSecond;

KeyPair key_of(uint8_t byte) {
  Seed seed;
  seed.fill(byte);
  return KeyPair::from_seed(seed);
}

class TicketTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialize(); }

  TicketTest() {
    ticket_.network = root_.id();
    ticket_.peers = {{key_of(8).id(), "10.0.0.1:4000"}, {key_of(9).id(), "[::1]:4001"}};
    ticket_.invitation_seed = invitation_.seed();
    ticket_.chain = {invite({.roles = kRoleClient, .scope = "a/", .not_after = kNow + kSecond})};
  }

  Grant invite(Grant grant) {
    grant.kind = GrantKind::invitation;
    grant.subject = invitation_.id();
    return *issue(root_.id(), {}, root_, std::move(grant));
  }

  static void expect_refused(std::string_view text, const std::string& why, Code code = Code::TICKET_INVALID,
                             WallNs now = kNow) {
    Result<Ticket> ticket = parse_ticket(text, now);
    ASSERT_FALSE(ticket) << why;
    EXPECT_EQ(ticket.error().code, code) << ticket.error().to_string();
    EXPECT_THAT(ticket.error().message, HasSubstr(why));
  }

  // The text form of any bytes, with a right checksum.
  static std::string text_of(Bytes encoding) {
    encoding += hash_view(hash("aspen/ticket/1", {encoding})).substr(0, 4);
    return "aspen1" + base32_encode(encoding);
  }

  KeyPair root_ = key_of(1), invitation_ = key_of(3), node_ = key_of(4);
  Ticket ticket_;
};

TEST_F(TicketTest, RoundTrips) {
  Result<Ticket> back = parse_ticket(format_ticket(ticket_), kNow);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(*back, ticket_);
}

TEST_F(TicketTest, AFullTicketFitsTheLimit) {
  ticket_.peers.assign(limits::kTicketPeersMax, {key_of(8).id(), std::string(64, 'a') + ":65535"});
  EXPECT_LE(format_ticket(ticket_).size(), limits::kTicketBytesMax);
}

TEST_F(TicketTest, RefusesDamagedText) {
  std::string text = format_ticket(ticket_);
  expect_refused("", "does not start with \"aspen1\"");
  expect_refused("hello", "does not start with \"aspen1\"");
  expect_refused("aspen2" + text.substr(6), "another version");
  expect_refused("aspen1", "cut short");
  expect_refused("aspen1" + std::string(1, '!') + text.substr(7), "ticket");
  expect_refused(std::string(limits::kTicketBytesMax + 1, 'a'), "4097 characters; at most 4096");
  for (size_t i = 6; i < text.size(); ++i) {
    std::string mistyped = text;
    mistyped[i] = mistyped[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(parse_ticket(mistyped, kNow)) << i;
    EXPECT_FALSE(parse_ticket(text.substr(0, i), kNow)) << i;
  }
  expect_refused(text + "aaaaaaaa", "checksum is wrong");
}

TEST_F(TicketTest, RefusesMalformedContents) {
  Bytes encoding = *base32_decode(format_ticket(ticket_).substr(6), "ticket");
  encoding.resize(encoding.size() - 4);
  EXPECT_TRUE(parse_ticket(text_of(encoding), kNow));
  expect_refused(text_of(""), "truncated");
  expect_refused(text_of(encoding + "x"), "left over");
  expect_refused(text_of(encoding.substr(0, encoding.size() - 1)), "truncated");
  Bytes other = encoding;
  other[0] = 2;
  expect_refused(text_of(other), "kind 2 is not known");
  ticket_.peers.resize(limits::kTicketPeersMax + 1);
  expect_refused(format_ticket(ticket_), "17 peers in a ticket; at most 16");
  ticket_.peers = {{node_.id(), std::string(limits::kAddressBytesMax + 1, 'a')}};
  expect_refused(format_ticket(ticket_), "peer address is 256 bytes; at most 255");
}

TEST_F(TicketTest, RefusesAnInvitationThatDoesNotHold) {
  Ticket good = ticket_;
  ticket_.invitation_seed = node_.seed();
  expect_refused(format_ticket(ticket_), "not the one its chain was issued to");
  ticket_ = good;
  ticket_.chain.clear();
  expect_refused(format_ticket(ticket_), "does not end in an invitation");
  ticket_ = good;
  ticket_.chain = {*issue(root_.id(), {}, root_, {.kind = GrantKind::node, .subject = invitation_.id()})};
  expect_refused(format_ticket(ticket_), "does not end in an invitation");
  ticket_ = good;
  ticket_.chain[0].roles = kRolesAll;
  expect_refused(format_ticket(ticket_), "not signed by the root key");
  ticket_ = good;
  ticket_.network = node_.id();
  expect_refused(format_ticket(ticket_), "not signed by the root key");
  ticket_ = good;
  expect_refused(format_ticket(ticket_), "expired", Code::GRANT_EXPIRED, kNow + kSecond);
}

TEST_F(TicketTest, AdmitsWithinItsLimits) {
  Result<GrantChain> chain = admit(ticket_, node_.id(), kRoleClient);
  ASSERT_TRUE(chain) << chain.error().to_string();
  Result<Membership> membership = verify_chain(root_.id(), *chain, node_.id(), kNow);
  ASSERT_TRUE(membership) << membership.error().to_string();
  EXPECT_EQ(membership->roles, kRoleClient);
  EXPECT_EQ(membership->scope, "a/");
  EXPECT_EQ(membership->not_after, kNow + kSecond);

  Result<GrantChain> denied = admit(ticket_, node_.id(), kRolesAll);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Code::PERMISSION_DENIED);
  ticket_.chain.clear();
  EXPECT_EQ(admit(ticket_, node_.id(), kRoleClient).error().code, Code::TICKET_INVALID);
}

}  // namespace
}  // namespace aspen::crypto
