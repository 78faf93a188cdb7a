// Peers that hold a grant and do not behave: what they send is refused, and the node goes on.
#include "core/node/test_hostile.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;

TEST_F(HostileTest, GarbageEndsTheStreamThatCarriedIt) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  for (const Bytes& garbage : {Bytes(), Bytes("garbage"), Bytes(100'000, '\xff'), Bytes(1'000'000, '\0')}) {
    for (uint64_t subprotocol : {kRaft, kStore}) {
      RawPeer::Talk talk = peer.talk(subprotocol, {garbage});
      ASSERT_TRUE(talk.closed);
      EXPECT_EQ(talk.closed->code, Code::PROTOCOL) << talk.closed->to_string();
    }
    RawPeer::Talk talk = peer.talk(kSnapshot, {garbage});
    EXPECT_TRUE(talk.closed || !talk.answers.at(0).empty()) << "it took garbage for a snapshot";
  }
}

TEST_F(HostileTest, NobodySpeaksInAnothersName) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  ASSERT_TRUE(peer.request(
      {.kind = RequestKind::join, .body = encode(JoinRequest{kStoreGroup, 777, "127.0.0.1:1"})}));
  raft::Message leader = raft::decode_group_message(peer.heard())->message;
  ASSERT_EQ(leader.to, 777u);
  nlohmann::json before = node_.status();

  raft::Message forged{.kind = raft::MessageKind::heartbeat, .from = leader.from, .to = leader.from};
  forged.term = leader.term + 100;
  RawPeer::Talk talk = peer.talk(kRaft, {raft::encode(kStoreGroup, forged)});
  ASSERT_TRUE(talk.closed);
  EXPECT_EQ(talk.closed->code, Code::PROTOCOL) << talk.closed->to_string();

  forged.kind = raft::MessageKind::snapshot;
  forged.snapshot = raft::SnapshotMeta{.index = 1'000'000, .term = forged.term, .config = {}, .time = 0};
  forged.snapshot->config.members = {{.peer = 777, .node = {}, .address = "127.0.0.1:1"}};
  talk = peer.talk(kSnapshot, {raft::encode(kStoreGroup, forged)});
  EXPECT_TRUE(talk.closed || talk.answers.at(0).find("another node") != Bytes::npos);
  EXPECT_EQ(node_.status()["term"], before["term"]);
}

TEST_F(HostileTest, AClientsGrantOpensNoDoorToConsensus) {
  std::string ticket = ticket_for(crypto::kRoleClient, "");
  RawPeer peer(ticket, crypto::kRoleClient);
  for (uint64_t subprotocol : {kRaft, kSnapshot}) {
    RawPeer::Talk talk = peer.talk(subprotocol, {"x"});
    ASSERT_TRUE(talk.closed);
    EXPECT_EQ(talk.closed->code, Code::PERMISSION_DENIED) << talk.closed->to_string();
  }
  auto join =
      peer.request({.kind = RequestKind::join, .body = encode(JoinRequest{kStoreGroup, 777, "127.0.0.1:1"})});
  EXPECT_EQ(join.error().code, Code::PERMISSION_DENIED);

  auto opened = try_open(options(Mode::join, "joiner", ticket));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::PERMISSION_DENIED) << opened.error().to_string();
  EXPECT_FALSE(fs::exists(root_.path("joiner")));
}

