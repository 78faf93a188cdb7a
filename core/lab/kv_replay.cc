#include "core/lab/kv_replay.h"

#include <algorithm>

#include "core/lab/text.h"

namespace aspen::lab {
namespace {

constexpr uint64_t kUnseen = UINT64_MAX;  // the revision of a hidden write

}  // namespace

bool in_range(const kv::RangeRequest& request, BytesView key) {
  return key >= request.start && (request.end.empty() || key < request.end);
}

bool KvReplay::Cell::is(const kv::Record& record, bool with_value) const {
  return create_revision == record.create_revision && mod_revision == record.mod_revision &&
         version == record.version && (!with_value || value == record.value);
}

std::optional<KvMismatch> KvReplay::apply(const KvEvent& event) {
  std::optional<KvMismatch> mismatch = applied(event);
  if (!mismatch) ++at_;
  return mismatch;
}

void KvReplay::rewind(size_t at) {
  at_ = std::min(at_, at);
  while (!trail_.empty() && trail_.back().at >= at_) {
    const Undo& undo = trail_.back();
    if (!undo.changed) {
      touched_[undo.key] = undo.touched;
    } else if (undo.cell.version == 0) {
      cells_.erase(undo.key);
    } else {
      cells_[undo.key] = undo.cell;
    }
    trail_.pop_back();
  }
}

std::optional<KvMismatch> KvReplay::applied(const KvEvent& event) {
  const Operation& operation = history_.at(event.id);
  if (const auto* write = operation.write()) {
    if (auto mismatch = conditions(*write, event)) return mismatch;
    if (event.kind == KvEvent::Kind::write) {
      if (!write->reply.succeeded) return failed(*write);
      if (auto mismatch = results(*write)) return mismatch;
    }
    if (auto mismatch = lives(*write, event)) return mismatch;
    change(*write, event);
    return std::nullopt;
  }
  if (const auto* get = std::get_if<Operation::Get>(&operation.call)) {
    return observe(get->key, get->reply.record ? &*get->reply.record : nullptr, true);
  }
  return observe(std::get<Operation::Range>(operation.call));
}

const KvReplay::Cell* KvReplay::find(BytesView key) const {
  auto it = cells_.find(key);
  return it == cells_.end() ? nullptr : &it->second;
}
std::string KvReplay::shown(BytesView key) const {
  const Cell* cell = find(key);
  if (cell == nullptr) return fmt::format("{} is absent", quote_short(key));
  if (cell->mod_revision == kUnseen) {
    return fmt::format("{} is {} (by a write in doubt)", quote_short(key), quote_short(cell->value));
  }
  return fmt::format(
      "{} is {}", quote_short(key),
      describe(kv::Record{Bytes(cell->value), cell->create_revision, cell->mod_revision, cell->version}));
}
// Only what a write in doubt changes is ever asked for.
void KvReplay::touch(BytesView key) {
  if (!evidence_.in_doubt().contains(key)) return;
  size_t& last = touched_[key];
  trail_.push_back({.at = at_, .key = key, .touched = last});
  last = at_ + 1;
}
size_t KvReplay::touched(BytesView key) const {
  auto it = touched_.find(key);
  return it == touched_.end() ? 0 : it->second;
}
KvMismatch KvReplay::mismatch(BytesView key, std::string_view expected, Wanted::What wanted,
                              std::optional<BytesView> value) const {
  return {key, fmt::format("there {}, but {}", shown(key), expected), {{wanted, key, value, touched(key)}}};
}

std::optional<KvMismatch> KvReplay::condition(const Condition& condition) const {
  const Cell* cell = find(condition.key);
  switch (condition.kind) {
    case Condition::Kind::absent:
      if (cell == nullptr) return std::nullopt;
      return mismatch(condition.key, "it must be absent", Wanted::What::erase);
    case Condition::Kind::present:
      if (cell != nullptr) return std::nullopt;
      return mismatch(condition.key, "it must be present", Wanted::What::put);
    case Condition::Kind::value_equals:
      if (cell != nullptr && cell->value == condition.value) return std::nullopt;
      return mismatch(condition.key, "it must be " + quote_short(condition.value), Wanted::What::put,
                      condition.value);
    case Condition::Kind::mod_revision_equals:
      if ((cell == nullptr ? 0 : cell->mod_revision) == condition.revision) return std::nullopt;
      return mismatch(condition.key, fmt::format("it must be at revision {}", condition.revision),
                      condition.revision == 0 ? Wanted::What::erase : Wanted::What::nothing);
  }
  return std::nullopt;
}

// Of a write in doubt that is assumed to have happened all hold: otherwise it changed nothing.
std::optional<KvMismatch> KvReplay::conditions(const Operation::Write& write, const KvEvent& event) {
  bool failed = event.kind == KvEvent::Kind::write && !write.reply.succeeded;
  if (failed && write.reply.failed_compare >= write.conditions.size()) {
    return Mismatch{{}, "it says that a condition failed which it does not have"};
  }
  if (event.kind == KvEvent::Kind::write && !failed && write.reply.results.size() != write.ops.size()) {
    return Mismatch{{}, "its results are not one for each operation"};
  }
  size_t count = failed ? write.reply.failed_compare : write.conditions.size();
  for (size_t i = 0; i < count; ++i) {
    if (auto found = condition(write.conditions[i])) return found;
  }
  if (event.kind == KvEvent::Kind::write) {
    for (size_t i = 0; i < count; ++i) touch(write.conditions[i].key);
  }
  return std::nullopt;
}

std::optional<KvMismatch> KvReplay::failed(const Operation::Write& write) {
  const Condition& wrong = write.conditions[write.reply.failed_compare];
  if (write.reply.current && write.reply.current->key != wrong.key) {
    return mismatch(wrong.key, "the write was told of " + quote_short(write.reply.current->key));
  }
  if (auto found = observe(wrong.key, write.reply.current ? &write.reply.current->record : nullptr, true))
    return found;
  if (condition(wrong)) return std::nullopt;
  return mismatch(wrong.key, "the condition that is said to have failed holds");
}

std::optional<KvMismatch> KvReplay::results(const Operation::Write& write) const {
  for (size_t i = 0; i < write.ops.size(); ++i) {
    const Cell* cell = find(write.ops[i].key);
    const kv::OpResult& result = write.reply.results[i];
    if (cell != nullptr && !result.existed) {
      return mismatch(write.ops[i].key, "the write found it absent", Wanted::What::erase);
    }
    if ((cell == nullptr ? 0 : cell->mod_revision) != result.previous_revision ||
        (cell != nullptr) != result.existed) {
      return mismatch(write.ops[i].key, fmt::format("the write found revision {}", result.previous_revision));
    }
  }
  return std::nullopt;
}

// What was later seen of the keys tells how many puts came before.
std::optional<KvMismatch> KvReplay::lives(const Operation::Write& write, const KvEvent& event) const {
  for (const kv::Op& op : write.ops) {
    const KvEvidence::Seen* known = life(op.key, event);
    if (op.kind != kv::Op::Kind::put || known == nullptr) continue;
    const Cell* cell = find(op.key);
    if (*known->create_revision == event.revision) {
      if (cell != nullptr) return mismatch(op.key, "it was created here", Wanted::What::erase);
      continue;
    }
    std::string expected = fmt::format("it was put here as version {}, created at revision {}",
                                       known->version, *known->create_revision);
    if (cell == nullptr || cell->create_revision != *known->create_revision)
      return mismatch(op.key, expected);
    if (cell->version + 1 == known->version) continue;
    Mismatch found = mismatch(op.key, expected);
    if (cell->version + 1 < known->version) {
      found.wanted = {{.what = Wanted::What::put,
                       .key = op.key,
                       .after = cell->counted,
                       .count = known->version - cell->version - 1}};
    }
    return found;
  }
  return std::nullopt;
}

void KvReplay::change(const Operation::Write& write, const KvEvent& event) {
  uint64_t revision = event.kind == KvEvent::Kind::hidden ? kUnseen : event.revision;
  for (const kv::Op& op : write.ops) {
    touch(op.key);
    const Cell* old = find(op.key);
    trail_.push_back({.at = at_, .key = op.key, .changed = true, .cell = old ? *old : Cell{}});
    if (op.kind == kv::Op::Kind::erase) {
      cells_.erase(op.key);
      continue;
    }
    auto [it, fresh] = cells_.try_emplace(op.key);
    Cell& cell = it->second;
    if (fresh) cell = {.create_revision = revision};
    cell.value = op.value;
    cell.mod_revision = revision;
    ++cell.version;
    if (fresh || life(op.key, event) != nullptr) cell.counted = at_ + 1;
  }
}

std::optional<KvMismatch> KvReplay::observe(BytesView key, const kv::Record* record, bool with_value) {
  const Cell* cell = find(key);
  if (record == nullptr) {
    if (cell != nullptr) return mismatch(key, "it was seen absent", Wanted::What::erase);
  } else if (cell == nullptr || !cell->is(*record, with_value)) {
    return mismatch(key, "it was seen as " + describe(*record));
  }
  touch(key);
  return std::nullopt;
}

std::optional<KvMismatch> KvReplay::observe(const Operation::Range& range) {
  const kv::RangeRequest& request = range.request;
  const kv::RangeReply& reply = range.reply;
  BytesView from = request.start;
  std::optional<BytesView> to = request.end.empty() ? std::nullopt : std::optional<BytesView>(request.end);
  std::map<BytesView, const kv::Record*> seen;
  for (const kv::KeyRecord& entry : reply.entries) {
    BytesView last = reply.entries[seen.empty() ? 0 : seen.size() - 1].key;
    bool ordered = seen.empty() || (request.reverse ? entry.key < last : entry.key > last);
    if (!ordered || !in_range(request, entry.key)) {
      return mismatch(entry.key, "the range has it in the wrong place");
    }
    seen.emplace(entry.key, &entry.record);
  }
  if (request.limit != 0 && reply.entries.size() > request.limit)
    return Mismatch{from, "the range is over its limit"};
  if (reply.more) {
    if (reply.entries.empty()) return Mismatch{from, "the range is empty, but there is more"};
    const Bytes& last = reply.entries.back().key;
    if (reply.continuation != (request.reverse ? last : last + '\0')) {
      return mismatch(last, "the range goes on elsewhere than after its last key");
    }
    if (auto found = anything_left(request, last)) return found;
    (request.reverse ? from : to.emplace()) = last;
  }
  for (const auto& [key, record] : seen) {
    if (request.keys_only && !record->value.empty()) return mismatch(key, "a range of keys shows its value");
    if (auto found = observe(key, record, !request.keys_only)) return found;
  }
  for (auto it = cells_.lower_bound(from); it != cells_.end() && (!to || it->first < *to); ++it) {
    if (!seen.contains(it->first)) return mismatch(it->first, "it was not in the range", Wanted::What::erase);
    touch(it->first);
  }
  return std::nullopt;
}

std::optional<KvMismatch> KvReplay::anything_left(const kv::RangeRequest& request, BytesView last) const {
  auto left = [&](const auto& item) {
    return in_range(request, item.first) && (request.reverse ? item.first < last : item.first > last);
  };
  if (std::ranges::any_of(cells_, left)) return std::nullopt;
  Mismatch found = mismatch(last, "the range ends with it, though there is more");
  for (const auto& item : evidence_.in_doubt()) {
    if (left(item)) found.wanted.push_back({Wanted::What::put, item.first, {}, touched(item.first)});
  }
  return found;
}

}  // namespace aspen::lab
