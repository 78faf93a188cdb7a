#include "core/lab/kv_check.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "core/lab/kv_evidence.h"
#include "core/lab/text.h"

namespace aspen::lab {
namespace {

using Kind = KvEvent::Kind;

constexpr uint64_t kUnseen = UINT64_MAX;  // the revision of a hidden write
constexpr size_t kStoryShown = 16;        // events of a key, in a witness

struct Cell {
  BytesView value;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t version = 0;
  size_t counted = 0;  // events up to the last put of which the version is known

  bool is(const kv::Record& record, bool with_value) const {
    return create_revision == record.create_revision && mod_revision == record.mod_revision &&
           version == record.version && (!with_value || value == record.value);
  }
};

// A hidden write that would mend a mismatch: one that does this to the key, at an event after `after`.
struct Wanted {
  enum class What : uint8_t { nothing, erase, put } what = What::nothing;
  BytesView key = {};
  std::optional<BytesView> value = {};
  size_t after = 0;  // as a count of events from the start
};

struct Mismatch {
  BytesView key = {};
  std::string text;
  std::vector<Wanted> wanted = {};  // any of them would do
};

// Writes in doubt, by their operations: without what was chosen for them something might fit.
using Causes = std::set<size_t>;

bool in_range(const kv::RangeRequest& request, BytesView key) {
  return key >= request.start && (request.end.empty() || key < request.end);
}

class Replay {
 public:
  Replay(const History& history, uint64_t steps_max)
      : history_(history),
        steps_max_(steps_max),
        evidence_(history),
        used_(history.size()),
        crowds_(history.size()) {
    for (size_t id = 0; id < history.size(); ++id) {
      if (!history.at(id).ambiguous()) continue;
      for (const kv::Op& op : history.at(id).write()->ops) changing_[op.key].push_back(id);
    }
  }

  KvReport run() {
    if (auto fault = evidence_.fault()) return report(Verdict::Kind::violation, fault->rule, fault->text);
    events_ = evidence_.events();
    if (auto found = settle_found()) return *found;
    while (at_ < events_.size()) {
      if (steps_++ == steps_max_) return report(Verdict::Kind::unknown, "kKvStepsMax", witness_);
      std::optional<Mismatch> mismatch = apply(events_[at_]);
      if (!mismatch) {
        ++at_;
        continue;
      }
      Causes causes = causes_of(*mismatch);
      std::vector<Option> options = options_for(*mismatch, causes);
      if (!options.empty()) {
        branches_.push_back({std::move(options), std::move(causes)});
        take(branches_.back().option());
        continue;
      }
      remember(*mismatch);
      if (!take_back(std::move(causes))) return report(Verdict::Kind::violation, rule_, witness_);
    }
    return report(Verdict::Kind::linearizable, "", "");
  }

 private:
  struct Option {
    size_t id;
    size_t place;  // of the event it decides, or before which it is inserted
    bool inserted = false;
    bool spare = false;  // differs from the option before only in the log index that it takes
  };
  // What an event did to a key: how it was before.
  struct Undo {
    size_t at = 0;
    BytesView key = {};
    size_t touched = 0;
    bool changed = false;
    Cell cell = {};  // when changed; version 0: there was none
  };
  struct Branch {
    std::vector<Option> options;
    Causes causes;  // why there are no other options, and why those before `next` failed
    size_t next = 0;
    const Option& option() const { return options[next]; }
  };

  KvReport report(Verdict::Kind kind, std::string rule, std::string text) {
    return {kind, std::move(rule), std::move(text), steps_};
  }

  // --- what was found in the log ---