TEST_F(HostileTest, AScopeIsAllThatItsHolderTouches) {
  ASSERT_TRUE(node_.put("app/a", "1"));
  ASSERT_TRUE(node_.put("other", "secret"));
  TestNode client = open(options(Mode::client, "", ticket_for(crypto::kRoleClient, "app/")));
  auto denied = [](const auto& result) {
    return !result && result.error().code == Code::PERMISSION_DENIED && result.error().applied == Applied::NO;
  };
  EXPECT_TRUE(client.put("app/b", "2"));
  EXPECT_EQ(client.value("app/a"), "1");
  EXPECT_EQ(client.range({.start = "app/", .end = "app0"})->entries.size(), 2u);
  EXPECT_EQ(client.range({.start = "app/b", .end = "app/c", .reverse = true})->entries.size(), 1u);

  EXPECT_TRUE(denied(client.put("other", "x")));
  EXPECT_TRUE(denied(client.put("app", "x")));
  EXPECT_TRUE(denied(client.erase("other")));
  EXPECT_TRUE(denied(client.get("other")));
  EXPECT_TRUE(denied(client.get("other", kAnyAge)));
  EXPECT_TRUE(denied(client.range({})));
  EXPECT_TRUE(denied(client.range({.start = "app/"})));
  EXPECT_TRUE(denied(client.range({.start = "app/", .end = "app1"})));
  EXPECT_TRUE(denied(client.range({.start = "aa", .end = "app/z"})));
  EXPECT_TRUE(denied(client.write({.transaction = {.compares = {kv::value_is("other", "secret")},
                                                   .then = {{.key = "app/c", .value = "it is"}}}})));
  kv::Op inner{.kind = kv::Op::Kind::transaction, .nested = {{.otherwise = {{.key = "other"}}}}};
  for (const kv::Op& op :
       std::vector<kv::Op>{{.kind = kv::Op::Kind::get, .key = "other"},
                           {.kind = kv::Op::Kind::range, .range = {.start = "app/"}},
                           {.kind = kv::Op::Kind::erase_range, .range = {.start = "app/", .end = "app1"}},
                           inner}) {
    EXPECT_TRUE(denied(client.write({.transaction = {.otherwise = {op}}})));
  }
  EXPECT_TRUE(denied(client.write(
      {.transaction = {.compares = {{.target = kv::Compare::Target::exists, .key = "app/", .end = ""}}}})));
  EXPECT_TRUE(denied(client.write({.kind = kv::Command::Kind::compact, .revision = 1})));
  EXPECT_TRUE(denied(client.write(
      {.transaction = {.then = {{.key = "app/c", .value = "x"}, {.key = "other", .value = "x"}}}})));
  EXPECT_EQ(node_.value("other"), "secret");
  EXPECT_EQ(node_.value("app/c"), "(absent)");
}

TEST_F(HostileTest, AScopeIsAlsoOfTheIndexesItsHolderUses) {
  auto create = [](Bytes name, Bytes prefix) {
    return kv::Command{.kind = kv::Command::Kind::index_create,
                       .prefix = std::move(prefix),
                       .name = std::move(name),
                       .extractor = "value"};
  };
  ASSERT_TRUE(node_.put("app/a", "1"));
  ASSERT_TRUE(node_.put("other", "secret"));
  ASSERT_TRUE(node_.run(create("all", "")));
  ASSERT_TRUE(node_.run(create("ours", "app/")));
  ASSERT_TRUE(eventually([&] { return node_.scan({.index = "all"}) && node_.scan({.index = "ours"}); }));
  TestNode client = open(options(Mode::client, "", ticket_for(crypto::kRoleClient, "app/")));
  ASSERT_TRUE(client.scan({.index = "ours"}));
  EXPECT_EQ(client.scan({.index = "ours"})->entries.size(), 1u);
  EXPECT_EQ(client.scan({.index = "all"}).error().code, Code::PERMISSION_DENIED);
  EXPECT_EQ(client.scan({.index = "none"}).error().code, Code::NOT_FOUND);
  ASSERT_EQ(client.indexes()->indexes.size(), 1u);
  EXPECT_EQ(client.indexes()->indexes[0].name, "ours");
  EXPECT_EQ(node_.indexes()->indexes.size(), 2u);
  EXPECT_EQ(client.run(create("mine", "app/")).error().code, Code::PERMISSION_DENIED);
  EXPECT_EQ(client.run({.kind = kv::Command::Kind::index_drop, .name = "ours"}).error().code,
            Code::PERMISSION_DENIED);
  EXPECT_EQ(node_.run({.kind = kv::Command::Kind::index_step}).error().code, Code::PERMISSION_DENIED);
}

