// Peers that send commands in sessions that are not theirs, and open more than anybody needs.
#include "core/node/test_hostile.h"

namespace aspen::node {
namespace {

Request request(const kv::Command& command) {
  return {.kind = RequestKind::write, .body = kv::encode(command)};
}

class HostileSessionTest : public HostileTest {
 protected:
  kv::SessionId open(RawPeer& peer) {
    auto reply = peer.request(request({.kind = kv::Command::Kind::open_session}));
    EXPECT_TRUE(reply) << reply.error().to_string();
    return reply ? *kv::decode_session_reply(*reply) : 0;
  }
  static Request append(kv::SessionId session, uint64_t sequence, const char* key = "count") {
    kv::Command command{.session = session, .sequence = sequence};
    command.transaction.then = {{.key = key, .value = "v", .previous = true}};
    return request(command);
  }
  uint64_t version(const char* key = "count") {
    auto record = node_.get(key);
    return record && *record ? (*record)->version : 0;
  }

  std::string client_ticket() { return ticket_for(crypto::kRoleClient, ""); }
};

TEST_F(HostileSessionTest, ASessionIsOfWhoOpenedIt) {
  RawPeer victim(client_ticket(), crypto::kRoleClient);
  RawPeer thief(client_ticket(), crypto::kRoleClient);
  const kv::SessionId session = open(victim);
  auto first = victim.request(append(session, 1));
  ASSERT_TRUE(first) << first.error().to_string();

  kv::Command close{.kind = kv::Command::Kind::close_session, .session = session};
  for (const Request& theft : {append(session, 1), append(session, 2), request(close)}) {
    auto refused = thief.request(theft);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::PERMISSION_DENIED) << refused.error().to_string();
    EXPECT_EQ(refused.error().applied, Applied::NO);
  }
  EXPECT_EQ(victim.request(append(session, 1)).value_or(""), *first);
  EXPECT_EQ(version(), 1u);
  EXPECT_TRUE(victim.request(append(session, 2)));
  EXPECT_EQ(version(), 2u);

  // The member's memory of whose it is comes back with it.
  node_.close();
  reopen(node_);
  ASSERT_TRUE(node_.range({}));
  RawPeer late(client_ticket(), crypto::kRoleClient);
  EXPECT_EQ(late.request(append(session, 3)).error().code, Code::PERMISSION_DENIED);
  EXPECT_EQ(version(), 2u);
}

TEST_F(HostileSessionTest, WhoSaysWhoseASessionIsIsNotBelieved) {
  RawPeer victim(client_ticket(), crypto::kRoleClient);
  RawPeer thief(client_ticket(), crypto::kRoleClient);
  kv::Command named{.kind = kv::Command::Kind::open_session, .owner = NodeId{{7}}};
  auto reply = victim.request(request(named));
  ASSERT_TRUE(reply) << reply.error().to_string();
  const kv::SessionId session = *kv::decode_session_reply(*reply);
  EXPECT_TRUE(victim.request(append(session, 1)));
  EXPECT_EQ(thief.request(append(session, 2)).error().code, Code::PERMISSION_DENIED);
}

// Ids are log indexes, so who is next can be guessed.
TEST_F(HostileSessionTest, ASessionThatIsToComeIsNobodys) {
  RawPeer victim(client_ticket(), crypto::kRoleClient);
  RawPeer thief(client_ticket(), crypto::kRoleClient);
  for (int round = 0; round < 30; ++round) {
    const uint64_t last = kv::decode_write_reply(*victim.request(append(0, 0, "last")))->revision;
    std::vector<Bytes> guesses;
    for (uint64_t ahead = 1; ahead <= 16; ++ahead) {
      guesses.push_back(encode_request(ahead, append(last + 1 + ahead % 2, ahead)));
    }
    RawPeer::TalkPtr talk = thief.begin(kStore, std::move(guesses));
    const kv::SessionId session = open(victim);
    for (const Bytes& answer :
         thief.when(talk, [](const auto& so_far) { return so_far.answers.size() == 16; }).answers) {
      auto body = decode_response(answer)->response.body;
      ASSERT_FALSE(body);
      EXPECT_TRUE(body.error().code == Code::SESSION_EXPIRED || body.error().code == Code::PERMISSION_DENIED)
          << body.error().to_string();
    }
    ASSERT_TRUE(victim.request(append(session, 1, "own")));
  }
  EXPECT_EQ(version(), 0u);
  EXPECT_EQ(version("own"), 30u);
}

TEST_F(HostileSessionTest, WhoOpensTooManySessionsLosesItsOwn) {
  RawPeer victim(client_ticket(), crypto::kRoleClient);
  RawPeer greedy(client_ticket(), crypto::kRoleClient);
  const kv::SessionId session = open(victim);
  const kv::SessionId first = open(greedy);
  for (size_t left = limits::kSessionsMax + 1; left > 0;) {
    std::vector<Bytes> frames;
    for (; left > 0 && frames.size() < 2000; --left) {
      frames.push_back(encode_request(left, request({.kind = kv::Command::Kind::open_session})));
    }
    size_t count = frames.size();
    ASSERT_EQ(greedy.talk(kStore, std::move(frames), count).answers.size(), count);
  }
  EXPECT_TRUE(victim.request(append(session, 1)));
  auto forgotten = kv::decode_write_reply(*greedy.request(append(first, 1)));
  ASSERT_FALSE(forgotten);
  EXPECT_EQ(forgotten.error().code, Code::SESSION_EXPIRED);
}

}  // namespace
}  // namespace aspen::node
