#include "core/lab/kv_evidence.h"

#include <algorithm>
#include <ranges>

#include "core/base/mutant.h"

namespace aspen::lab {
namespace {

// One in so many: what a clock that measures an age may be wrong by.
constexpr DurationNs kAgeSlack = 32;

}  // namespace

KvEvidence::KvEvidence(const History& history) : history_(history) {
  for (size_t id = 0; id < history.size(); ++id) {
    const Operation& operation = history.at(id);
    if (operation.ambiguous()) {
      for (const kv::Op& op : operation.write()->ops) in_doubt_[op.key].push_back(id);
    }
    if (!operation.ok()) continue;
    if (const auto* write = operation.write()) {
      events_.push_back({KvEvent::Kind::write, write->reply.revision, id});
      collect(id, *write);
    } else if (const auto* get = std::get_if<Operation::Get>(&operation.call)) {
      events_.push_back({KvEvent::Kind::read, get->reply.revision, id});
      if (get->reply.record) see(id, get->key, *get->reply.record, true);
    } else {
      const auto& range = std::get<Operation::Range>(operation.call);
      events_.push_back({KvEvent::Kind::read, range.reply.revision, id});
      for (const kv::KeyRecord& entry : range.reply.entries) {
        see(id, entry.key, entry.record, !range.request.keys_only);
      }
    }
  }
  order();
  if (!ASPEN_MUTANT("lab-check-puts-uncounted")) count_puts();
}

void KvEvidence::collect(size_t id, const Operation::Write& write) {
  const kv::WriteReply& reply = write.reply;
  if (!reply.succeeded) {
    if (reply.current && reply.failed_compare < write.conditions.size()) {
      see(id, write.conditions[reply.failed_compare].key, reply.current->record, true);
    }
    return;
  }
  for (size_t i = 0; i < std::min(write.ops.size(), reply.results.size()); ++i) {
    see(id, write.ops[i].key, reply.results[i].previous_revision, {.by = id});
  }
  for (const Condition& condition : write.conditions) {
    if (condition.kind == Condition::Kind::mod_revision_equals) {
      see(id, condition.key, condition.revision, {.by = id});
    }
  }
}

void KvEvidence::see(size_t id, BytesView key, const kv::Record& record, bool with_value) {
  Seen seen{.create_revision = record.create_revision, .version = record.version, .by = id};
  if (with_value) seen.value = record.value;
  see(id, key, record.mod_revision, seen);
  if (record.create_revision != record.mod_revision) {
    see(id, key, record.create_revision, {.create_revision = record.create_revision, .version = 1, .by = id});
  }
}

void KvEvidence::see(size_t id, BytesView key, uint64_t revision, const Seen& what) {
  if (revision == 0) return;
  Seen& seen = seen_[revision][key];
  if (seen.by == kNoOperation) seen.by = id;
  if (!seen.value) seen.value = what.value;
  if (!seen.create_revision) {
    seen.create_revision = what.create_revision;
    seen.version = what.version;
  }
}

void KvEvidence::order() {
  auto by_place = [&](const KvEvent& a, const KvEvent& b) {
    bool a_reads = a.kind == KvEvent::Kind::read;
    bool b_reads = b.kind == KvEvent::Kind::read;
    return std::tie(a.revision, a_reads, a.id) < std::tie(b.revision, b_reads, b.id);
  };
  std::ranges::sort(events_, by_place);
  size_t acknowledged = events_.size();
  size_t next = 0;
  for (const auto& [revision, keys] : seen_) {
    while (next < acknowledged && events_[next].revision < revision) ++next;
    bool known = next < acknowledged && events_[next].revision == revision &&
                 events_[next].kind == KvEvent::Kind::write;
    if (!known) events_.push_back({KvEvent::Kind::found, revision});
  }
  std::ranges::sort(events_, by_place);
  uint64_t began_before = kStillOpen;
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
    if (event->id != kNoOperation) {
      began_before = std::min(began_before, history_.at(event->id).returned);
    }
    event->began_before = began_before;
    event->slot = static_cast<size_t>(events_.rend() - event) - 1;
  }
}

// A put is one version after the one it found: what is known of either tells the other.
void KvEvidence::count_puts() {
  auto each_put = [&](auto&& events, auto&& learn) {
    for (const KvEvent& event : events) {
      if (event.kind != KvEvent::Kind::write) continue;
      const Operation::Write& write = *history_.at(event.id).write();
      if (!write.reply.succeeded) continue;
      for (size_t i = 0; i < std::min(write.ops.size(), write.reply.results.size()); ++i) {
        if (write.ops[i].kind == kv::Op::Kind::put) learn(event, write.ops[i].key, write.reply.results[i]);
      }
    }
  };
  each_put(events_ | std::views::reverse,
           [&](const KvEvent& event, BytesView key, const kv::OpResult& found) {
             const Seen* known = life(event.revision, key);
             if (known == nullptr || known->version < 2 || !found.existed) return;
             see(event.id, key, found.previous_revision,
                 {.create_revision = known->create_revision, .version = known->version - 1});
           });
  each_put(events_, [&](const KvEvent& event, BytesView key, const kv::OpResult& found) {
    if (!found.existed) {
      return see(event.id, key, event.revision, {.create_revision = event.revision, .version = 1});
    }
    const Seen* before = life(found.previous_revision, key);
    if (before == nullptr) return;
    see(event.id, key, event.revision,
        {.create_revision = before->create_revision, .version = before->version + 1});
  });
}

