#include "core/crypto/grant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

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

// root -> admin -> invitation -> node, each link as wide as the rules allow unless a test edits it.
class GrantTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialize(); }

  GrantTest() {
    extend(root_, {.kind = GrantKind::admin, .subject = admin_.id(), .roles = kRolesAll, .scope = "a/"});
    extend(admin_, {.kind = GrantKind::invitation,
                    .subject = invitation_.id(),
                    .roles = kRolesAll,
                    .scope = "a/b/",
                    .not_after = kNow + kSecond});
    extend(invitation_, {.kind = GrantKind::node,
                         .subject = node_.id(),
                         .roles = kRoleClient,
                         .scope = "a/b/c",
                         .not_after = kNow + kSecond});
  }

  void extend(const KeyPair& issuer, Grant grant) {
    Result<Grant> link = issue(root_.id(), chain_, issuer, std::move(grant));
    ASSERT_TRUE(link) << link.error().to_string();
    chain_.push_back(*link);
  }

  // Changes a link and signs it again, as a dishonest issuer would.
  template <typename Edit>
  void forge(size_t index, Edit edit) {
    const KeyPair* issuers[] = {&root_, &admin_, &invitation_};
    edit(chain_[index]);
    chain_[index].signature = signed_by(*issuers[index], chain_[index]);
  }

  // Signs without any rule: the next link of kind admin by an all-powerful chain of one.
  Signature signed_by(const KeyPair& key, const Grant& grant) const {
    wire::Writer link;
    link.u8(static_cast<uint8_t>(grant.kind));
    link.fixed(grant.subject.view());
    link.u64(grant.roles);
    link.bytes(grant.scope);
    link.u64(static_cast<uint64_t>(grant.not_after));
    link.fixed(as_bytes(grant.revocation_id.data(), grant.revocation_id.size()));
    Hash digest = hash("aspen/grant/1", {root_.id().view(), link.view()});
    return key.sign(hash_view(digest));
  }

  void expect_refused(Code code, const std::string& text) {
    Result<Membership> verdict = verify_chain(root_.id(), chain_, node_.id(), kNow);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, code) << verdict.error().to_string();
    EXPECT_THAT(verdict.error().message, HasSubstr(text));
  }

  KeyPair root_ = key_of(1), admin_ = key_of(2), invitation_ = key_of(3), node_ = key_of(4);
  GrantChain chain_;
};

TEST_F(GrantTest, AValidChainYieldsItsNarrowestPowers) {
  Result<Membership> membership = verify_chain(root_.id(), chain_, node_.id(), kNow);
  ASSERT_TRUE(membership) << membership.error().to_string();
  EXPECT_EQ(membership->roles, kRoleClient);
  EXPECT_EQ(membership->scope, "a/b/c");
  EXPECT_EQ(membership->not_after, kNow + kSecond);
}

TEST_F(GrantTest, TheRootMayAdmitANodeItself) {
  chain_.clear();
  extend(root_, {.kind = GrantKind::node, .subject = node_.id(), .roles = kRolesAll});
  Result<Membership> membership = verify_chain(root_.id(), chain_, node_.id(), kNow);
  ASSERT_TRUE(membership);
  EXPECT_EQ(membership->roles, kRolesAll);
  EXPECT_EQ(membership->not_after, 0);
}

TEST_F(GrantTest, RefusesWidening) {
  GrantChain good = chain_;
  forge(1, [](Grant& g) { g.roles = kRolesAll | 4; });
  expect_refused(Code::NOT_A_MEMBER,
                 "link 2 of the membership chain has roles 0x7, more than its issuer's 0x3");
  chain_ = good;
  forge(2, [](Grant& g) { g.scope = "a/"; });
  expect_refused(Code::NOT_A_MEMBER, "link 3 of the membership chain has a scope outside its issuer's");
  chain_ = good;
  forge(2, [](Grant& g) { g.not_after = kNow + 2 * kSecond; });
  expect_refused(Code::NOT_A_MEMBER, "link 3 of the membership chain outlives its issuer");
  chain_ = good;
  forge(2, [](Grant& g) { g.not_after = 0; });
  expect_refused(Code::NOT_A_MEMBER, "outlives its issuer");
  chain_ = good;
  forge(1, [](Grant& g) { g.kind = GrantKind::node; });
  expect_refused(Code::NOT_A_MEMBER, "link 3 of the membership chain is issued by a node");
  chain_ = good;
  forge(2, [](Grant& g) { g.kind = GrantKind::admin; });
  expect_refused(Code::NOT_A_MEMBER, "an invitation may only issue nodes");
  chain_ = good;
  forge(2, [](Grant& g) { g.scope = "a/b/" + Bytes(limits::kGrantScopeBytesMax, 'x'); });
  expect_refused(Code::NOT_A_MEMBER, "scope of 259 bytes; at most 255");
}

TEST_F(GrantTest, RefusesEveryChangedField) {
  GrantChain good = chain_;
  for (size_t link = 0; link < good.size(); ++link) {
    std::vector<std::function<void(Grant&)>> edits = {
        [](Grant& g) {
          g.roles &= ~kRoleMember;
          g.roles ^= kRoleClient;
        },
        [](Grant& g) { g.scope += "x"; },
        [](Grant& g) { g.revocation_id[3] ^= 1; },
        [](Grant& g) { g.signature[0] ^= 1; },
        [](Grant& g) { g.signature = {}; },
    };
    for (size_t edit = 0; edit < edits.size(); ++edit) {
      chain_ = good;
      edits[edit](chain_[link]);
      Result<Membership> verdict = verify_chain(root_.id(), chain_, node_.id(), kNow);
      EXPECT_FALSE(verdict) << "link " << link << " edit " << edit;
    }
  }
}

