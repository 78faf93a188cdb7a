#include "core/lab/kv_check.h"

#include <algorithm>
#include <numeric>

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
  size_t created_at = 0;  // place in the order of events

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
  Wanted wanted = {};
};

// Keys that writes in doubt change together: what is decided about one group cannot mend another.
class Groups {
 public:
  size_t of(BytesView key) {
    size_t at = index_.try_emplace(key, parent_.size()).first->second;
    if (at == parent_.size()) parent_.push_back(at);
    while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
    return at;
  }
  void join(BytesView a, BytesView b) {
    size_t root = of(a);
    parent_[of(b)] = root;
  }

 private:
  std::map<BytesView, size_t> index_;
  std::vector<size_t> parent_;
};

bool in_range(const kv::RangeRequest& request, BytesView key) {
  return key >= request.start && (request.end.empty() || key < request.end);
}

class Replay {
 public:
  Replay(const History& history, uint64_t steps_max)
      : history_(history), steps_max_(steps_max), evidence_(history), used_(history.size()) {
    for (size_t id = 0; id < history.size(); ++id) {
      if (!history.at(id).ambiguous()) continue;
      const Operation::Write& write = *history.at(id).write();
      BytesView any;
      auto touch = [&](BytesView key) {
        if (!any.empty()) groups_.join(any, key);
        any = key;
      };
      for (const kv::Op& op : write.ops) {
        touch(op.key);
        changing_[op.key].push_back(id);
      }
      for (const kv::Condition& condition : write.conditions) touch(condition.key);
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
      std::vector<Option> options = options_for(*mismatch);
      if (options.empty()) remember(*mismatch);
      if (!options.empty()) {
        branches_.push_back({std::move(options)});
        take(branches_.back());
      } else if (!take_back(groups_.of(mismatch->key))) {
        if (crowded_)
          return report(Verdict::Kind::unknown, "hidden writes compete for a log index", witness_);
        return report(Verdict::Kind::violation, rule_, witness_);
      }
    }
    return report(Verdict::Kind::linearizable, "", "");
  }

 private:
  struct Option {
    size_t id;
    size_t place;  // of the event it decides, or before which it is inserted
    bool inserted;
  };
  struct Branch {
    std::vector<Option> options;
    size_t next = 0;
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
      std::vector<size_t> candidates = candidates_for(event, true);
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

