#include "core/kv/watch_hub.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::kv {
namespace {

bool in_range(const WatchRequest& request, BytesView key) {
  return key >= request.start && (request.end.empty() || key < request.end);
}

// The range of one key, and of nothing else.
bool is_single(const WatchRequest& request) {
  return request.end.size() == request.start.size() + 1 && request.end.back() == '\0' &&
         request.end.starts_with(request.start);
}

bool wanted(const WatchRequest& request, const Event& event) {
  if (event.kind == Event::Kind::put) return !request.skip_puts;
  return !request.skip_erases || ASPEN_MUTANT("kv-watch-filter-forgotten");
}

size_t bytes_of(const ChangeSet& set) {
  size_t bytes = limits::kWatchEventOverheadBytes;
  for (const Event& event : set.events) bytes += cost(event, true);
  return bytes;
}

}  // namespace

bool WatchRequest::matches(const Event& event) const {
  return in_range(*this, event.key) && wanted(*this, event);
}

Result<> validate(const WatchRequest& request) {
  for (const Bytes* bound : {&request.start, &request.end}) {
    if (bound->size() <= kBoundBytesMax) continue;
    return fail(Code::LIMIT_EXCEEDED, "a bound of the watched range is {} bytes; at most {}", bound->size(),
                kBoundBytesMax);
  }
  if (!request.end.empty() && request.start >= request.end) {
    return fail(Code::INVALID_ARGUMENT, "the watched range is empty: its end is not after its start");
  }
  if (request.first_revision == UINT64_MAX) {
    return fail(Code::INVALID_ARGUMENT, "revision {} never comes; 0 is what comes from now on",
                request.first_revision);
  }
  if (request.skip_puts && request.skip_erases) {
    return fail(Code::INVALID_ARGUMENT, "a watch that skips puts and erases would never tell anything");
  }
  if (request.progress_every != 0 && request.progress_every < limits::kWatchProgressMin) {
    return fail(Code::INVALID_ARGUMENT, "a progress mark every {} ns; at least {} between two",
                request.progress_every, limits::kWatchProgressMin);
  }
  return {};
}

size_t cost(const Event& event, bool previous) {
  size_t bytes = limits::kWatchEventOverheadBytes + event.key.size();
  if (event.record) bytes += event.record->value.size();
  if (previous && event.previous) bytes += event.previous->value.size();
  return bytes;
}

WatchHub::WatchHub(uint64_t applied, WatchHubOptions options)
    : options_(options), head_(applied), ring_floor_(applied) {}

WatchHub::~WatchHub() = default;

// --- watchers ---

Result<uint64_t> WatchHub::add(uint64_t id, WatchRequest request, size_t credit, TimeNs now) {
  if (watchers_.size() >= options_.watchers_max) {
    return fail(Code::OVERLOADED, "this member serves {} watches already; at most {}", watchers_.size(),
                options_.watchers_max);
  }
  auto [found, added] = watchers_.try_emplace(id);
  ASPEN_ASSERT(added && id != 0);
  Watcher& watcher = found->second;
  watcher.id = id;
  watcher.request = std::move(request);
  watcher.next = watcher.request.first_revision != 0 ? watcher.request.first_revision : head_ + 1;
  watcher.told = watcher.next - 1;
  watcher.front = watcher.next > head_;
  if (!watcher.front) ++behind_;
  if (DurationNs every = watcher.request.progress_every; every != 0) {
    watcher.mark_at = now + every;
    marks_.emplace(watcher.mark_at, id);
  }
  index(watcher);
  add_credit(id, credit);
  return watcher.next;
}

void WatchHub::remove(uint64_t id) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  Watcher& watcher = found->second;
  unindex(watcher);
  if (!watcher.front) --behind_;
  marks_.erase({watcher.mark_at, id});
  for (WatchOutput& output : outputs_) {
    if (output.watcher == id) output.watcher = 0;
  }
  watchers_.erase(found);
}

void WatchHub::index(Watcher& watcher) {
  const WatchRequest& request = watcher.request;
  if (is_single(request)) {
    singles_[request.start].insert(watcher.id);
  } else {
    ranges_.insert(watcher.id, request.start, request.end);
  }
}

void WatchHub::unindex(Watcher& watcher) {
  const WatchRequest& request = watcher.request;
  if (!is_single(request)) return ranges_.erase(watcher.id, request.start);
  auto found = singles_.find(request.start);
  found->second.erase(watcher.id);
  if (found->second.empty()) singles_.erase(found);
}

void WatchHub::add_credit(uint64_t id, size_t bytes) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  Watcher& watcher = found->second;
  constexpr auto kMax = static_cast<int64_t>(limits::kWatchCreditMax);
  watcher.credit =
      std::min(kMax, watcher.credit + static_cast<int64_t>(std::min(bytes, limits::kWatchCreditMax)));
  wake(watcher);
}

void WatchHub::hold(uint64_t id, bool held) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  found->second.held = held;
  wake(found->second);
}

