// What the codec of watches promises about any bytes at all, for its test and its fuzzer: what is accepted
// has that one encoding, and a cursor that is fed with it never tells anything out of order.
#pragma once

#include <memory>

#include "core/node/watch_cursor.h"

namespace aspen::node {

class WatchCheck {
 public:
  // The promise that was broken, or empty.
  std::string call(BytesView input) {
    auto copy = exact(input);
    Result<WatchCall> call = decode_watch_call(BytesView(copy.get(), input.size()));
    return call && encode(*call) != input ? "encoding what was decoded gives other bytes" : "";
  }

  std::string news(BytesView input) {
    auto copy = exact(input);
    Result<WatchNews> news = decode_watch_news(BytesView(copy.get(), input.size()));
    if (!news) return "";
    if (encode(*news) != input) return "encoding what was decoded gives other bytes";
    if (auto* opened = std::get_if<WatchOpened>(&*news)) (void)cursor_.take(*opened);
    if (auto* events = std::get_if<WatchEvents>(&*news)) (void)cursor_.take(std::move(*events));
    if (auto* mark = std::get_if<WatchMark>(&*news)) (void)cursor_.take(*mark);
    while (auto item = cursor_.pop()) {
      if (item->revision < told_ || (item->revision == told_ && !item->events.empty())) return "out of order";
      told_ = item->revision;
    }
    return "";
  }

 private:
  // A copy of exactly its size, so that a sanitizer sees any read past the end.
  static std::unique_ptr<char[]> exact(BytesView input) {
    auto copy = std::make_unique<char[]>(input.size());
    input.copy(copy.get(), input.size());
    return copy;
  }

  WatchCursor cursor_{{.first_revision = 1}, 1000};
  uint64_t told_ = 0;
};

}  // namespace aspen::node
