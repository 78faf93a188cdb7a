#include "core/node/watch_client.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

constexpr DurationNs kOpenPatience = 2 * kSecond;
constexpr DurationNs kBackoffMin = 5 * kMillisecond;
constexpr DurationNs kBackoffMax = 200 * kMillisecond;

// Whether every member would say the same.
bool is_final(Code code) {
  return code == Code::COMPACTED || code == Code::INVALID_ARGUMENT || code == Code::LIMIT_EXCEEDED ||
         code == Code::PERMISSION_DENIED;
}

}  // namespace

// --- one watch ---

Watch::Watch(WatchClient& client, kv::WatchRequest request, size_t window_bytes)
    : client_(&client),
      serial_(++client.last_id_),
      cursor_(std::move(request), window_bytes),
      start_(client.watches_.size()) {
  client.watches_.emplace(serial_, this);
}

Watch::~Watch() {
  if (client_ == nullptr) return;
  client_->leave(*this);
  client_->watches_.erase(serial_);
}

rt::Task<Result<WatchItem>> Watch::next(rt::Cx& cx) {
  for (;;) {
    if (auto item = poll()) co_return std::move(*item);
    if (end_) co_return std::unexpected(*end_);
    if (place_ == Place::nowhere || !cursor_.opened()) {
      ASPEN_CO_CHECK(co_await attach(cx));
    } else {
      ASPEN_CO_CHECK(co_await news_.wait(cx));
    }
  }
}

std::optional<WatchItem> Watch::poll() {
  auto item = cursor_.pop();
  if (item) give_credit();
  return item;
}

rt::Task<Result<>> Watch::attach(rt::Cx& cx) {
  DurationNs backoff = kBackoffMin;
  for (size_t attempt = 0;; ++attempt) {
    if (client_ == nullptr) co_return std::unexpected(*end_);
    Result<> begun = co_await client_->begin(cx, *this, attempt);
    if (!begun) why_lost_ = begun.error();
    bool late = false;
    rt::Timer patience(cx.executor(), [&] {
      late = true;
      news_.notify_one();
    });
    patience.arm(cx.now() + kOpenPatience);
    Result<> waited;
    while (begun && waited && !late && !end_ && place_ != Place::nowhere && !cursor_.opened()) {
      waited = co_await news_.wait(cx);
    }
    if (end_) co_return std::unexpected(*end_);
    if (place_ != Place::nowhere && cursor_.opened()) co_return Result<>();
    if (late) why_lost_ = Error(Code::UNAVAILABLE, member_.short_string() + " does not answer");
    if (waited) waited = co_await cx.sleep(backoff);
    if (!waited) {
      co_return fail(waited.error().code, "{}, looking for a member that serves the watch; last: {}",
                     waited.error().message, why_lost_.to_string());
    }
    backoff = std::min(2 * backoff, kBackoffMax);
  }
}

void Watch::ask_mark() {
  if (client_ == nullptr || place_ == Place::nowhere) return;
  if (place_ == Place::here) return client_->local_->ask_mark(id_);
  client_->say(*this, WatchAsk{id_});
}

void Watch::give_credit() {
  if (client_ == nullptr || place_ == Place::nowhere) return;
  size_t bytes = cursor_.credit();
  if (bytes == 0 || ASPEN_MUTANT("node-watch-credit-forgotten")) return;
  if (place_ == Place::here) return client_->local_->add_credit(id_, bytes);
  client_->say(*this, WatchCredit{id_, bytes});
}

void Watch::take(WatchNews news) {
  Result<> taken;
  if (auto* opened = std::get_if<WatchOpened>(&news)) taken = cursor_.take(*opened);
  if (auto* events = std::get_if<WatchEvents>(&news)) taken = cursor_.take(std::move(*events));
  if (auto* mark = std::get_if<WatchMark>(&news)) taken = cursor_.take(*mark);
  if (auto* end = std::get_if<WatchEnded>(&news)) return ended(std::move(*end));
  if (taken) {
    give_credit();
    return news_.notify_one();
  }
  client_->leave(*this);
  ended({.error = taken.error()});
}