  // Decides what only one write explains, and refuses what none does.
  std::optional<KvReport> settle_found() {
    std::map<size_t, uint64_t> decided;
    for (KvEvent& event : events_) {
      if (event.kind != Kind::found) continue;
      std::vector<size_t> candidates = candidates_for(event);
      const auto& seen = *evidence_.seen(event.revision);
      if (candidates.empty()) {
        auto [rule, why] = blame(event.revision, seen);
        return report(Verdict::Kind::violation, rule, unexplained(event.revision, seen) + why);
      }
      if (candidates.size() > 1) continue;
      event.id = candidates.front();
      auto [other, fresh] = decided.emplace(event.id, event.revision);
      if (!fresh) {
        std::string why =
            fmt::format("only this write can have made it, and it is at revision {} too:\n  #{} {}\n",
                        other->second, event.id, describe(history_.at(event.id)));
        return report(Verdict::Kind::violation, "applied-twice", unexplained(event.revision, seen) + why);
      }
      used_[event.id] = true;
    }
    return std::nullopt;
  }

  std::vector<size_t> candidates_for(const KvEvent& event) const {
    const auto& seen = *evidence_.seen(event.revision);
    std::vector<size_t> found;
    auto changing = changing_.find(seen.begin()->first);
    if (changing == changing_.end()) return found;
    for (size_t id : changing->second) {
      if (history_.at(id).invoked < event.began_before && evidence_.explains(id, seen)) {
        found.push_back(id);
      }
    }
    return found;
  }

  std::string unexplained(uint64_t revision, const KvEvidence::SeenKeys& seen) const {
    std::string out =
        fmt::format("no write that may have been applied explains revision {}, where was seen:\n", revision);
    for (const auto& [key, what] : seen) {
      out += fmt::format("  {}{}, by\n  #{} {}\n", quote_short(key),
                         what.value ? " = " + quote_short(*what.value) : "", what.by,
                         describe(history_.at(what.by)));
    }
    return out;
  }

  // Which write is seen where it must not be.
  std::pair<std::string, std::string> blame(uint64_t revision, const KvEvidence::SeenKeys& seen) const {
    for (size_t id = 0; id < history_.size(); ++id) {
      const Operation& op = history_.at(id);
      if (op.write() == nullptr || !evidence_.explains(id, seen)) continue;
      std::string who = fmt::format("  #{} {}\n", id, describe(op));
      if (op.outcome == Operation::Outcome::not_applied) {
        return {"not-applied-took-effect",
                "this write would, but its client was told that it was not applied:\n" + who};
      }
      if (op.ok() && op.write()->reply.succeeded) {
        return {
            "applied-twice",
            fmt::format("this write would, but it is at revision {}:\n", op.write()->reply.revision) + who};
      }
      if (op.ambiguous() && used_[id]) {
        return {"applied-twice",
                "this write would, but another revision is already explained by it:\n" + who};
      }
      if (op.ambiguous()) {
        return {"never-written",
                fmt::format("this write would, but it began after revision {} was seen or overtaken:\n",
                            revision) +
                    who};
      }
    }
    return {"never-written", ""};
  }

  // --- replay ---