void WatchHub::wake(Watcher& watcher) {
  if (!watcher.may_have()) return;
  if (!watcher.front) return enqueue(watcher);
  if (watcher.asked) mark(watcher);
}

void WatchHub::enqueue(Watcher& watcher) {
  if (std::exchange(watcher.queued, true)) return;
  queue_.push_back(watcher.id);
}

void WatchHub::reach_front(Watcher& watcher) {
  watcher.front = true;
  --behind_;
  if (watcher.asked) mark(watcher);
}

void WatchHub::fall_behind(Watcher& watcher) {
  watcher.front = false;
  ++behind_;
}

void WatchHub::end(uint64_t id, Error error) {
  if (auto found = watchers_.find(id); found != watchers_.end()) end(found->second, std::move(error), 0);
}

void WatchHub::end(Watcher& watcher, Error error, uint64_t revision) {
  const uint64_t id = watcher.id;
  WatchOutput output{.watcher = id, .kind = WatchOutput::Kind::ended, .revision = revision};
  output.error = std::move(error);
  unindex(watcher);
  if (!watcher.front) --behind_;
  marks_.erase({watcher.mark_at, id});
  watchers_.erase(id);
  outputs_.push_back(std::move(output));
}

// --- what is sent ---

// The batch that takes the watcher's next event.
WatchOutput& WatchHub::batch_for(Watcher& watcher) {
  if (watcher.round != round_ || watcher.output_bytes >= options_.batch_bytes) {
    outputs_.push_back({.watcher = watcher.id, .previous = watcher.request.previous});
    watcher.round = round_;
    watcher.output = outputs_.size() - 1;
    watcher.output_bytes = 0;
  }
  return outputs_[watcher.output];
}

bool WatchHub::send(Watcher& watcher, const ChangeSetPtr& set, std::span<const uint32_t> events) {
  const uint32_t skip = set->revision == watcher.next ? watcher.skip : 0;
  WatchFragment* fragment = nullptr;
  for (uint32_t i : events) {
    const Event& event = set->events[i];
    if ((i < skip && !ASPEN_MUTANT("kv-watch-revision-begun-again")) || !wanted(watcher.request, event)) {
      continue;
    }
    if (!watcher.may_have()) {
      bool lost = ASPEN_MUTANT("kv-watch-lost-without-credit");
      watcher.next = lost ? set->revision + 1 : set->revision;
      watcher.skip = i;
      return false;
    }
    WatchOutput& batch = batch_for(watcher);
    if (batch.fragments.empty() || batch.fragments.back().changes != set) {
      batch.fragments.push_back({.changes = set});
    }
    fragment = &batch.fragments.back();
    fragment->events.push_back(i);
    if (ASPEN_MUTANT("kv-watch-torn-revision")) fragment->last = true;
    const size_t bytes = cost(event, watcher.request.previous);
    watcher.credit -= static_cast<int64_t>(bytes);
    watcher.output_bytes += bytes;
  }
  if (fragment != nullptr) {
    fragment->last = true;
    watcher.told = set->revision;
  }
  watcher.next = set->revision + 1;
  watcher.skip = 0;
  return true;
}

void WatchHub::publish(std::span<const ChangeSetPtr> sets, uint64_t applied) {
  for (const ChangeSetPtr& set : sets) {
    ASPEN_ASSERT(set->revision > head_ && set->revision <= applied);
    head_ = set->revision;
    remember(set);
    deliver(set);
  }
  ASPEN_ASSERT(applied >= head_);
  head_ = applied;
}

void WatchHub::deliver(const ChangeSetPtr& set) {
  std::vector<std::pair<uint64_t, uint32_t>> found;  // watcher, event
  for (uint32_t i = 0; i < set->events.size(); ++i) {
    const Bytes& key = set->events[i].key;
    if (auto single = singles_.find(key); single != singles_.end()) {
      for (uint64_t id : single->second) found.emplace_back(id, i);
    }
    ranges_.find(key, [&](uint64_t id) { found.emplace_back(id, i); });
  }
  std::ranges::sort(found);
  std::vector<uint32_t> events;
  for (size_t from = 0; from < found.size();) {
    const uint64_t id = found[from].first;
    events.clear();
    for (; from < found.size() && found[from].first == id; ++from) events.push_back(found[from].second);
    Watcher& watcher = watchers_.at(id);
    if (!watcher.front || set->revision < watcher.next) continue;
    if (!send(watcher, set, events)) fall_behind(watcher);
  }
}

// --- the past ---

void WatchHub::remember(const ChangeSetPtr& set) {
  ring_.push_back(set);
  ring_bytes_ += bytes_of(*set);
  while (ring_bytes_ > options_.ring_bytes_max) {
    ring_bytes_ -= bytes_of(*ring_.front());
    ring_floor_ = ring_.front()->revision;
    ring_.pop_front();
  }
}

