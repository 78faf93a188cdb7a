// What tests of peers that do not behave share: one that speaks in frames of the test's making, and the node
// it speaks to.
#pragma once

#include <condition_variable>

#include "core/net/endpoint.h"
#include "core/node/protocol.h"
#include "core/node/test_cluster.h"

namespace aspen::node {

// Speaks to one member in frames of the test's making.
class RawPeer {
 public:
  RawPeer(const std::string& ticket_text, crypto::Roles roles)
      : ticket_(*crypto::parse_ticket(ticket_text, 0)), key_(crypto::KeyPair::generate()) {
    net::EndpointOptions options;
    options.key = &key_;
    options.network = ticket_.network;
    options.membership = *crypto::admit(ticket_, key_.id(), roles);
    for (uint64_t id : {kRaft, kSnapshot, kStore, kWatch}) {
      options.subprotocols.push_back({.id = id, .on_stream = [this](net::Stream& stream) {
                                        stream.on_frame([this](Bytes frame) {
                                          std::lock_guard lock(mutex_);
                                          heard_.push_back(std::move(frame));
                                          news_.notify_all();
                                        });
                                      }});
    }
    options.on_connected = [this](net::Connection& connection) {
      std::lock_guard lock(mutex_);
      connection_ = &connection;
      news_.notify_all();
    };
    endpoint_ = *net::Endpoint::open(loop_, std::move(options));
    EXPECT_TRUE(endpoint_->connect(ticket_.peers.at(0).node, ticket_.peers.at(0).address));
    thread_ = std::thread([this] { loop_.run(); });
    EXPECT_TRUE(wait([this] { return connection_ != nullptr; }));
  }
  ~RawPeer() {
    loop_.post([this] { endpoint_.reset(); });
    loop_.stop();
    thread_.join();
  }

  struct Talk {
    std::vector<Bytes> answers;
    std::optional<Error> closed;
    net::Stream* stream = nullptr;  // of the peer's thread; null once closed
  };
  using TalkPtr = std::shared_ptr<Talk>;
  // Sends `frames` on a new stream.
  TalkPtr begin(uint64_t subprotocol, std::vector<Bytes> frames) {
    auto talk = std::make_shared<Talk>();
    loop_.post([this, talk, subprotocol, frames = std::move(frames)]() mutable {
      net::Stream* stream = talk->stream = *connection_->open_stream(subprotocol);
      stream->on_frame([this, talk](Bytes frame) {
        std::lock_guard lock(mutex_);
        talk->answers.push_back(std::move(frame));
        news_.notify_all();
      });
      stream->on_close([this, talk](const Error& why) {
        std::lock_guard lock(mutex_);
        talk->closed = why;
        talk->stream = nullptr;
        news_.notify_all();
      });
      for (Bytes& frame : frames) EXPECT_TRUE(stream->send(std::move(frame)));
    });
    return talk;
  }
  // On the peer's thread, unless the stream is closed.
  void with_stream(const TalkPtr& talk, std::function<void(net::Stream&)> use) {
    loop_.post([talk, use = std::move(use)] {
      if (talk->stream != nullptr) use(*talk->stream);
    });
  }
  void say(const TalkPtr& talk, Bytes frame) {
    with_stream(talk, [frame](net::Stream& stream) { EXPECT_TRUE(stream.send(frame)); });
  }
  // The talk, once `condition(talk)` holds or it is closed.
  template <typename F>
  Talk when(const TalkPtr& talk, F condition) {
    EXPECT_TRUE(wait([&] { return talk->closed || condition(*talk); }));
    std::lock_guard lock(mutex_);
    return *talk;
  }
  // Sends `frames` on a new stream; until as many answers came, or the stream was closed.
  Talk talk(uint64_t subprotocol, std::vector<Bytes> frames, size_t answers = 1) {
    return when(begin(subprotocol, std::move(frames)),
                [answers](const Talk& talk) { return talk.answers.size() >= answers; });
  }
  Result<Bytes> request(Request request) {
    Talk got = talk(kStore, {encode_request(1, request)});
    if (got.answers.empty()) return std::unexpected(got.closed.value_or(Error(Code::INTERNAL, "silence")));
    return decode_response(got.answers[0])->response.body;
  }
  // The first frame the member sent on a stream of its own.
  Bytes heard() {
    EXPECT_TRUE(wait([this] { return !heard_.empty(); }));
    std::lock_guard lock(mutex_);
    return heard_.empty() ? Bytes() : heard_.front();
  }

 private:
  template <typename F>
  bool wait(F condition) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, std::chrono::seconds(20), condition);
  }

  crypto::Ticket ticket_;
  crypto::KeyPair key_;
  rt::Loop loop_;
  std::unique_ptr<net::Endpoint> endpoint_;
  std::mutex mutex_;
  std::condition_variable news_;
  net::Connection* connection_ = nullptr;
  std::vector<Bytes> heard_;
  std::thread thread_;
};

class HostileTest : public ClusterTest {
 protected:
  void SetUp() override {
    NodeOptions options = this->options(Mode::found, "db");
    change(options);
    node_ = open(options);
    node_.close();
    root_seed_ = (*DataDir::open(root_.path("db")))->node()->root_seed;
    reopen(node_);
    ticket_ = *node_.ticket();
    // A RawPeer asks once, and a leader that has committed nothing yet would ask it to come again.
    ASSERT_TRUE(node_.range({}));
  }
  virtual void change(NodeOptions&) {}
  void TearDown() override {
    EXPECT_TRUE(node_.put("is it", "well"));
    EXPECT_EQ(node_.value("is it"), "well");
  }
  std::string ticket_for(crypto::Roles roles, Bytes scope) {
    crypto::KeyPair root = crypto::KeyPair::from_seed(*root_seed_);
    crypto::KeyPair invitation = crypto::KeyPair::generate();
    crypto::Grant grant{.kind = crypto::GrantKind::invitation,
                        .subject = invitation.id(),
                        .roles = roles,
                        .scope = std::move(scope)};
    grant = *crypto::issue(root.id(), {}, root, grant);
    crypto::Ticket ticket = *crypto::parse_ticket(ticket_, 0);
    return crypto::format_ticket({root.id(), ticket.peers, invitation.seed(), {grant}});
  }

  TestNode node_;
  std::optional<crypto::Seed> root_seed_;
};

}  // namespace aspen::node