void Watch::take(const kv::WatchOutput& output) {
  if (output.kind == kv::WatchOutput::Kind::progress) return take(WatchMark{id_, output.revision});
  if (output.kind == kv::WatchOutput::Kind::ended) return ended({id_, output.revision, *output.error});
  WatchEvents events{.id = id_};
  for (const kv::WatchFragment& fragment : output.fragments) {
    WatchPart part{.revision = fragment.changes->revision, .last = fragment.last};
    for (uint32_t i : fragment.events) {
      part.events.push_back(fragment.changes->events[i]);
      if (!output.previous) part.events.back().previous.reset();
    }
    events.parts.push_back(std::move(part));
  }
  take(std::move(events));
}

void Watch::ended(WatchEnded ended) {
  if (!is_final(ended.error.code)) return lost(ended.error);
  place_ = Place::nowhere;
  compacted_ = ended.compacted;
  end_ = std::move(ended.error);
  if (end_->code == Code::COMPACTED && cursor_.next() != cursor_.first()) {
    end_->message = fmt::format(
        "the watch has fallen behind: {}; read the keys again, and watch from the revision of that read",
        end_->message);
  }
  news_.notify_one();
}

void Watch::lost(const Error& why) {
  place_ = Place::nowhere;
  ++start_;
  why_lost_ = why;
  news_.notify_one();
}

// --- all of a node ---

WatchClient::~WatchClient() {
  for (auto& [serial, watch] : watches_) {
    watch->client_ = nullptr;
    watch->place_ = Watch::Place::nowhere;
    watch->end_ = Error(Code::SHUTDOWN, "the node is closing");
    watch->news_.notify_one();
  }
}

rt::Task<Result<std::unique_ptr<Watch>>> WatchClient::open(rt::Cx& cx, kv::WatchRequest request,
                                                           size_t window_bytes) {
  ASPEN_CO_CHECK(kv::validate(request));
  if (window_bytes == 0 || window_bytes > limits::kWatchCreditMax) {
    co_return fail(Code::INVALID_ARGUMENT, "a watch with a window of {} bytes; at least 1, at most {}",
                   window_bytes, limits::kWatchCreditMax);
  }
  if (watches_.size() >= limits::kWatchersPerPeerMax) {
    co_return fail(Code::LIMIT_EXCEEDED, "this node has {} watches open; at most {}", watches_.size(),
                   limits::kWatchersPerPeerMax);
  }
  if (request.first_revision == 0 && !ASPEN_MUTANT("node-watch-from-what-a-laggard-has")) {
    // The member that serves it may lag behind, and would tell what was acknowledged before.
    ASPEN_CO_TRY(kv::RangeReply now,
                 co_await router_.range(
                     cx, {.start = request.start, .end = request.end, .limit = 1, .keys_only = true}));
    request.first_revision = now.revision + 1;
  }
  std::unique_ptr<Watch> watch(new Watch(*this, std::move(request), window_bytes));
  ASPEN_CO_CHECK(co_await watch->attach(cx));
  co_return std::move(watch);
}

rt::Task<Result<>> WatchClient::begin(rt::Cx& cx, Watch& watch, size_t attempt) {
  leave(watch);
  const bool here = local_ != nullptr && !ASPEN_BUGGIFY("node-watch-elsewhere");
  if (here && attempt == 0) {
    Result<> begun = begin_here(watch);
    if (begun || is_final(begun.error().code)) co_return begun;
  }
  std::vector<NodeId> members = router_.reachable();
  if (members.empty()) {
    if (here) co_return begin_here(watch);
    co_return fail(Code::UNAVAILABLE, "this node knows no member");
  }
  const size_t turn = (watch.start_ + attempt) % (members.size() + (here ? 1 : 0));
  if (turn == members.size()) co_return begin_here(watch);
  co_return co_await begin_at(cx, watch, members[turn]);
}