  std::optional<Mismatch> apply(const KvEvent& event) {
    if (event.id == kNoOperation)
      return Mismatch{evidence_.seen(event.revision)->begin()->first, "it is taken"};
    const Operation& operation = history_.at(event.id);
    if (const auto* write = operation.write()) {
      if (auto mismatch = conditions(*write, event)) return mismatch;
      if (event.kind == Kind::write) {
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

  const Cell* find(BytesView key) const {
    auto it = cells_.find(key);
    return it == cells_.end() ? nullptr : &it->second;
  }
  std::string shown(BytesView key) const {
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
  void touch(BytesView key) {
    if (!changing_.contains(key)) return;
    size_t& last = touched_[key];
    trail_.push_back({.at = at_, .key = key, .touched = last});
    last = at_ + 1;
  }
  size_t touched(BytesView key) const {
    auto it = touched_.find(key);
    return it == touched_.end() ? 0 : it->second;
  }
  Mismatch mismatch(BytesView key, std::string_view expected, Wanted::What wanted = Wanted::What::nothing,
                    std::optional<BytesView> value = {}) const {
    return {key, fmt::format("there {}, but {}", shown(key), expected), {{wanted, key, value, touched(key)}}};
  }

  std::optional<Mismatch> condition(const kv::Condition& condition) const {
    const Cell* cell = find(condition.key);
    switch (condition.kind) {
      case kv::Condition::Kind::absent:
        if (cell == nullptr) return std::nullopt;
        return mismatch(condition.key, "it must be absent", Wanted::What::erase);
      case kv::Condition::Kind::present:
        if (cell != nullptr) return std::nullopt;
        return mismatch(condition.key, "it must be present", Wanted::What::put);
      case kv::Condition::Kind::value_equals:
        if (cell != nullptr && cell->value == condition.value) return std::nullopt;
        return mismatch(condition.key, "it must be " + quote_short(condition.value), Wanted::What::put,
                        condition.value);
      case kv::Condition::Kind::mod_revision_equals:
        if ((cell == nullptr ? 0 : cell->mod_revision) == condition.revision) return std::nullopt;
        return mismatch(condition.key, fmt::format("it must be at revision {}", condition.revision),
                        condition.revision == 0 ? Wanted::What::erase : Wanted::What::nothing);
    }
    return std::nullopt;
  }

  // Of a write in doubt that is assumed to have happened all hold: otherwise it changed nothing.
  std::optional<Mismatch> conditions(const Operation::Write& write, const KvEvent& event) {
    bool failed = event.kind == Kind::write && !write.reply.succeeded;
    if (failed && write.reply.failed_condition >= write.conditions.size()) {
      return Mismatch{{}, "it says that a condition failed which it does not have"};
    }
    if (event.kind == Kind::write && !failed && write.reply.results.size() != write.ops.size()) {
      return Mismatch{{}, "its results are not one for each operation"};
    }
    size_t count = failed ? write.reply.failed_condition : write.conditions.size();
    for (size_t i = 0; i < count; ++i) {
      if (auto found = condition(write.conditions[i])) return found;
    }
    if (event.kind == Kind::write) {
      for (size_t i = 0; i < count; ++i) touch(write.conditions[i].key);
    }
    return std::nullopt;
  }

  std::optional<Mismatch> failed(const Operation::Write& write) {
    const kv::Condition& wrong = write.conditions[write.reply.failed_condition];
    if (auto found = observe(wrong.key, write.reply.current ? &*write.reply.current : nullptr, true))
      return found;
    if (condition(wrong)) return std::nullopt;
    return mismatch(wrong.key, "the condition that is said to have failed holds");
  }

  std::optional<Mismatch> results(const Operation::Write& write) const {
    for (size_t i = 0; i < write.ops.size(); ++i) {
      const Cell* cell = find(write.ops[i].key);
      const kv::OpResult& result = write.reply.results[i];
      if (cell != nullptr && !result.existed) {
        return mismatch(write.ops[i].key, "the write found it absent", Wanted::What::erase);
      }
      if ((cell == nullptr ? 0 : cell->mod_revision) != result.previous_revision ||
          (cell != nullptr) != result.existed) {
        return mismatch(write.ops[i].key,
                        fmt::format("the write found revision {}", result.previous_revision));
      }
    }
    return std::nullopt;
  }

  // The creation and version of the key's put there, if they were seen.
  const KvEvidence::Seen* life(BytesView key, const KvEvent& event) const {
    const auto* seen = event.kind == Kind::hidden ? nullptr : evidence_.seen(event.revision);
    if (seen == nullptr) return nullptr;
    auto found = seen->find(key);
    return found == seen->end() || !found->second.create_revision ? nullptr : &found->second;
  }

  // What was later seen of the keys tells how many puts came before.
  std::optional<Mismatch> lives(const Operation::Write& write, const KvEvent& event) const {
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
      if (cell->version + 1 < known->version) found.wanted = {{Wanted::What::put, op.key, {}, cell->counted}};
      return found;
    }
    return std::nullopt;
  }

  void change(const Operation::Write& write, const KvEvent& event) {
    uint64_t revision = event.kind == Kind::hidden ? kUnseen : event.revision;
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

  std::optional<Mismatch> observe(BytesView key, const kv::Record* record, bool with_value) {
    const Cell* cell = find(key);
    if (record == nullptr) {
      if (cell != nullptr) return mismatch(key, "it was seen absent", Wanted::What::erase);
    } else if (cell == nullptr || !cell->is(*record, with_value)) {
      return mismatch(key, "it was seen as " + describe(*record));
    }
    touch(key);
    return std::nullopt;
  }

  std::optional<Mismatch> observe(const Operation::Range& range) {
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
      if (request.keys_only && !record->value.empty())
        return mismatch(key, "a range of keys shows its value");
      if (auto found = observe(key, record, !request.keys_only)) return found;
    }
    for (auto it = cells_.lower_bound(from); it != cells_.end() && (!to || it->first < *to); ++it) {
      if (!seen.contains(it->first))
        return mismatch(it->first, "it was not in the range", Wanted::What::erase);
      touch(it->first);
    }
    return std::nullopt;
  }

  std::optional<Mismatch> anything_left(const kv::RangeRequest& request, BytesView last) const {
    auto left = [&](const auto& item) {
      return in_range(request, item.first) && (request.reverse ? item.first < last : item.first > last);
    };
    if (std::ranges::any_of(cells_, left)) return std::nullopt;
    Mismatch found = mismatch(last, "the range ends with it, though there is more");
    for (const auto& item : changing_) {
      if (left(item)) found.wanted.push_back({Wanted::What::put, item.first, {}, touched(item.first)});
    }
    return found;
  }

  // --- what is not known ---

  // The writes in doubt that made the state what it is where it should be another.
  Causes causes_of(const Mismatch& mismatch) const {
    Causes causes;
    if (events_[at_].id == kNoOperation) return causes;
    causes.insert(events_[at_].id);
    changed_by(mismatch.key, causes);
    for (const Wanted& wanted : mismatch.wanted) changed_by(wanted.key, causes);
    return causes;
  }

  // Back to where answers tell all of the key.
  void changed_by(BytesView key, Causes& causes) const {
    for (size_t place = at_; place-- > 0;) {
      const KvEvent& event = events_[place];
      const Operation& operation = history_.at(event.id);
      if (const auto* get = std::get_if<Operation::Get>(&operation.call)) {
        if (get->key == key) return;
        continue;
      }
      if (const auto* range = std::get_if<Operation::Range>(&operation.call)) {
        auto shows = [key](const kv::KeyRecord& entry) { return entry.key == key; };
        if (!range->request.keys_only && std::ranges::any_of(range->reply.entries, shows)) return;
        continue;
      }
      const auto* write = operation.write();
      if (operation.ok() && !write->reply.succeeded) continue;
      if (event.kind == Kind::found) causes.insert(event.id);  // another one there might change it
      for (size_t i = 0; i < write->ops.size(); ++i) {
        if (write->ops[i].key != key) continue;
        if (!operation.ok()) {
          causes.insert(event.id);
        } else if (write->ops[i].kind == kv::Op::Kind::erase || !write->reply.results[i].existed) {
          return;
        }
      }
    }
  }

  // To `causes` goes why there are no more.
  std::vector<Option> options_for(const Mismatch& mismatch, Causes& causes) {
    std::vector<Option> options;
    const KvEvent& event = events_[at_];
    if (event.id == kNoOperation) {
      for (size_t id : candidates_for(event)) {
        if (used_[id]) {
          causes.insert(id);
        } else {
          options.push_back({id, at_});
        }
      }
      return options;
    }
    for (const Wanted& wanted : mismatch.wanted) {
      auto changing = changing_.find(wanted.key);
      if (wanted.what == Wanted::What::nothing || changing == changing_.end()) continue;
      for (size_t id : changing->second) {
        bool fits = std::ranges::any_of(history_.at(id).write()->ops, [&](const kv::Op& op) {
          if (op.key != wanted.key) return false;
          if (wanted.what == Wanted::What::erase) return op.kind == kv::Op::Kind::erase;
          return op.kind == kv::Op::Kind::put && (!wanted.value || *wanted.value == op.value);
        });
        if (!fits) continue;
        if (used_[id]) {
          causes.insert(id);
        } else {
          add_places(id, wanted, options, causes);
        }
      }
    }
    return options;
  }

  // The latest place first; of places with nothing that concerns the write between them, all but one are
  // spare.
  void add_places(size_t id, const Wanted& wanted, std::vector<Option>& options, Causes& causes) {
    const Operation& write = history_.at(id);
    bool spare = false;
    bool refuted = false;
    for (size_t place = at_ + 1; place-- > wanted.after && write.invoked < events_[place].began_before;) {
      const KvEvent& next = events_[place];
      bool differs = place < at_ && concerns(next, *write.write());
      if (differs) spare = false;
      if (wanted.what == Wanted::What::put) refuted = refutes(next, wanted.key).value_or(refuted);
      bool same_index = place < at_ && next.kind == Kind::hidden;
      if ((same_index && !differs) || refuted || !has_room(place, causes)) continue;
      options.push_back({.id = id, .place = place, .inserted = true, .spare = spare});
      spare = true;
    }
  }

  // Whether the event tells the revision of the key's last put, which is not that of a hidden put before it.
  // Nullopt when it says nothing of the key.
  std::optional<bool> refutes(const KvEvent& event, BytesView key) const {
    const Operation& operation = history_.at(event.id);
    if (const auto* get = std::get_if<Operation::Get>(&operation.call)) {
      return get->key == key ? std::optional(get->reply.record.has_value()) : std::nullopt;
    }
    if (const auto* range = std::get_if<Operation::Range>(&operation.call)) {
      bool shown = std::ranges::any_of(range->reply.entries, [&](auto& entry) { return entry.key == key; });
      return shown ? std::optional(true) : std::nullopt;
    }
    const Operation::Write& write = *operation.write();
    if (operation.ok() && !write.reply.succeeded) return std::nullopt;
    auto op = std::ranges::find(write.ops, key, [](const kv::Op& each) { return BytesView(each.key); });
    if (op == write.ops.end()) return std::nullopt;
    return operation.ok() && write.reply.results[static_cast<size_t>(op - write.ops.begin())].existed;
  }

  bool concerns(const KvEvent& event, const Operation::Write& write) const {
    if (event.id == kNoOperation) return true;
    const Operation& other = history_.at(event.id);
    auto touches = [&](BytesView key) {
      auto same = [&](const auto& item) { return item.key == key; };
      if (const auto* get = std::get_if<Operation::Get>(&other.call)) return get->key == key;
      if (const auto* range = std::get_if<Operation::Range>(&other.call))
        return in_range(range->request, key);
      return std::ranges::any_of(other.write()->ops, same) ||
             std::ranges::any_of(other.write()->conditions, same);
    };
    return std::ranges::any_of(write.ops, [&](const kv::Op& op) { return touches(op.key); }) ||
           std::ranges::any_of(write.conditions, [&](const kv::Condition& c) { return touches(c.key); });
  }

  // Whether the log has a free index just before the event at `place`.
  bool has_room(size_t place, Causes& causes) {
    size_t before = place;
    while (before > 0 && events_[before - 1].kind == Kind::hidden) --before;
    size_t next = place;
    while (next < events_.size() && events_[next].kind == Kind::hidden) ++next;
    uint64_t low = before == 0 ? 0 : events_[before - 1].revision;
    uint64_t high = next == events_.size()
                        ? kUnseen
                        : events_[next].revision - (events_[next].kind == Kind::read ? 0 : 1);
    if (high - low > next - before) return true;
    // Those that are there now might be elsewhere.
    for (size_t i = before; i < next; ++i) {
      crowds_[events_[i].id] = true;
      causes.insert(events_[i].id);
    }
    return false;
  }

  // Undoes what the events from `place` on did.
  void rewind(size_t place) {
    at_ = std::min(at_, place);
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

  void take(const Option& option) {
    used_[option.id] = true;
    if (!option.spare) crowds_[option.id] = false;
    auto place = events_.begin() + static_cast<std::ptrdiff_t>(option.place);
    if (option.inserted) {
      events_.insert(place, {Kind::hidden, 0, option.id, place->began_before});
    } else {
      place->id = option.id;
    }
    rewind(option.place);
  }

  void undo(const Option& option) {
    used_[option.id] = false;
    auto place = events_.begin() + static_cast<std::ptrdiff_t>(option.place);
    if (option.inserted) {
      events_.erase(place);
    } else {
      place->id = kNoOperation;
    }
    rewind(option.place);
  }

  // Conflict-directed backjumping (Prosser, "Hybrid algorithms for the constraint satisfaction problem",
  // 1993): undoes the choices back to the latest one of the causes, and makes another there.
  bool take_back(Causes causes) {
    while (!branches_.empty()) {
      Branch& branch = branches_.back();
      const Option undone = branch.option();
      undo(undone);
      if (causes.erase(undone.id) > 0) {
        branch.causes.merge(causes);
        ++branch.next;
        while (branch.next < branch.options.size() && branch.option().spare && !crowds_[undone.id]) {
          ++branch.next;
        }
        if (branch.next < branch.options.size()) {
          take(branch.option());
          return true;
        }
        causes = std::move(branch.causes);
      }
      branches_.pop_back();
    }
    return false;
  }

  // The witness is of the furthest point that was reached.
  void remember(const Mismatch& mismatch) {
    const KvEvent& event = events_[at_];
    if (!witness_.empty() && at_ <= furthest_) return;
    furthest_ = at_;
    if (event.id == kNoOperation) {
      const auto& seen = *evidence_.seen(event.revision);
      auto [rule, why] = blame(event.revision, seen);
      rule_ = rule;
      witness_ = unexplained(event.revision, seen) + why;
      return;
    }
    rule_ = "wrong-answer";
    witness_ = fmt::format("the log is explained up to revision {}; {}\n  #{} {}\n",
                           at_ == 0 ? 0 : events_[at_ - 1].revision, mismatch.text, event.id,
                           describe(history_.at(event.id)));
    witness_ +=
        fmt::format("what happened to {} by then, in the order of the log:\n", quote_short(mismatch.key));
    Operation::Write key{.ops = {{.key = Bytes(mismatch.key)}}};
    std::vector<size_t> story;
    for (size_t i = at_; i-- > 0 && story.size() < kStoryShown;) {
      if (concerns(events_[i], key)) story.push_back(events_[i].id);
    }
    for (size_t id : story | std::views::reverse) {
      witness_ += fmt::format("  #{} {}\n", id, describe(history_.at(id)));
    }
    if (auto doubts = changing_.find(mismatch.key); doubts != changing_.end()) {
      witness_ += "writes in doubt that may change it, none of which explains this:\n";
      for (size_t i = 0; i < std::min(doubts->second.size(), kStoryShown); ++i) {
        witness_ += fmt::format("  #{} {}\n", doubts->second[i], describe(history_.at(doubts->second[i])));
      }
    }
  }

  const History& history_;
  const uint64_t steps_max_;
  const KvEvidence evidence_;
  std::map<BytesView, std::vector<size_t>> changing_;  // writes in doubt by the keys they change

  std::vector<KvEvent> events_;  // with what is assumed by now
  std::vector<bool> used_;       // writes in doubt that are among them
  // Took the last free index at a place where another write was wanted, in this or a spare place of its
  // option.
  std::vector<bool> crowds_;
  std::vector<Branch> branches_;

  size_t at_ = 0;
  std::map<BytesView, Cell> cells_;
  std::vector<Undo> trail_;
  std::map<BytesView, size_t> touched_;  // after how many events a key was last known

  uint64_t steps_ = 0;
  size_t furthest_ = 0;
  std::string rule_;
  std::string witness_;
};

}  // namespace

KvReport check_kv(const History& history, uint64_t steps_max) {
  return Replay(history, steps_max).run();
}

}  // namespace aspen::lab
