#include "core/lab/watch_load.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/rt/timeout.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kLookPeriod = 20 * kMillisecond;
constexpr DurationNs kLifeMean = 2 * kSecond;  // of one watch, then another goes on
constexpr DurationNs kFinishLimit = 120 * kSecond;

kv::WatchRequest single(Bytes key) {
  Bytes end = key + '\0';
  return {.start = std::move(key), .end = std::move(end)};
}

// On the keys that the scripts write.
std::vector<kv::WatchRequest> requests() {
  std::vector<kv::WatchRequest> all = {{}, single("k1"), {.start = "k2", .end = "k5"}, {.start = "k"}, {}};
  all[0].previous = true;
  all[2].previous = true;
  all[3].skip_puts = true;
  all[4].skip_erases = true;
  return all;
}

}  // namespace

// Tasks of crashed machines may outlive the load, so they hold this, and look whether their host is dead.
class WatchLoad::Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(World& world, Machine& machine, uint64_t id, kv::WatchRequest request)
      : world_(world), machine_(machine), id_(id), random_(world.random("watcher", id)) {
    story.request = std::move(request);
    story.request.progress_every = random_.chance(0.3) ? 0 : random_.between(100 * kMillisecond, kSecond);
    pause_ = random_.chance(0.3) ? random_.exponential(50 * kMillisecond) : 0;
    window_ = random_.chance(0.4) ? 1 + random_.below(500) : limits::kWatchWindowBytes;
    if (random_.chance(0.7)) story.first = next_ = 1;
  }

  // Starts its task when it has none on the machine as it runs now.
  void look_after() {
    if (running_ && incarnation_ != machine_.incarnation()) running_ = false;
    if (running_ || machine_.engine() == nullptr || machine_.paused()) return;
    running_ = true;
    incarnation_ = machine_.incarnation();
    Host& host = *machine_.host();
    node::Engine& engine = *machine_.engine();
    const TimeNs ends =
        stopping_ ? kNever : host.executor().now() + kMillisecond + random_.exponential(kLifeMean);
    host.deliver([self = shared_from_this(), &host, &engine, ends] {
      engine.operations()
          .spawn(
              "watcher", [self, &host, &engine](rt::Cx& cx) { return self->follow(cx, self, host, engine); },
              ends)
          .then([self, &host](rt::Outcome<> outcome) {
            if (host.dead()) return;
            self->running_ = false;
            Result<> result = std::move(outcome).result();
            self->last_ = result ? "" : result.error().to_string();
            self->world_.note(self->machine_.index(), "watcher", "{} at {}: {}", self->id_, self->next_,
                              self->last_);
          });
    });
  }

  void stop() {
    stopping_ = true;
    pause_ = 0;
  }
  bool has_all(const CommittedChanges& committed) const {
    return next_ != 0 && next_to_tell(story.request, next_, committed) == 0;
  }
  std::string describe() const {
    return fmt::format("watcher {} on node {} is at {}{}, last: {}", id_, machine_.index(), next_,
                       running_ ? "" : ", not running", last_);
  }

  WatchStory story;

 private:
  rt::Task<Result<>> follow(rt::Cx& cx, std::shared_ptr<Watcher> self, Host& host, node::Engine& engine) {
    kv::WatchRequest request = story.request;
    request.first_revision = next_;
    node::OpenWatches& watches = engine.open_watches();
    ASPEN_CO_TRY(auto opened, co_await watches.open(cx, std::move(request), window_));
    struct Closing {
      ~Closing() { watches.close(id); }
      node::OpenWatches& watches;
      uint64_t id;
    } closing{watches, opened.id};
    if (host.dead()) co_return Result<>();
    if (next_ == 0) story.first = next_ = opened.after + 1;
    if (opened.after + 1 != next_) world_.violate("watch", "it began elsewhere: " + describe());
    for (;;) {
      const DurationNs patience =
          !stopping_ && random_.chance(0.2) ? random_.exponential(20 * kMillisecond) : kNever / 2;
      auto batch = co_await rt::timeout(
          cx, patience, [&](rt::Cx& cx) { return watches.next(cx, watches.claim(opened.id, [] {})); });
      if (host.dead()) co_return Result<>();
      ASPEN_CO_CHECK(cx.checkpoint());
      if (!batch && batch.error().code == Code::DEADLINE_EXCEEDED) continue;
      ASPEN_CO_CHECK(batch);
      const bool over = batch->compacted.has_value();
      take(std::move(*batch));
      if (over) co_return Result<>();
      if (pause_ > 0) ASPEN_CO_CHECK(co_await cx.sleep(pause_));
    }
  }

  void take(node::WatchBatch batch) {
    if (batch.compacted) story.told.push_back({.revision = batch.revision, .compacted = true});
    for (node::WatchItem& item : batch.items) story.told.push_back({item.revision, std::move(item.events)});
    const bool marked =
        !batch.compacted && (batch.items.empty() || batch.items.back().revision < batch.revision);
    if (marked) story.told.push_back({.revision = batch.revision});
    next_ = batch.compacted ? batch.revision : batch.revision + 1;
  }

  World& world_;
  Machine& machine_;
  const uint64_t id_;
  Random random_;
  DurationNs pause_;  // between two batches
  size_t window_;
  uint64_t next_ = 0;  // what it wants to be told of first; 0: what comes
  bool stopping_ = false;
  bool running_ = false;
  uint64_t incarnation_ = 0;  // of the machine, of the task that runs
  std::string last_;          // how the latest task ended
};

WatchLoad::WatchLoad(World& world, Cluster& cluster)
    : world_(world), cluster_(cluster), self_(std::make_shared<WatchLoad*>(this)) {
  cluster.observed = [this](const raft::Core& core) { committed_.observe(core); };
}

WatchLoad::~WatchLoad() {
  *self_ = nullptr;
  cluster_.observed = nullptr;
}

void WatchLoad::start() {
  const std::vector<Machine*> machines = cluster_.machines();
  for (const kv::WatchRequest& request : requests()) {
    for (Machine* machine : machines) {
      watchers_.push_back(std::make_shared<Watcher>(world_, *machine, watchers_.size(), request));
    }
  }
  look_after();
}

void WatchLoad::look_after() {
  for (auto& watcher : watchers_) watcher->look_after();
  at_rest_ =
      std::ranges::all_of(watchers_, [&](const auto& watcher) { return watcher->has_all(committed_); });
  world_.events().after(kLookPeriod, [self = self_] {
    if (*self != nullptr) (*self)->look_after();
  });
}

void WatchLoad::stop() {
  for (auto& watcher : watchers_) watcher->stop();
}

void WatchLoad::finish() {
  at_rest_ = false;
  const bool all = world_.run_until([&] { return at_rest_ || world_.violation(); }, kFinishLimit);
  if (world_.violation()) return;
  if (!committed_.failure().empty()) return world_.violate("watch", committed_.failure());
  for (const auto& watcher : watchers_) {
    const std::string wrong = check_told(watcher->story, committed_);
    if (!wrong.empty()) return world_.violate("watch", wrong + ": " + watcher->describe());
    if (!all && !watcher->has_all(committed_)) {
      return world_.violate("watch", "not told of everything: " + watcher->describe());
    }
  }
}

}  // namespace aspen::lab