TEST_F(GrantTest, RefusesTheWrongShape) {
  GrantChain good = chain_;
  chain_.clear();
  expect_refused(Code::NOT_A_MEMBER, "empty");
  chain_ = {good[0], good[1]};
  expect_refused(Code::NOT_A_MEMBER, "last link of the membership chain is of kind invitation, not node");
  chain_ = {good[1], good[2]};
  expect_refused(Code::NOT_A_MEMBER, "link 1 of the membership chain is not signed by the root key");
  chain_ = {good[1], good[0], good[2]};
  expect_refused(Code::NOT_A_MEMBER, "link 1 of the membership chain is not signed by the root key");
  chain_ = {good[0], good[2]};
  expect_refused(Code::NOT_A_MEMBER, "link 2 of the membership chain is not signed by the link before it");
  chain_ = {good[0], good[0], good[0], good[1], good[2]};
  expect_refused(Code::NOT_A_MEMBER, "5 links; at most 4");
}

TEST_F(GrantTest, RefusesTheWrongSubjectNetworkAndIssuer) {
  Result<Membership> verdict = verify_chain(root_.id(), chain_, admin_.id(), kNow);
  ASSERT_FALSE(verdict);
  EXPECT_THAT(verdict.error().message, HasSubstr("issued to node " + node_.id().short_string()));
  verdict = verify_chain(key_of(9).id(), chain_, node_.id(), kNow);
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Code::NOT_A_MEMBER);
  chain_[2].signature = signed_by(admin_, chain_[2]);
  expect_refused(Code::NOT_A_MEMBER, "link 3 of the membership chain is not signed by the link before it");
}

TEST_F(GrantTest, RefusesExpired) {
  EXPECT_TRUE(verify_chain(root_.id(), chain_, node_.id(), kNow + kSecond - 1));
  Result<Membership> verdict = verify_chain(root_.id(), chain_, node_.id(), kNow + kSecond);
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Code::GRANT_EXPIRED);
  EXPECT_THAT(verdict.error().message, HasSubstr("link 2 of the membership chain (invitation) expired"));
}

TEST_F(GrantTest, IssueHoldsTheRules) {
  auto refused = [this](const GrantChain& chain, const KeyPair& issuer, Grant grant, const char* text) {
    Result<Grant> link = issue(root_.id(), chain, issuer, std::move(grant));
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().code, Code::INVALID_ARGUMENT);
    EXPECT_THAT(link.error().message, HasSubstr(text));
  };
  GrantChain one = {chain_[0]}, two = {chain_[0], chain_[1]};
  Grant node{.kind = GrantKind::node, .subject = node_.id(), .roles = kRoleClient, .scope = "a/b/"};
  refused({}, admin_, node, "the chain leads to key");
  refused(one, root_, node, "the chain leads to key");
  refused(two, invitation_, node, "outlives its issuer");
  refused(chain_, node_, node, "nodes issue nothing");
  node.scope = "b";
  refused(one, admin_, node, "scope outside");
  node.scope = "a/";
  node.roles = 8;
  refused(one, admin_, node, "more than its issuer's");
  GrantChain broken = one;
  broken[0].signature[0] ^= 1;
  node.roles = 0;
  refused(broken, admin_, node, "not signed by the root key");
  // Four links of admins: no room for a fifth.
  GrantChain deep;
  const KeyPair* issuer = &root_;
  for (size_t i = 0; i < limits::kGrantChainMax; ++i) {
    deep.push_back(*issue(root_.id(), deep, *issuer, {.kind = GrantKind::admin, .subject = admin_.id()}));
    issuer = &admin_;
  }
  refused(deep, admin_, {.kind = GrantKind::node, .subject = node_.id()}, "4 links already");
}

TEST_F(GrantTest, RevocationIdsDifferUnlessGiven) {
  EXPECT_NE(chain_[0].revocation_id, chain_[1].revocation_id);
  Grant grant{.kind = GrantKind::admin, .subject = admin_.id()};
  grant.revocation_id.fill(5);
  Result<Grant> a = issue(root_.id(), {}, root_, grant);
  Result<Grant> b = issue(root_.id(), {}, root_, grant);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a, *b);  // deterministic for fixtures
  EXPECT_EQ(a->revocation_id[15], 5);
}

TEST_F(GrantTest, EncodingRoundTripsAndIsCanonical) {
  wire::Writer writer;
  encode(writer, chain_);
  Bytes encoding = writer.take();
  wire::Reader reader(encoding);
  EXPECT_EQ(decode_chain(reader), chain_);
  EXPECT_TRUE(reader.finish("chain"));
  for (size_t cut = 0; cut < encoding.size(); ++cut) {
    wire::Reader partial(BytesView(encoding).substr(0, cut));
    EXPECT_TRUE(decode_chain(partial).empty());
    EXPECT_FALSE(partial.finish("chain")) << cut;
  }
  encoding[1] = 4;  // the first link's kind
  wire::Reader unknown(encoding);
  decode_chain(unknown);
  Result<> verdict = unknown.finish("chain");
  ASSERT_FALSE(verdict);
  EXPECT_THAT(verdict.error().message, HasSubstr("unknown kind 4"));
  Bytes many(1, static_cast<char>(limits::kGrantChainMax + 1));
  wire::Reader too_many(many);
  decode_chain(too_many);
  EXPECT_THAT(too_many.finish("chain").error().message, HasSubstr("5 grants in a chain; at most 4"));
}

}  // namespace
}  // namespace aspen::crypto