TEST_F(HostileTest, ALeaseIsOfTheScopeOfWhoGrantedIt) {
  TestNode app = open(options(Mode::client, "", ticket_for(crypto::kRoleClient, "app/")));
  TestNode web = open(options(Mode::client, "", ticket_for(crypto::kRoleClient, "web/")));
  const kv::LeaseId of_all = node_.grant(60 * kSecond);
  const kv::LeaseId of_app = app.grant(60 * kSecond);
  ASSERT_TRUE(app.attach("app/a", of_app));
  EXPECT_EQ(node_.attach("other", of_app).error().code, Code::INVALID_ARGUMENT);
  ASSERT_TRUE(node_.attach("app/b", of_all));

  EXPECT_TRUE(app.keep_alive(of_app));
  EXPECT_EQ(app.lease({of_app})->keys, std::vector<Bytes>{"app/a"});
  EXPECT_EQ(app.leases({})->leases.size(), 1u);
  EXPECT_EQ(node_.leases({})->leases.size(), 2u);
  EXPECT_EQ(web.leases({})->leases.size(), 0u);
  for (kv::LeaseId hidden : {of_all, of_app}) {
    EXPECT_EQ(web.keep_alive(hidden).error().code, Code::NOT_FOUND);
    EXPECT_EQ(web.lease({hidden}).error().code, Code::NOT_FOUND);
    EXPECT_EQ(web.revoke(hidden).error().code, Code::NOT_FOUND);
    EXPECT_EQ(web.attach("web/a", hidden).error().code, Code::NOT_FOUND);
  }
  EXPECT_EQ(app.revoke(of_all).error().code, Code::NOT_FOUND);
  auto beyond = app.run({.kind = kv::Command::Kind::lease_grant, .ttl = kSecond, .prefix = "web/"});
  EXPECT_EQ(beyond.error().code, Code::PERMISSION_DENIED);
  EXPECT_TRUE(app.grant(60 * kSecond, "app/part/"));

  EXPECT_TRUE(app.revoke(of_app));
  EXPECT_EQ(node_.value("app/a"), "(absent)");
  EXPECT_EQ(node_.value("app/b"), "v");
}

TEST_F(HostileTest, AScopeAndAReplicaExcludeEachOther) {
  std::string ticket = ticket_for(crypto::kRolesAll, "app/");
  EXPECT_EQ(try_open(options(Mode::join, "joiner", ticket)).error().code, Code::PERMISSION_DENIED);
  EXPECT_FALSE(fs::exists(root_.path("joiner")));
  RawPeer peer(ticket, crypto::kRolesAll);
  for (uint64_t subprotocol : {kRaft, kSnapshot}) {
    RawPeer::Talk talk = peer.talk(subprotocol, {"x"});
    ASSERT_TRUE(talk.closed);
    EXPECT_EQ(talk.closed->code, Code::PERMISSION_DENIED) << talk.closed->to_string();
  }
  auto join =
      peer.request({.kind = RequestKind::join, .body = encode(JoinRequest{kStoreGroup, 777, "127.0.0.1:1"})});
  EXPECT_EQ(join.error().code, Code::PERMISSION_DENIED);
}

TEST_F(HostileTest, RequestsThatAskTooMuchAreAnsweredWithTheLimit) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  kv::Command many;
  for (size_t i = 0; i <= limits::kTransactionOpsMax; ++i)
    many.transaction.then.push_back({.key = fmt::format("{}", i)});
  kv::Command large;
  for (char key = 'a'; key <= 'c'; ++key) {
    large.transaction.then.push_back({.key = Bytes(1, key), .value = Bytes(limits::kValueBytesMax, 'v')});
  }
  for (const kv::Command& command : {many, large}) {
    auto refused = peer.request({.kind = RequestKind::write, .body = kv::encode(command)});
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().code == Code::LIMIT_EXCEEDED || refused.error().code == Code::PROTOCOL)
        << refused.error().to_string();
    EXPECT_EQ(refused.error().applied, Applied::NO);
  }
  for (RequestKind kind : {RequestKind::write, RequestKind::get, RequestKind::range, RequestKind::join,
                           RequestKind::index_scan}) {
    auto refused = peer.request({.kind = kind, .body = Bytes(15u << 20, '\x7f')});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::PROTOCOL) << refused.error().to_string();
  }
  EXPECT_EQ(node_.range({})->entries.size(), 0u);
}

TEST_F(HostileTest, MoreRequestsAtOnceThanAPeerMayHaveAreRefused) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  // Writes wait for the disk, all of them come in before it is done with the first.
  Request put{.kind = RequestKind::write,
              .body = kv::encode({.transaction = {.then = {{.key = "k", .value = "v"}}}})};
  std::vector<Bytes> frames;
  for (size_t i = 0; i < 3 * limits::kRequestsPerPeerMax; ++i) frames.push_back(encode_request(i, put));
  size_t count = frames.size();
  RawPeer::Talk talk = peer.talk(kStore, std::move(frames), count);
  ASSERT_EQ(talk.answers.size(), count);
  for (const Bytes& answer : talk.answers) {
    auto response = decode_response(answer);
    ASSERT_TRUE(response);
    EXPECT_TRUE(response->response.body || response->response.body.error().code == Code::OVERLOADED);
  }
}

}  // namespace
}  // namespace aspen::node