const KvEvidence::Seen* KvEvidence::life(uint64_t revision, BytesView key) const {
  const SeenKeys* keys = seen(revision);
  if (keys == nullptr) return nullptr;
  auto found = keys->find(key);
  return found == keys->end() || !found->second.create_revision ? nullptr : &found->second;
}

const KvEvidence::SeenKeys* KvEvidence::seen(uint64_t revision) const {
  auto it = seen_.find(revision);
  return it == seen_.end() ? nullptr : &it->second;
}

std::optional<KvFault> KvEvidence::fault() const {
  auto both = [&](size_t a, size_t b) {
    return fmt::format("  #{} {}\n  #{} {}\n", a, describe(history_.at(a)), b, describe(history_.at(b)));
  };
  size_t latest = kNoOperation;   // of those at lower places, the one that began last
  size_t pending = kNoOperation;  // the same of reads at this very revision, which have no order among them
  uint64_t pending_revision = 0;
  auto later = [&](size_t a, size_t b) {
    if (a == kNoOperation || b == kNoOperation) return a == kNoOperation ? b : a;
    return history_.at(a).invoked > history_.at(b).invoked ? a : b;
  };
  for (size_t i = 0; i < events_.size(); ++i) {
    const KvEvent& event = events_[i];
    if (event.id == kNoOperation) continue;
    bool reads = event.kind == KvEvent::Kind::read;
    if (!reads && event.revision == 0) {
      return KvFault{"wrong-answer", fmt::format("a write has revision 0, where no log begins:\n  #{} {}\n",
                                                 event.id, describe(history_.at(event.id)))};
    }
    if (!reads && i > 0 && events_[i - 1].kind == KvEvent::Kind::write &&
        events_[i - 1].revision == event.revision) {
      return KvFault{"revision-reused", fmt::format("two commands have revision {}:\n{}", event.revision,
                                                    both(events_[i - 1].id, event.id))};
    }
    if (!reads || event.revision != pending_revision) {
      latest = later(latest, std::exchange(pending, kNoOperation));
      pending_revision = event.revision;
    }
    const Operation& operation = history_.at(event.id);
    if (latest != kNoOperation && history_.at(latest).invoked > operation.returned) {
      return KvFault{
          "real-time",
          fmt::format("by revision the first is before the second, but it began when the second had "
                      "returned:\n{}",
                      both(latest, event.id))};
    }
    if (operation.stale()) continue;  // it says nothing about what follows
    (reads ? pending : latest) = later(reads ? pending : latest, event.id);
  }
  return std::nullopt;
}

std::optional<KvFault> KvEvidence::too_old() const {
  size_t earliest = kNoOperation;  // of the writes at higher places, the one that returned first
  for (const KvEvent& event : events_ | std::views::reverse) {
    if (event.id == kNoOperation) continue;
    const Operation& operation = history_.at(event.id);
    if (event.kind == KvEvent::Kind::write) {
      if (earliest == kNoOperation || operation.returned_at < history_.at(earliest).returned_at) {
        earliest = event.id;
      }
      continue;
    }
    DurationNs age_max = operation.freshness().age_max;
    if (event.kind != KvEvent::Kind::read || age_max == 0 || earliest == kNoOperation) continue;
    if (operation.invoked_at - history_.at(earliest).returned_at <= age_max + age_max / kAgeSlack) continue;
    return KvFault{
        "too-old",
        fmt::format("the second was to see what was acknowledged {} ns before, and did not see "
                    "the first:\n  #{} {}\n  #{} {}\n",
                    age_max, earliest, describe(history_.at(earliest)), event.id, describe(operation))};
  }
  return std::nullopt;
}

bool KvEvidence::explains(size_t id, const SeenKeys& seen) const {
  const Operation::Write& write = *history_.at(id).write();
  return std::ranges::all_of(seen, [&](const auto& item) {
    const auto& [key, what] = item;
    return std::ranges::any_of(write.ops, [&](const kv::Op& op) {
      return op.kind == kv::Op::Kind::put && op.key == key && (!what.value || *what.value == op.value);
    });
  });
}

}  // namespace aspen::lab
