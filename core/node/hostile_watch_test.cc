// Peers that misuse watches: what they send is refused or bounded, and the node goes on.
#include "core/node/test_hostile.h"
#include "core/node/watch_protocol.h"

namespace aspen::node {
namespace {

WatchCall open_call(uint64_t id, kv::WatchRequest request = {}, uint64_t credit = 1u << 20) {
  return WatchOpen{id, std::move(request), credit};
}

// What a talk has told so far, of one watch.
struct Told {
  bool opened = false;
  std::vector<uint64_t> revisions = {};  // of whole ones
  size_t bytes = 0;                      // of values
  std::optional<WatchEnded> ended = {};

  Told(const RawPeer::Talk& talk, uint64_t id) {
    for (const Bytes& answer : talk.answers) {
      auto news = decode_watch_news(answer);
      EXPECT_TRUE(news) << news.error().to_string();
      if (!news || std::visit([](const auto& named) { return named.id; }, *news) != id) continue;
      EXPECT_FALSE(ended) << "more after the end";
      if (std::holds_alternative<WatchOpened>(*news)) opened = true;
      if (auto* end = std::get_if<WatchEnded>(&*news)) ended = *end;
      auto* events = std::get_if<WatchEvents>(&*news);
      for (size_t i = 0; events != nullptr && i < events->parts.size(); ++i) take(events->parts[i]);
    }
  }
  void take(const WatchPart& part) {
    for (const kv::Event& event : part.events) bytes += event.record ? event.record->value.size() : 0;
    if (part.last) revisions.push_back(part.revision);
  }
};

class HostileWatchTest : public HostileTest {
 protected:
  void change(NodeOptions& options) override { options.history = {.keep_revisions = 10}; }

