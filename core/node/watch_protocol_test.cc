// What is said of watches: every encoding is read back, and no other bytes are accepted.
#include "core/node/watch_protocol.h"

#include <gtest/gtest.h>

#include "core/node/watch_protocol_check.h"

namespace aspen::node {
namespace {

kv::Event put(Bytes key, uint64_t revision, Bytes value = "v") {
  return {.key = std::move(key), .record = kv::Record{std::move(value), 1, revision, 2}};
}
kv::Event erase(Bytes key, std::optional<kv::Record> previous = {}) {
  return {.kind = kv::Event::Kind::erase, .key = std::move(key), .previous = std::move(previous)};
}

std::vector<Bytes> calls() {
  kv::WatchRequest request{.start = "a", .end = "b", .first_revision = 300, .previous = true};
  request.skip_puts = true;
  request.progress_every = kSecond;
  return {encode(WatchCall(WatchOpen{1, {}, 0})), encode(WatchCall(WatchOpen{2, request, 1 << 20})),
          encode(WatchCall(WatchCredit{3, 4096})), encode(WatchCall(WatchAsk{4})),
          encode(WatchCall(WatchCancel{5}))};
}

std::vector<Bytes> news() {
  WatchEvents events{.id = 2};
  events.parts.push_back({7, true, {put("a", 7), erase("b", kv::Record{"old", 1, 3, 2})}});
  events.parts.push_back({9, false, {put("a", 9, "")}});
  Error compacted(Code::COMPACTED, "revision 2: the store was compacted to 5");
  return {encode(WatchNews(WatchOpened{1, 300})), encode(WatchNews(events)),
          encode(WatchNews(WatchMark{2, 9})), encode(WatchNews(WatchEnded{1, 5, compacted})),
          encode(WatchNews(WatchEnded{1, 0, Error(Code::SHUTDOWN, "")}))};
}

template <typename Check>
void expect_canonical(const std::vector<Bytes>& frames, Check accepted_and_equal) {
  for (const Bytes& good : frames) {
    EXPECT_TRUE(accepted_and_equal(good));
    for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(accepted_and_equal(good.substr(0, size)));
    EXPECT_FALSE(accepted_and_equal(good + '\0'));
  }
}

TEST(WatchProtocol, EverythingIsReadBack) {
  expect_canonical(calls(), [](const Bytes& bytes) {
    auto call = decode_watch_call(bytes);
    return call && encode(*call) == bytes;
  });
  expect_canonical(news(), [](const Bytes& bytes) {
    auto read = decode_watch_news(bytes);
    return read && encode(*read) == bytes;
  });
}

TEST(WatchProtocol, WhateverIsAcceptedHasOneEncoding) {
  std::vector<Bytes> frames = calls();
  for (Bytes& frame : news()) frames.push_back(std::move(frame));
  for (const Bytes& good : frames) {
    WatchCheck check;
    for (size_t at = 0; at < good.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        Bytes mutated = good;
        mutated[at] = static_cast<char>(mutated[at] ^ (1 << bit));
        EXPECT_EQ(check.call(mutated), "");
        EXPECT_EQ(check.news(mutated), "");
      }
    }
  }
}

TEST(WatchProtocol, WhatAMemberSendsIsTheSameBytes) {
  auto set = std::make_shared<kv::ChangeSet>();
  set->revision = 7;
  set->events = {put("a", 7), erase("b", kv::Record{"old", 1, 3, 2}), put("c", 7)};
  kv::WatchOutput output{.watcher = 99, .previous = true};
  output.fragments.push_back({set, {0, 1}, true});
  WatchEvents events{.id = 2, .parts = {{7, true, {set->events[0], set->events[1]}}}};
  EXPECT_EQ(encode(2, output), encode(WatchNews(events)));
  output.previous = false;
  events.parts[0].events[1].previous.reset();
  EXPECT_EQ(encode(2, output), encode(WatchNews(events)));
  EXPECT_EQ(encode(2, {.kind = kv::WatchOutput::Kind::progress, .revision = 4}),
            encode(WatchNews(WatchMark{2, 4})));
  kv::WatchOutput ended{.kind = kv::WatchOutput::Kind::ended, .revision = 5};
  ended.error = Error(Code::COMPACTED, "gone");
  EXPECT_EQ(encode(2, ended), encode(WatchNews(WatchEnded{2, 5, *ended.error})));
}

TEST(WatchProtocol, RefusesWhatBreaksTheOrder) {
  auto refusal = [](WatchEvents events) {
    auto read = decode_watch_news(encode(WatchNews(std::move(events))));
    return read ? "" : read.error().message;
  };
  auto says = [](const std::string& message, const char* what) {
    return message.find(what) != std::string::npos;
  };
  EXPECT_TRUE(says(refusal({1, {}}), "a batch without events"));
  EXPECT_TRUE(says(refusal({1, {{7, true, {}}}}), "a part without events"));
  EXPECT_TRUE(says(refusal({1, {{7, true, {put("b", 7), put("a", 7)}}}}), "keys of events are not in order"));
  EXPECT_TRUE(says(refusal({1, {{7, true, {put("a", 8)}}}}), "is of another revision"));
  EXPECT_TRUE(
      says(refusal({1, {{7, true, {put("a", 7)}}, {7, true, {put("b", 7)}}}}), "revisions are not in order"));
  EXPECT_TRUE(
      says(refusal({1, {{7, false, {put("a", 7)}}, {8, true, {put("b", 8)}}}}), "that is not complete"));
}

}  // namespace
}  // namespace aspen::node
