// A client against a member that answers as the test wants: what is sent again, under which number, and
// what a caller is told about a write whose reply did not come.
#include "core/net/endpoint.h"
#include "core/node/protocol.h"
#include "core/node/test_cluster.h"

namespace aspen::node {
namespace {

// Believes to be the only member of a network of its own.
class FakeMember {
 public:
  // Answers, or does something to the stream. Runs on the member's thread.
  using Handler = std::function<void(uint64_t id, const kv::Command& command, net::Stream& stream)>;

  explicit FakeMember(Handler on_write)
      : on_write_(std::move(on_write)),
        root_(crypto::KeyPair::generate()),
        key_(crypto::KeyPair::generate()) {
    net::EndpointOptions options;
    options.key = &key_;
    options.network = root_.id();
    options.membership = {grant(crypto::GrantKind::node, key_.id())};
    options.listen = "127.0.0.1:0";
    options.subprotocols = {{.id = kStore, .on_stream = [this](net::Stream& stream) {
                               stream.on_frame([this, &stream](Bytes frame) { answer(frame, stream); });
                             }}};
    endpoint_ = *net::Endpoint::open(loop_, std::move(options));
    address_ = endpoint_->local_address();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~FakeMember() {
    loop_.post([this] { endpoint_.reset(); });
    loop_.stop();
    thread_.join();
  }

  std::string ticket(std::vector<crypto::TicketPeer> others = {}) {
    crypto::KeyPair invitation = crypto::KeyPair::generate();
    others.push_back({key_.id(), address_});
    return crypto::format_ticket({root_.id(),
                                  std::move(others),
                                  invitation.seed(),
                                  {grant(crypto::GrantKind::invitation, invitation.id())}});
  }
  const std::string& address() const { return address_; }
  std::vector<kv::Command> writes() {
    std::lock_guard lock(mutex_);
    return writes_;
  }
  static void reply(uint64_t id, net::Stream& stream, Result<Bytes> body) {
    (void)stream.send(encode_response(id, {std::move(body), std::nullopt}));
  }
  static void succeed(uint64_t id, net::Stream& stream) {
    reply(id, stream, kv::encode(kv::WriteReply{.succeeded = true, .revision = 7, .results = {{}}}));
  }

 private:
  crypto::Grant grant(crypto::GrantKind kind, const NodeId& subject) {
    return *crypto::issue(root_.id(), {}, root_,
                          {.kind = kind, .subject = subject, .roles = crypto::kRolesAll});
  }
  void answer(const Bytes& frame, net::Stream& stream) {
    IdentifiedRequest request = *decode_request(frame);
    LeaderHint self{key_.id(), address_};
    if (request.request.kind == RequestKind::members) {
      return reply(request.id, stream, encode(MemberList{self, {self}}));
    }
    if (request.request.kind != RequestKind::write) {
      return reply(request.id, stream, std::unexpected(Error(Code::NOT_LEADER, "no reads here")));
    }
    kv::Command command = *kv::decode_command(request.request.body);
    if (command.kind == kv::Command::Kind::open_session) {
      return reply(request.id, stream, kv::encode_session_reply(++sessions_));
    }
    {
      std::lock_guard lock(mutex_);
      writes_.push_back(command);
    }
    on_write_(request.id, command, stream);
  }

  Handler on_write_;
  crypto::KeyPair root_;
  crypto::KeyPair key_;
  std::string address_;
  rt::Loop loop_;
  std::unique_ptr<net::Endpoint> endpoint_;
  std::mutex mutex_;
  std::vector<kv::Command> writes_;
  kv::SessionId sessions_ = 100;
  std::thread thread_;
};

class ExactlyOnce : public ClusterTest {
 protected:
  ExactlyOnce() { crypto::initialize(); }
  TestNode client_of(FakeMember& member) { return open(options(Mode::client, "", member.ticket())); }
};

TEST_F(ExactlyOnce, AWriteWhoseReplyWasLostIsSentAgainUnderTheSameNumber) {
  int attempts = 0;
  FakeMember member([&](uint64_t id, const kv::Command&, net::Stream& stream) {
    if (++attempts < 3) return stream.reset(Code::CONNECTION_LOST);
    FakeMember::succeed(id, stream);
  });
  TestNode client = client_of(member);
  auto put = client.put("a", "1");
  ASSERT_TRUE(put) << put.error().to_string();
  auto writes = member.writes();
  ASSERT_EQ(writes.size(), 3u);
  EXPECT_NE(writes[0].session, 0u);
  EXPECT_EQ(writes[0], writes[1]);
  EXPECT_EQ(writes[0], writes[2]);
  ASSERT_TRUE(client.put("a", "2"));
  kv::Command next = member.writes().back();
  EXPECT_EQ(next.session, writes[0].session);
  EXPECT_EQ(next.sequence, writes[0].sequence + 1);
  EXPECT_EQ(next.acknowledged_below, next.sequence) << "the reply to the first need not be kept";
}

TEST_F(ExactlyOnce, AWriteThatIsNotAnsweredMayHaveBeenApplied) {
  FakeMember member([](uint64_t, const kv::Command&, net::Stream&) {});
  TestNode client = client_of(member);
  auto late = client.put("a", "1", 200 * kMillisecond);
  EXPECT_EQ(late.error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(late.error().applied, Applied::MAYBE);
  Node::OperationId id = 0;
  auto cancelled = wait_for<kv::WriteReply>([&](auto done) {
    id = client.node->write({.transaction = {.then = {{.key = "b", .value = "1"}}}}, 0, std::move(done));
    EXPECT_TRUE(eventually([&] { return member.writes().size() == 2; }));
    client.node->cancel(id);
  });
  EXPECT_EQ(cancelled.error().code, Code::CANCELLED);
  EXPECT_EQ(cancelled.error().applied, Applied::MAYBE);
}

TEST_F(ExactlyOnce, AWriteThatNobodyTookIsNotApplied) {
  FakeMember member([](uint64_t id, const kv::Command&, net::Stream& stream) {
    FakeMember::reply(id, stream, std::unexpected(Error(Code::NOT_LEADER, Applied::NO, "not me")));
  });
  TestNode client = client_of(member);
  auto put = client.put("a", "1", 200 * kMillisecond);
  EXPECT_EQ(put.error().code, Code::DEADLINE_EXCEEDED);
  EXPECT_EQ(put.error().applied, Applied::NO);
  EXPECT_GT(member.writes().size(), 1u);
  EXPECT_EQ(client.get("a", {}, 200 * kMillisecond).error().applied, Applied::NO);
}

TEST_F(ExactlyOnce, OneAttemptThatMayHaveBeenAppliedIsNotForgottenForLaterOnesThatWereNot) {
  int attempts = 0;
  FakeMember member([&](uint64_t id, const kv::Command&, net::Stream& stream) {
    Applied applied = ++attempts == 1 ? Applied::MAYBE : Applied::NO;
    FakeMember::reply(id, stream, std::unexpected(Error(Code::NOT_LEADER, applied, "not any more")));
  });
  TestNode client = client_of(member);
  EXPECT_EQ(client.put("a", "1", 200 * kMillisecond).error().applied, Applied::MAYBE);
}

TEST_F(ExactlyOnce, ASessionThatWasForgottenIsReplacedWhenTheWriteCannotHaveBeenApplied) {
  FakeMember member([](uint64_t id, const kv::Command& command, net::Stream& stream) {
    if (command.session > 101) return FakeMember::succeed(id, stream);
    FakeMember::reply(id, stream, kv::encode_error_reply(Error(Code::SESSION_EXPIRED, "who?")));
  });
  TestNode client = client_of(member);
  auto put = client.put("a", "1");
  ASSERT_TRUE(put) << put.error().to_string();
  ASSERT_EQ(member.writes().size(), 2u);
  EXPECT_EQ(member.writes()[1].sequence, 1u);
}

TEST_F(ExactlyOnce, ASessionThatWasForgottenAfterALostReplyLeavesADoubt) {
  int attempts = 0;
  FakeMember member([&](uint64_t id, const kv::Command&, net::Stream& stream) {
    if (++attempts == 1) return stream.reset(Code::CONNECTION_LOST);
    if (attempts > 2) return FakeMember::succeed(id, stream);
    FakeMember::reply(id, stream, kv::encode_error_reply(Error(Code::SESSION_EXPIRED, "who?")));
  });
  TestNode client = client_of(member);
  auto put = client.put("a", "1");
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, Code::SESSION_EXPIRED);
  EXPECT_EQ(put.error().applied, Applied::MAYBE);
  EXPECT_EQ(member.writes().size(), 2u);
  EXPECT_TRUE(client.put("a", "2"));
  EXPECT_EQ(member.writes().back().session, 102u);
}

TEST_F(ExactlyOnce, AnAnswerThatIsNoneEndsTheStreamAndIsAskedForAgain) {
  int attempts = 0;
  FakeMember member([&](uint64_t id, const kv::Command&, net::Stream& stream) {
    if (++attempts == 1) return void(stream.send("nonsense"));
    FakeMember::succeed(id, stream);
  });
  TestNode client = client_of(member);
  EXPECT_TRUE(client.put("a", "1"));
  ASSERT_EQ(member.writes().size(), 2u);
  EXPECT_EQ(member.writes()[0], member.writes()[1]);
}

TEST_F(ExactlyOnce, AReplyOfAnotherKindLeavesADoubt) {
  FakeMember member([](uint64_t id, const kv::Command&, net::Stream& stream) {
    FakeMember::reply(id, stream, Bytes("nonsense"));
  });
  auto put = client_of(member).put("a", "1");
  EXPECT_EQ(put.error().code, Code::PROTOCOL);
  EXPECT_EQ(put.error().applied, Applied::MAYBE);
}

TEST_F(ExactlyOnce, AMemberWhoseAddressBelongsToAnotherByNowDoesNotEndTheCall) {
  FakeMember member(
      [](uint64_t id, const kv::Command&, net::Stream& stream) { FakeMember::succeed(id, stream); });
  std::string ticket = member.ticket({{crypto::KeyPair::generate().id(), member.address()}});
  TestNode client = open(options(Mode::client, "", ticket));
  EXPECT_TRUE(client.put("a", "1"));
  // When nobody else is left to be asked, the reason is told at once.
  crypto::Ticket alone = *crypto::parse_ticket(ticket, 0);
  alone.peers.pop_back();
  auto refused = try_open(options(Mode::client, "", crypto::format_ticket(alone)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::WRONG_PEER) << refused.error().to_string();
}

}  // namespace
}  // namespace aspen::node