  std::vector<size_t> candidates_for(const KvEvent& event, bool also_used = false) const {
    const auto& seen = *evidence_.seen(event.revision);
    std::vector<size_t> found;
    auto changing = changing_.find(seen.begin()->first);
    if (changing == changing_.end()) return found;
    for (size_t id : changing->second) {
      if ((also_used || !used_[id]) && history_.at(id).invoked < event.began_before &&
          evidence_.explains(id, seen)) {
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
  void touch(BytesView key) { touched_[key] = at_ + 1; }
  size_t touched(BytesView key) const {
    auto it = touched_.find(key);
    return it == touched_.end() ? 0 : it->second;
  }
  Mismatch mismatch(BytesView key, std::string_view expected, Wanted::What wanted = Wanted::What::nothing,
                    std::optional<BytesView> value = {}) const {
    return {key, fmt::format("there {}, but {}", shown(key), expected), {wanted, key, value, touched(key)}};
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
    if (write.reply.results.size() != write.ops.size())
      return Mismatch{{}, "its results are not one for each operation"};
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

  // What was later seen of the keys tells how many puts came before.
  std::optional<Mismatch> lives(const Operation::Write& write, const KvEvent& event) const {
    const auto* seen = event.kind == Kind::hidden ? nullptr : evidence_.seen(event.revision);
    if (seen == nullptr) return std::nullopt;
    for (const kv::Op& op : write.ops) {
      auto known = seen->find(op.key);
      if (op.kind != kv::Op::Kind::put || known == seen->end() || !known->second.create_revision) continue;
      const KvEvidence::Seen& life = known->second;
      const Cell* cell = find(op.key);
      if (*life.create_revision == event.revision) {
        if (cell != nullptr) return mismatch(op.key, "it was created here", Wanted::What::erase);
        continue;
      }
      std::string expected = fmt::format("it was put here as version {}, created at revision {}",
                                         life.version, *life.create_revision);
      if (cell == nullptr || cell->create_revision != *life.create_revision)
        return mismatch(op.key, expected);
      if (cell->version + 1 == life.version) continue;
      Mismatch found = mismatch(op.key, expected);
      if (cell->version + 1 < life.version)
        found.wanted = {Wanted::What::put, op.key, {}, cell->created_at + 1};
      return found;
    }
    return std::nullopt;
  }

  void change(const Operation::Write& write, const KvEvent& event) {
    uint64_t revision = event.kind == Kind::hidden ? kUnseen : event.revision;
    for (const kv::Op& op : write.ops) {
      touch(op.key);
      if (op.kind == kv::Op::Kind::erase) {
        cells_.erase(op.key);
        continue;
      }
      auto [it, fresh] = cells_.try_emplace(op.key);
      Cell& cell = it->second;
      if (fresh) cell = {.create_revision = revision, .created_at = at_};
      cell.value = op.value;
      cell.mod_revision = revision;
      ++cell.version;
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
      if (!anything_left(request, last))
        return mismatch(last, "the range ends with it, though there is more");
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

  // Whether the range holds a key beyond `last`, or may, by a write in doubt.
  bool anything_left(const kv::RangeRequest& request, BytesView last) const {
    auto left = [&](const auto& item) {
      return in_range(request, item.first) && (request.reverse ? item.first < last : item.first > last);
    };
    return std::ranges::any_of(cells_, left) || std::ranges::any_of(changing_, left);
  }

  // --- what is not known ---

  std::vector<Option> options_for(const Mismatch& mismatch) {
    std::vector<Option> options;
    const KvEvent& event = events_[at_];
    if (event.id == kNoOperation) {
      for (size_t id : candidates_for(event)) options.push_back({id, at_, false});
      return options;
    }
    const Wanted& wanted = mismatch.wanted;
    auto changing = changing_.find(wanted.key);
    if (wanted.what == Wanted::What::nothing || changing == changing_.end()) return options;
    for (size_t id : changing->second) {
      const Operation::Write& write = *history_.at(id).write();
      bool fits = std::ranges::any_of(write.ops, [&](const kv::Op& op) {
        if (op.key != wanted.key) return false;
        if (wanted.what == Wanted::What::erase) return op.kind == kv::Op::Kind::erase;
        return op.kind == kv::Op::Kind::put && (!wanted.value || *wanted.value == op.value);
      });
      if (fits && !used_[id]) add_places(id, wanted.after, options);
    }
    return options;
  }

  // The latest place first; an earlier one only where something that concerns the write lies between.
  void add_places(size_t id, size_t after, std::vector<Option>& options) {
    bool differs = true;
    for (size_t place = at_ + 1; place-- > after;) {
      if (place < at_ && concerns(events_[place], *history_.at(id).write())) differs = true;
      if (!differs || history_.at(id).invoked >= events_[place].began_before || !has_room(place)) continue;
      options.push_back({id, place, true});
      differs = false;
    }
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
  bool has_room(size_t place) {
    uint64_t hidden = 0;
    size_t before = place;
    while (before > 0 && events_[before - 1].kind == Kind::hidden) ++hidden, --before;
    size_t next = place;
    while (next < events_.size() && events_[next].kind == Kind::hidden) ++hidden, ++next;
    uint64_t low = before == 0 ? 0 : events_[before - 1].revision;
    uint64_t high = next == events_.size()
                        ? kUnseen
                        : events_[next].revision - (events_[next].kind == Kind::read ? 0 : 1);
    if (high - low > hidden) return true;
    if (high > low) crowded_ = true;
    return false;
  }

  void restart() {
    at_ = 0;
    cells_.clear();
    touched_.clear();
  }

  void take(Branch& branch) {
    const Option& option = branch.options[branch.next];
    used_[option.id] = true;
    auto place = events_.begin() + static_cast<std::ptrdiff_t>(option.place);
    if (option.inserted) {
      events_.insert(place, {Kind::hidden, 0, option.id, place->began_before});
    } else {
      place->id = option.id;
    }
    if (option.place < at_) restart();
  }

  // Undoes the latest choice that another choice for this group of keys could replace, and makes that one.
  bool take_back(size_t group) {
    while (!branches_.empty()) {
      Branch& branch = branches_.back();
      const Option& option = branch.options[branch.next];
      used_[option.id] = false;
      auto place = events_.begin() + static_cast<std::ptrdiff_t>(option.place);
      if (option.inserted) {
        events_.erase(place);
      } else {
        place->id = kNoOperation;
      }
      const Operation::Write& write = *history_.at(option.id).write();
      if (groups_.of(write.ops.front().key) == group && ++branch.next < branch.options.size()) {
        restart();
        take(branch);
        return true;
      }
      branches_.pop_back();
    }
    return false;
  }

  // The witness is of the furthest point that was reached.
  void remember(const Mismatch& mismatch) {
    const KvEvent& event = events_[at_];
    if (!witness_.empty() && at_ < furthest_) return;
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
    for (size_t i = 0; i < at_; ++i) {
      if (concerns(events_[i], key)) story.push_back(events_[i].id);
    }
    for (size_t i = story.size() - std::min(story.size(), kStoryShown); i < story.size(); ++i) {
      witness_ += fmt::format("  #{} {}\n", story[i], describe(history_.at(story[i])));
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
  Groups groups_;

  std::vector<KvEvent> events_;  // with what is assumed by now
  std::vector<bool> used_;       // writes in doubt that are among them
  std::vector<Branch> branches_;
  bool crowded_ = false;  // a place was refused because of another assumption

  size_t at_ = 0;
  std::map<BytesView, Cell> cells_;
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