  // The end of a watch that is refused.
  static Code refusal(RawPeer& peer, kv::WatchRequest request) {
    RawPeer::Talk talk = peer.talk(kWatch, {encode(open_call(1, std::move(request)))});
    if (talk.closed) return talk.closed->code;
    Told told(talk, 1);
    return told.ended ? told.ended->error.code : Code::OK;
  }
  uint64_t put(const Bytes& key, size_t bytes) {
    auto reply = node_.put(key, Bytes(bytes, 'v'));
    EXPECT_TRUE(reply) << reply.error().to_string();
    return reply ? reply->revision : 0;
  }
};

TEST_F(HostileWatchTest, GarbageEndsTheStreamThatCarriedIt) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  const Bytes news = encode(WatchNews(WatchOpened{1, 1}));
  const Bytes good = encode(open_call(1));
  std::vector<Bytes> bad = {"", "garbage", Bytes(100'000, '\xff'), Bytes(1'000'000, '\0'), news + good};
  for (size_t size = 1; size < good.size(); ++size) bad.push_back(good.substr(0, size));
  bad.push_back(good + '\0');
  bad.push_back(encode(open_call(1, {.start = Bytes(kv::kBoundBytesMax + 1, 'a')})));
  for (const Bytes& frame : bad) {
    RawPeer::Talk talk = peer.talk(kWatch, {frame});
    ASSERT_TRUE(talk.closed) << "frame of " << frame.size();
    EXPECT_EQ(talk.closed->code, Code::PROTOCOL) << talk.closed->to_string();
  }
  // The same number twice.
  RawPeer::Talk talk = peer.talk(kWatch, {good, good}, 3);
  ASSERT_TRUE(talk.closed);
  EXPECT_EQ(talk.closed->code, Code::PROTOCOL);
}

TEST_F(HostileWatchTest, RequestsThatMakeNoSenseAreRefused) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  EXPECT_EQ(refusal(peer, {}), Code::OK);
  EXPECT_EQ(refusal(peer, {.start = "b", .end = "a"}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(peer, {.start = "a", .end = "a"}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(peer, {.skip_puts = true, .skip_erases = true}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(peer, {.progress_every = 1}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(peer, {.first_revision = UINT64_MAX}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(peer, {.first_revision = UINT64_MAX - 1}), Code::OK) << "waits for it";
}

TEST_F(HostileWatchTest, CallsAboutWatchesThatAreNoneHaveNoEffect) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  auto talk =
      peer.begin(kWatch, {encode(WatchCall(WatchCredit{7, 1})), encode(WatchCall(WatchAsk{7})),
                          encode(WatchCall(WatchCancel{7})), encode(open_call(8, {.start = "k"})),
                          encode(WatchCall(WatchCancel{8})), encode(WatchCall(WatchCancel{8})),
                          encode(WatchCall(WatchCredit{8, 1})), encode(open_call(9, {.start = "k"}))});
  EXPECT_FALSE(peer.when(talk, [](const auto& talk) { return Told(talk, 9).opened; }).closed);
  put("k", 1);
  RawPeer::Talk got = peer.when(talk, [](const auto& talk) { return !Told(talk, 9).revisions.empty(); });
  EXPECT_FALSE(got.closed);
  EXPECT_TRUE(Told(got, 8).revisions.empty());
}

TEST_F(HostileWatchTest, MoreWatchesThanAPeerMayHaveAreRefused) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  // On two streams: the limit is the node's.
  auto frames = [](uint64_t from, uint64_t count) {
    std::vector<Bytes> all;
    for (uint64_t id = from; id < from + count; ++id) all.push_back(encode(open_call(id, {.start = "k"}, 0)));
    return all;
  };
  constexpr uint64_t kHalf = limits::kWatchersPerPeerMax / 2;
  auto first = peer.begin(kWatch, frames(1, kHalf));
  peer.when(first, [](const auto& talk) { return talk.answers.size() == kHalf; });
  auto second = peer.begin(kWatch, frames(1, kHalf + 1));
  RawPeer::Talk got = peer.when(second, [](const auto& talk) { return talk.answers.size() == kHalf + 1; });
  Told refused(got, kHalf + 1);
  ASSERT_TRUE(refused.ended);
  EXPECT_EQ(refused.ended->error.code, Code::OVERLOADED);
  EXPECT_NE(refused.ended->error.message.find(std::to_string(limits::kWatchersPerPeerMax)), Bytes::npos);
  // Another node has a share of its own, and what this one lets go can be used again.
  RawPeer other(ticket_, crypto::kRolesAll);
  EXPECT_EQ(refusal(other, {}), Code::OK);
  peer.with_stream(first, [](net::Stream& stream) { stream.reset(Code::CANCELLED); });
  EXPECT_TRUE(eventually([&] { return refusal(peer, {}) == Code::OK; }));
}

TEST_F(HostileWatchTest, CreditIsBoundedHoweverMuchIsGiven) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  std::vector<Bytes> frames = {encode(open_call(1, {.start = "k", .end = "l"}, UINT64_MAX))};
  for (int i = 0; i < 10; ++i) frames.push_back(encode(WatchCall(WatchCredit{1, UINT64_MAX})));
  frames.push_back(encode(open_call(2, {.start = "k", .end = "l"}, 0)));
  frames.push_back(encode(open_call(3, {.start = "k", .end = "l"}, 1)));
  auto talk = peer.begin(kWatch, std::move(frames));
  peer.when(talk, [](const auto& talk) { return talk.answers.size() == 3; });
  constexpr size_t kValue = 2u << 20;
  constexpr size_t kPuts = 12;
  for (size_t i = 0; i < kPuts; ++i) put("k", kValue);
  peer.when(talk, [](const auto& talk) { return Told(talk, 1).bytes >= limits::kWatchCreditMax - kValue; });
  // What is over has had time to come.
  put("l", 1);
  peer.say(talk, encode(open_call(4, {.start = "l", .first_revision = 1})));
  RawPeer::Talk got = peer.when(talk, [](const auto& talk) { return Told(talk, 4).opened; });
  EXPECT_LT(Told(got, 1).bytes, limits::kWatchCreditMax + kValue);
  EXPECT_EQ(Told(got, 2).revisions.size(), 0u);
  EXPECT_EQ(Told(got, 3).revisions.size(), 1u);
  peer.say(talk, encode(WatchCall(WatchCredit{1, UINT64_MAX})));
  got = peer.when(talk, [](const auto& talk) { return Told(talk, 1).revisions.size() == kPuts; });
  EXPECT_FALSE(got.closed);
}

TEST_F(HostileWatchTest, OneThatDoesNotReadIsHeldAndLosesNothing) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  constexpr uint64_t kWatches = 25;
  constexpr size_t kValue = limits::kWatchBatchBytes;  // a frame for each event
  std::vector<Bytes> frames;
  for (uint64_t id = 1; id <= kWatches; ++id) {
    frames.push_back(encode(open_call(id, {.start = "k", .end = "l"}, limits::kWatchCreditMax)));
  }
  auto talk = peer.begin(kWatch, std::move(frames));
  peer.when(talk, [](const auto& talk) { return talk.answers.size() == kWatches; });
  peer.with_stream(talk, [](net::Stream& stream) { stream.pause(); });
  // 50 MB for all of them. Who writes is not held up.
  std::vector<uint64_t> revisions;
  for (int i = 0; i < 8; ++i) revisions.push_back(put("k", kValue));
  EXPECT_EQ(node_.value("k").size(), kValue);
  peer.with_stream(talk, [](net::Stream& stream) { stream.resume(); });
  const size_t frames_all = kWatches * (1 + revisions.size());
  RawPeer::Talk got = peer.when(talk, [&](const auto& talk) { return talk.answers.size() == frames_all; });
  EXPECT_FALSE(got.closed) << got.closed->to_string();
  for (uint64_t id = 1; id <= kWatches; ++id) EXPECT_EQ(Told(got, id).revisions, revisions) << id;
}

TEST_F(HostileWatchTest, OneThatNeverTakesWhatItAskedForIsOvertaken) {
  RawPeer peer(ticket_, crypto::kRolesAll);
  auto talk = peer.begin(kWatch, {encode(open_call(1, {.start = "k", .end = "l"}, 1))});
  peer.when(talk, [](const auto& talk) { return Told(talk, 1).opened; });
  uint64_t last = 0;
  for (size_t bytes = 0; bytes < 2 * limits::kWatchRingBytes; bytes += 3u << 20) last = put("k", 3u << 20);
  // Until the store has forgotten that.
  auto forgotten = [&] {
    put("other", 1);
    RawPeer::Talk past = peer.talk(kWatch, {encode(open_call(1, {.start = "k", .first_revision = last}))}, 2);
    Told told(past, 1);
    return told.ended && told.ended->error.code == Code::COMPACTED;
  };
  ASSERT_TRUE(eventually(forgotten));
  peer.say(talk, encode(WatchCall(WatchCredit{1, limits::kWatchCreditMax})));
  RawPeer::Talk got = peer.when(talk, [](const auto& talk) { return Told(talk, 1).ended.has_value(); });
  Told told(got, 1);
  EXPECT_EQ(told.revisions.size(), 1u);
  ASSERT_TRUE(told.ended);
  EXPECT_EQ(told.ended->error.code, Code::COMPACTED);
  EXPECT_GT(told.ended->compacted, last);
}

TEST_F(HostileWatchTest, AScopeIsAllThatItsHolderWatches) {
  RawPeer peer(ticket_for(crypto::kRoleClient, "app/"), crypto::kRoleClient);
  EXPECT_EQ(refusal(peer, {.start = "app/", .end = "app0"}), Code::OK);
  EXPECT_EQ(refusal(peer, {.start = "app/a", .end = "app/b"}), Code::OK);
  EXPECT_EQ(refusal(peer, {}), Code::PERMISSION_DENIED);
  EXPECT_EQ(refusal(peer, {.start = "app/"}), Code::PERMISSION_DENIED);
  EXPECT_EQ(refusal(peer, {.start = "app/", .end = "app1"}), Code::PERMISSION_DENIED);
  EXPECT_EQ(refusal(peer, {.start = "aa", .end = "app0"}), Code::PERMISSION_DENIED);
  EXPECT_EQ(refusal(peer, {.start = "other", .end = "other1"}), Code::PERMISSION_DENIED);
}

}  // namespace
}  // namespace aspen::node