Result<> WatchClient::begin_here(Watch& watch) {
  WatchOpen open = watch.cursor_.open(0);
  auto opened = local_->open(std::move(open.request), open.credit,
                             [&watch](const kv::WatchOutput& output) { watch.take(output); });
  if (!opened) {
    if (is_final(opened.error().code)) watch.ended({.error = opened.error()});
    return std::unexpected(opened.error());
  }
  watch.place_ = Watch::Place::here;
  watch.member_ = self_;
  watch.id_ = opened->watcher;
  return watch.cursor_.take(WatchOpened{opened->watcher, opened->first_revision});
}

rt::Task<Result<>> WatchClient::begin_at(rt::Cx& cx, Watch& watch, NodeId member) {
  watch.member_ = member;
  ASPEN_CO_TRY(net::Connection * connection, co_await router_.connection(cx, member));
  ASPEN_CO_TRY(Link * link, this->link(*connection));
  const uint64_t id = ++last_id_;
  ASPEN_CO_CHECK(link->stream->send(encode(WatchCall(watch.cursor_.open(id)))));
  link->watches.emplace(id, &watch);
  watch.place_ = Watch::Place::member;
  watch.id_ = id;
  co_return Result<>();
}

Result<WatchClient::Link*> WatchClient::link(net::Connection& connection) {
  const NodeId member = connection.peer();
  if (auto found = links_.find(member); found != links_.end()) return &found->second;
  ASPEN_TRY(net::Stream * stream, connection.open_stream(kWatch));
  Link& link = links_[member];
  link.stream = stream;
  stream->on_frame([this, member](Bytes frame) { received(member, frame); });
  stream->on_close([this, member](const Error& why) { closed(member, why); });
  return &link;
}

void WatchClient::received(const NodeId& member, BytesView frame) {
  auto found = links_.find(member);
  if (found == links_.end()) return;
  auto news = decode_watch_news(frame);
  if (!news) return found->second.stream->reset(Code::PROTOCOL, news.error().message);
  if (ASPEN_BUGGIFY("node-watch-stream-breaks")) {
    return found->second.stream->reset(Code::CONNECTION_LOST, "dropped by the lab");
  }
  const uint64_t id = std::visit([](const auto& named) { return named.id; }, *news);
  auto& watches = found->second.watches;
  auto watch = watches.find(id);
  if (watch == watches.end()) return;  // given up meanwhile
  Watch& whose = *watch->second;
  if (std::holds_alternative<WatchEnded>(*news)) watches.erase(watch);
  whose.take(std::move(*news));
}

void WatchClient::closed(const NodeId& member, const Error& why) {
  auto found = links_.find(member);
  if (found == links_.end()) return;
  std::vector<std::pair<uint64_t, Watch*>> watches(found->second.watches.begin(),
                                                   found->second.watches.end());
  links_.erase(found);
  std::ranges::sort(watches);  // by id: the order of the map is not the same everywhere
  for (auto& [id, watch] : watches) watch->lost(Error(Code::CONNECTION_LOST, why.message));
}

// It is served nowhere from here on.
void WatchClient::leave(Watch& watch) {
  const auto place = std::exchange(watch.place_, Watch::Place::nowhere);
  if (place == Watch::Place::here) return local_->cancel(watch.id_);
  if (place != Watch::Place::member) return;
  auto found = links_.find(watch.member_);
  if (found == links_.end() || found->second.watches.erase(watch.id_) == 0) return;
  if (auto sent = found->second.stream->send(encode(WatchCall(WatchCancel{watch.id_}))); !sent) {
    found->second.stream->reset(sent.error().code, "the member does not take what is said to it");
  }
}

void WatchClient::say(Watch& watch, const WatchCall& call) {
  auto found = links_.find(watch.member_);
  if (found == links_.end()) return;
  if (auto sent = found->second.stream->send(encode(call)); !sent) {
    found->second.stream->reset(sent.error().code, "the member does not take what is said to it");
  }
}

}  // namespace aspen::node