void WatchHub::replaced(uint64_t applied) {
  ASPEN_ASSERT(applied >= head_);
  std::vector<uint64_t> left_behind;
  for (auto& [id, watcher] : watchers_) {
    if (!watcher.front) continue;
    watcher.next = std::max(watcher.next, head_ + 1);
    if (watcher.next <= applied) left_behind.push_back(id);
  }
  std::ranges::sort(left_behind);  // the order of the map is not the same everywhere
  for (uint64_t id : left_behind) {
    Watcher& watcher = watchers_.at(id);
    fall_behind(watcher);
    wake(watcher);
  }
  ring_.clear();
  ring_bytes_ = 0;
  ring_floor_ = head_ = applied;
  page_ = {};
}

WatchHub::Step WatchHub::from_ring(uint64_t from) const {
  Step step{.until = head_};
  size_t events = 0;
  for (auto set = std::ranges::upper_bound(ring_, from - 1, {}, &ChangeSet::revision); set != ring_.end();
       ++set) {
    if (events >= options_.step_events) {
      step.until = step.sets.back()->revision;
      break;
    }
    step.sets.push_back(*set);
    events += (*set)->events.size();
  }
  return step;
}

Result<const WatchHub::Step*> WatchHub::from_store(ChangeSource& source, uint64_t from) {
  if (from >= page_from_ && from <= page_.until) return &page_;
  ASPEN_TRY(ChangeSource::Page page, source.changes(from, head_, options_.page_bytes));
  ASPEN_ASSERT(page.until >= from && page.until <= head_);
  page_ = {std::move(page.sets), page.until};
  page_from_ = from;
  return &page_;
}

bool WatchHub::catch_up(ChangeSource& source) {
  Watcher* watcher = nullptr;
  while (watcher == nullptr && !queue_.empty()) {
    auto found = watchers_.find(queue_.front());
    queue_.pop_front();
    if (found == watchers_.end()) continue;
    found->second.queued = false;
    if (!found->second.front && found->second.may_have()) watcher = &found->second;
  }
  if (watcher != nullptr) step(*watcher, source);
  if (behind_ == 0) page_ = {};
  return !queue_.empty();
}

void WatchHub::step(Watcher& watcher, ChangeSource& source) {
  Step recent;
  const Step* step = &recent;
  const uint64_t from = watcher.next;
  const uint64_t compacted = source.compacted();
  if (std::exchange(watcher.fresh, false) && from < compacted && !ASPEN_MUTANT("kv-watch-begins-compacted")) {
    return end(watcher,
               Error(Code::COMPACTED,
                     fmt::format("revision {} is compacted; the oldest that is kept is {}", from, compacted)),
               compacted);
  }
  if (from > ring_floor_ || (ASPEN_MUTANT("kv-watch-lost-below-ring") && from == ring_floor_)) {
    recent = from_ring(from);
  } else {
    auto stored = from_store(source, from);
    if (!stored) {
      Error error = std::move(stored).error();
      return end(watcher, error, error.code == Code::COMPACTED ? compacted : 0);
    }
    step = *stored;
  }
  std::vector<uint32_t> events;
  for (const ChangeSetPtr& set : step->sets) {
    if (set->revision < from) continue;
    events.clear();
    for (uint32_t i = 0; i < set->events.size(); ++i) {
      if (watcher.request.matches(set->events[i])) events.push_back(i);
    }
    if (!send(watcher, set, events)) return;
  }
  bool again = ASPEN_MUTANT("kv-watch-page-twice") && step->until > from;
  watcher.next = again ? step->until : step->until + 1;
  watcher.skip = 0;
  if (watcher.next > head_) {
    reach_front(watcher);
  } else {
    enqueue(watcher);
  }
}

// --- progress ---

void WatchHub::mark(Watcher& watcher) {
  const bool behind = !watcher.front && !ASPEN_MUTANT("kv-watch-mark-too-early");
  const uint64_t revision = behind ? watcher.next - 1 : head_;
  if (!watcher.may_have() || (revision <= watcher.told && !watcher.asked)) return;
  watcher.asked = false;
  watcher.told = std::max(watcher.told, revision);
  outputs_.push_back({.watcher = watcher.id, .kind = WatchOutput::Kind::progress, .revision = revision});
  // What comes after the mark must not go before it.
  watcher.round = 0;
}

void WatchHub::ask_progress(uint64_t id) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  found->second.asked = true;
  if (found->second.front) mark(found->second);
}

void WatchHub::tick(TimeNs now) {
  while (!marks_.empty() && marks_.begin()->first <= now) {
    Watcher& watcher = watchers_.at(marks_.begin()->second);
    marks_.erase(marks_.begin());
    watcher.mark_at = now + watcher.request.progress_every;
    marks_.emplace(watcher.mark_at, watcher.id);
    mark(watcher);
  }
}

TimeNs WatchHub::next_tick() const {
  return marks_.empty() ? kNever : marks_.begin()->first;
}

std::vector<WatchOutput> WatchHub::take_outputs() {
  ++round_;
  std::erase_if(outputs_, [](const WatchOutput& output) { return output.watcher == 0; });
  return std::exchange(outputs_, {});
}

}  // namespace aspen::kv
