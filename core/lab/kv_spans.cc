#include "core/lab/kv_spans.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace aspen::lab {

KvSpans::KvSpans(const History& history, const KvEvidence& evidence)
    : history_(history), evidence_(evidence) {
  for (const auto& [key, ids] : evidence.in_doubt()) {
    keys_[key];
    for (size_t id : ids) {
      for (const Condition& condition : history.at(id).write()->conditions) keys_[condition.key];
    }
  }
  for (const KvEvent& event : evidence.events()) {
    if (event.kind == KvEvent::Kind::read) continue;
    slots_.emplace(event.revision, event.slot);
    const auto* write = event.id == kNoOperation ? nullptr : history.at(event.id).write();
    if (write == nullptr || !write->reply.succeeded) continue;
    for (const kv::Op& op : write->ops) {
      if (auto key = keys_.find(op.key); key != keys_.end()) key->second.changed.push_back(event.slot);
    }
  }
  for (const KvEvent& event : evidence.events()) {
    if (event.id != kNoOperation) collect(event);
  }
  collect_versions();
  auto sort = [](std::vector<Span>& spans) {
    std::ranges::sort(spans, {}, [](const Span& span) { return std::pair(span.after, span.before); });
    std::vector<Span> joined;  // but where they only touch: there the key changes
    for (const Span& span : spans) {
      bool touches = !joined.empty() && span.after == joined.back().before;
      bool overlaps = !joined.empty() && span.after < joined.back().before;
      if (overlaps || (touches && ASPEN_MUTANT("lab-check-spans-joined"))) {
        joined.back().before = std::max(joined.back().before, span.before);
      } else {
        joined.push_back(span);
      }
    }
    spans = std::move(joined);
  };
  for (auto& item : keys_) {
    sort(item.second.unchanged);
    sort(item.second.unerased);
  }
}

void KvSpans::collect(const KvEvent& event) {
  const Operation& operation = history_.at(event.id);
  if (const auto* get = std::get_if<Operation::Get>(&operation.call)) {
    if (get->reply.record) shown(event, get->key, get->reply.record->mod_revision);
    return;
  }
  if (const auto* range = std::get_if<Operation::Range>(&operation.call)) {
    for (const kv::KeyRecord& entry : range->reply.entries)
      shown(event, entry.key, entry.record.mod_revision);
    return;
  }
  const Operation::Write& write = *operation.write();
  if (!write.reply.succeeded) {
    if (!write.reply.current || write.reply.failed_compare >= write.conditions.size()) return;
    return shown(event, write.conditions[write.reply.failed_compare].key,
                 write.reply.current->record.mod_revision);
  }
  for (size_t i = 0; i < std::min(write.ops.size(), write.reply.results.size()); ++i) {
    shown(event, write.ops[i].key, write.reply.results[i].previous_revision);
  }
  for (const Condition& condition : write.conditions) {
    if (condition.kind == Condition::Kind::mod_revision_equals) {
      shown(event, condition.key, condition.revision);
    }
  }
}

void KvSpans::collect_versions() {
  struct Put {
    uint64_t revision;
    const KvEvidence::Seen* seen;
  };
  std::map<BytesView, Put> last;
  for (const auto& [revision, slot] : slots_) {
    const auto* keys = evidence_.seen(revision);
    if (keys == nullptr) continue;
    for (const auto& [key, seen] : *keys) {
      auto spans = keys_.find(key);
      if (spans == keys_.end() || !seen.create_revision) continue;
      auto [before, first] = last.try_emplace(key, Put{revision, &seen});
      const KvEvidence::Seen& previous = *before->second.seen;
      if (!first && previous.create_revision == seen.create_revision) {
        add(spans->second, spans->second.unerased, before->second.revision, slot);
        if (previous.version + 1 == seen.version) {
          add(spans->second, spans->second.unchanged, before->second.revision, slot);
        }
      }
      before->second = {revision, &seen};
    }
  }
}

void KvSpans::shown(const KvEvent& event, BytesView key, uint64_t revision) {
  if (auto found = keys_.find(key); found != keys_.end())
    add(found->second, found->second.unchanged, revision, event.slot);
}

void KvSpans::add(const Key& key, std::vector<Span>& spans, uint64_t revision, size_t before) const {
  auto after = slots_.find(revision);
  if (after == slots_.end() || after->second >= before) return;
  auto change = std::ranges::upper_bound(key.changed, after->second);
  if (change != key.changed.end() && *change < before) return;
  spans.push_back({after->second, before});
}

std::optional<BytesView> KvSpans::contradiction(size_t id, size_t slot, bool before) const {
  const Operation::Write& write = *history_.at(id).write();
  auto changes = [&](const std::vector<Span>& spans) {
    const Span* span = find(spans, slot);
    return span != nullptr && (before || slot < span->before);
  };
  for (const kv::Op& op : write.ops) {
    const Key& key = keys_.at(op.key);
    if (changes(key.unchanged) || (op.kind == kv::Op::Kind::erase && changes(key.unerased))) return op.key;
  }
  for (const Condition& condition : write.conditions) {
    if (fails(condition, slot)) return condition.key;
  }
  return std::nullopt;
}

const KvSpans::Span* KvSpans::find(const std::vector<Span>& spans, size_t slot) {
  auto next = std::ranges::lower_bound(spans, slot, {}, &Span::after);
  if (next == spans.begin()) return nullptr;
  const Span& span = *std::prev(next);
  return slot <= span.before ? &span : nullptr;
}

bool KvSpans::fails(const Condition& condition, size_t slot) const {
  const Key& key = keys_.at(condition.key);
  const Span* unchanged = find(key.unchanged, slot);
  switch (condition.kind) {
    case Condition::Kind::absent:
      return unchanged != nullptr || find(key.unerased, slot) != nullptr;
    case Condition::Kind::present:
      return false;
    case Condition::Kind::value_equals: {
      auto value = unchanged == nullptr ? std::nullopt : value_at(condition.key, unchanged->after);
      return value && *value != condition.value;
    }
    case Condition::Kind::mod_revision_equals: {
      if (condition.revision == 0) return unchanged != nullptr || find(key.unerased, slot) != nullptr;
      return unchanged != nullptr && evidence_.events()[unchanged->after].revision != condition.revision;
    }
  }
  return false;
}

// What was put there, if it is known.
std::optional<BytesView> KvSpans::value_at(BytesView key, size_t slot) const {
  const KvEvent& event = evidence_.events()[slot];
  if (event.id != kNoOperation) {
    for (const kv::Op& op : history_.at(event.id).write()->ops) {
      if (op.key == key && op.kind == kv::Op::Kind::put) return op.value;
    }
    return std::nullopt;
  }
  const auto* seen = evidence_.seen(event.revision);
  auto found = seen->find(key);
  return found == seen->end() ? std::nullopt : found->second.value;
}

}  // namespace aspen::lab
