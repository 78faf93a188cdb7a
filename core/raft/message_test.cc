#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/raft/test_node.h"
#include "core/raft/types.h"

namespace aspen::raft {
namespace {

using testing::entry;
using testing::member;
using testing::voters;

Config joint_config() {
  Config config = voters({2, 3});
  config.members.push_back(member(7, MemberRole::learner));
  config.outgoing = {1, 2, 9};
  config.leaving = {member(1), member(9)};
  return config;
}

// One of every kind, with every field that it carries.
std::vector<Message> examples() {
  std::vector<Message> all;
  for (auto kind :
       {MessageKind::pre_vote, MessageKind::vote, MessageKind::pre_vote_reply, MessageKind::vote_reply,
        MessageKind::append, MessageKind::append_reply, MessageKind::heartbeat, MessageKind::heartbeat_reply,
        MessageKind::snapshot, MessageKind::timeout_now, MessageKind::read_index,
        MessageKind::read_index_reply, MessageKind::fetch, MessageKind::fetched}) {
    all.push_back({.kind = kind, .from = 0x0102030405060708, .to = ~PeerId{0}, .term = 300});
  }
  all[0].index = all[1].index = 70'000;
  all[0].log_term = all[1].log_term = 299;
  all[1].transfer = true;
  all[2].reject = true;
  Message& append = all[4];
  append.index = 9;
  append.log_term = 4;
  append.commit = 8;
  append.entries = {entry(10, 4, Bytes("\0\xff", 2)), entry(11, 4, "", EntryKind::noop),
                    entry(12, 300, encode(joint_config()), EntryKind::config), entry(13, 300, "")};
  all[5].index = 13;
  all.push_back(all[5]);
  all.back().reject = true;
  all.back().hint = 5;
  all.back().log_term = 2;
  all.push_back(all[11]);
  all.back().reject = true;
  all[12].index = 9;
  all[12].commit = 30;
  all[13].index = 9;
  all[13].log_term = 4;
  all[13].entries = all[4].entries;
  all.push_back(all[5]);
  all.back().wait = true;
  all[6].commit = 8;
  all[6].round = 1000;
  all[7].round = 1000;
  all[7].promise = 300 * kMillisecond;
  all[10].round = 77;
  all[11].round = 77;
  all[11].index = 12;
  all[8].snapshot = SnapshotMeta{.index = 5, .term = 2, .config = joint_config(), .time = -1};
  return all;
}

bool same(const Message& a, const Message& b) {
  auto equal = [](const EntryPtr& x, const EntryPtr& y) { return *x == *y; };
  return a.kind == b.kind && a.from == b.from && a.to == b.to && a.term == b.term && a.index == b.index &&
         a.log_term == b.log_term && a.commit == b.commit && a.hint == b.hint && a.reject == b.reject &&
         a.transfer == b.transfer && a.round == b.round && a.wait == b.wait && a.promise == b.promise &&
         a.snapshot == b.snapshot && std::ranges::equal(a.entries, b.entries, equal);
}

std::string refusal(BytesView bytes) {
  Result<Message> message = decode_message(bytes);
  if (message) return "";
  EXPECT_EQ(message.error().code, Code::PROTOCOL);
  return message.error().message;
}

TEST(Message, EveryKindComesBack) {
  for (const Message& message : examples()) {
    Result<Message> decoded = decode_message(encode(message));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_TRUE(same(*decoded, message)) << static_cast<int>(message.kind);
  }
}

TEST(Message, HasTheDocumentedBytes) {
  Message vote{.kind = MessageKind::vote, .from = 1, .to = 2, .term = 3, .index = 300, .log_term = 2};
  EXPECT_EQ(encode(vote), Bytes("\x03\x15"
                                "\1\0\0\0\0\0\0\0"
                                "\2\0\0\0\0\0\0\0"
                                "\x03\xac\x02\x02\x00",
                                23));
  Message append{
      .kind = MessageKind::append, .from = 1, .to = 2, .term = 3, .index = 4, .log_term = 2, .commit = 1};
  append.entries = {entry(5, 3, "hi")};
  EXPECT_EQ(encode(append), Bytes("\x05\x1b"
                                  "\1\0\0\0\0\0\0\0"
                                  "\2\0\0\0\0\0\0\0"
                                  "\x03\x04\x02\x01\x01"
                                  "\x03\x00\x00\x02hi",
                                  29));
}

TEST(Message, FieldsOfOtherKindsAreNotWritten) {
  Message heartbeat{.kind = MessageKind::heartbeat, .from = 1, .to = 2, .term = 3};
  Bytes bare = encode(heartbeat);
  heartbeat.index = 9;
  heartbeat.reject = true;
  heartbeat.entries = {entry(1, 1)};
  EXPECT_EQ(encode(heartbeat), bare);
}

TEST(Message, RefusesWhatIsTruncatedOrTooLong) {
  for (const Message& message : examples()) {
    Bytes bytes = encode(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_NE(refusal(BytesView(bytes).substr(0, size)), "") << size;
    }
    EXPECT_NE(refusal(bytes + Bytes(1, 0)), "");
  }
}

TEST(Message, RefusesWhatMeansNothing) {
  Message base{.kind = MessageKind::heartbeat, .from = 1, .to = 2, .term = 3};
  auto with = [&](auto change) {
    Message message = base;
    change(message);
    return refusal(encode(message));
  };
  EXPECT_THAT(with([](Message& m) { m.kind = static_cast<MessageKind>(10); }),
              ::testing::HasSubstr("kind 10"));
  EXPECT_THAT(with([](Message& m) { m.kind = static_cast<MessageKind>(16); }),
              ::testing::HasSubstr("kind 16"));
  EXPECT_THAT(with([](Message& m) { m.kind = static_cast<MessageKind>(0); }), ::testing::HasSubstr("kind 0"));
  EXPECT_THAT(with([](Message& m) { m.from = 0; }), ::testing::HasSubstr("peer 0"));
  EXPECT_THAT(with([](Message& m) { m.to = 0; }), ::testing::HasSubstr("peer 0"));
  EXPECT_THAT(with([](Message& m) { m.term = kNumberMax + 1; }), ::testing::HasSubstr("term"));
  EXPECT_THAT(with([](Message& m) {
                m.kind = MessageKind::pre_vote;
                m.transfer = true;
              }),
              ::testing::HasSubstr("transfer"));
}

TEST(Message, RefusesAppendsThatNoLeaderSends) {
  auto with = [](Term previous, std::vector<EntryPtr> entries) {
    Message append{
        .kind = MessageKind::append, .from = 1, .to = 2, .term = 5, .index = 3, .log_term = previous};
    append.entries = std::move(entries);
    return refusal(encode(append));
  };
  EXPECT_EQ(with(2, {entry(4, 2), entry(5, 5)}), "");
  EXPECT_THAT(with(3, {entry(4, 2)}), ::testing::HasSubstr("term 2 after 3"));
  EXPECT_THAT(with(2, {entry(4, 4), entry(5, 3)}), ::testing::HasSubstr("term 3 after 4"));
  EXPECT_THAT(with(2, {entry(4, 6)}), ::testing::HasSubstr("term 6"));
  EXPECT_THAT(with(2, {entry(4, 5, "x", EntryKind::noop)}), ::testing::HasSubstr("noop"));
  EXPECT_THAT(with(2, {entry(4, 5, "x", static_cast<EntryKind>(3))}), ::testing::HasSubstr("entry kind 3"));
  EXPECT_NE(with(2, {entry(4, 5, "x", EntryKind::config)}), "");
  EXPECT_THAT(with(2, {entry(4, 5, encode(Config{}), EntryKind::config)}), ::testing::HasSubstr("voter"));
}

TEST(Config, RefusesWhatIsNotCanonical) {
  auto refused = [](const Config& config) {
    Result<Config> decoded = decode_config(encode(config));
    return decoded ? "" : decoded.error().message;
  };
  EXPECT_EQ(refused(joint_config()), "");
  EXPECT_EQ(refused(Config{}), "");
  Config config = joint_config();
  std::swap(config.members[0], config.members[1]);
  EXPECT_THAT(refused(config), ::testing::HasSubstr("sorted"));
  config = joint_config();
  config.members[1].peer = config.members[0].peer;
  EXPECT_THAT(refused(config), ::testing::HasSubstr("sorted"));
  config = joint_config();
  config.outgoing = {9, 2, 1};
  EXPECT_THAT(refused(config), ::testing::HasSubstr("sorted"));
  config = joint_config();
  config.leaving.pop_back();
  EXPECT_THAT(refused(config), ::testing::HasSubstr("leaving"));
  config = joint_config();
  config.leaving.push_back(member(10));
  EXPECT_THAT(refused(config), ::testing::HasSubstr("leaving"));
  config = joint_config();
  config.members[0].role = static_cast<MemberRole>(2);
  EXPECT_THAT(refused(config), ::testing::HasSubstr("role"));
  config = joint_config();
  config.members[0].address = std::string(limits::kAddressBytesMax + 1, 'a');
  EXPECT_THAT(refused(config), ::testing::HasSubstr("address"));
  config.members[0].address = "host\xff:1";
  EXPECT_THAT(refused(config), ::testing::HasSubstr("address is not text"));
  config = {};
  for (PeerId peer = 1; peer <= limits::kMembersMax + 1; ++peer) config.members.push_back(member(peer));
  EXPECT_THAT(refused(config), ::testing::HasSubstr("at most"));
}

TEST(Disk, FormsComeBack) {
  EXPECT_EQ(decode_hard_state(encode(HardState{9, 0})).value(), (HardState{9, 0}));
  EXPECT_EQ(decode_hard_state(encode(HardState{9, ~PeerId{0}})).value(), (HardState{9, ~PeerId{0}}));
  SnapshotMeta meta{.index = 8, .term = 3, .config = joint_config(), .time = 77};
  EXPECT_EQ(decode_snapshot_meta(encode(meta)).value(), meta);
  EXPECT_EQ(decode_entry(12, encode(*entry(12, 4, "data"))).value(), *entry(12, 4, "data"));
  EXPECT_FALSE(decode_hard_state("").has_value());
  EXPECT_FALSE(decode_entry(1, encode(*entry(12, 4, "data")) + "x").has_value());
}

// Whatever arrives is either refused or is exactly what its encoding says.
TEST(Message, RandomAndDamagedBytesAreRefusedOrCanonical) {
  std::mt19937_64 random(7);
  std::vector<Bytes> seeds;
  for (const Message& message : examples()) seeds.push_back(encode(message));
  size_t accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes;
    if (i % 4 == 0) {
      bytes.resize(random() % 64);
      for (char& c : bytes) c = static_cast<char>(random());
    } else {
      bytes = seeds[random() % seeds.size()];
      for (size_t n = 1 + random() % 3; n > 0 && !bytes.empty(); --n) {
        size_t at = random() % bytes.size();
        switch (random() % 3) {
          case 0:
            bytes[at] = static_cast<char>(random());
            break;
          case 1:
            bytes.erase(at, 1 + random() % 4);
            break;
          default:
            bytes.insert(at, 1, static_cast<char>(random()));
            break;
        }
      }
    }
    if (Result<Message> message = decode_message(bytes)) {
      ++accepted;
      ASSERT_EQ(encode(*message), bytes) << "two encodings of one message";
    }
  }
  EXPECT_GT(accepted, 1000u);
}

}  // namespace
}  // namespace aspen::raft
