#include "core/lab/kv_check.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "core/lab/kv_replay.h"
#include "core/lab/kv_spans.h"
#include "core/lab/text.h"

namespace aspen::lab {
namespace {

using Kind = KvEvent::Kind;

constexpr uint64_t kUnseen = UINT64_MAX;  // the revision of a hidden write
constexpr size_t kStoryShown = 16;        // events of a key, in a witness

// Writes in doubt, by their operations: without what was chosen for them something might fit.
using Causes = std::set<size_t>;

class Search {
 public:
  Search(const History& history, uint64_t steps_max)
      : history_(history),
        steps_max_(steps_max),
        evidence_(history),
        spans_(history, evidence_),
        replay_(history, evidence_),
        used_(history.size()),
        crowds_(history.size()) {}

  KvReport run() {
    if (auto fault = evidence_.fault()) return report(Verdict::Kind::violation, fault->rule, fault->text);
    if (auto fault = evidence_.too_old()) return report(Verdict::Kind::violation, fault->rule, fault->text);
    events_ = evidence_.events();
    if (auto found = settle_found()) return *found;
    while (at() < events_.size()) {
      if (steps_++ == steps_max_) return report(Verdict::Kind::unknown, "kKvStepsMax", witness_);
      std::optional<KvMismatch> mismatch = next();
      if (!mismatch) continue;
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
    for (bool settled = false; !std::exchange(settled, true);) {
      for (KvEvent& event : events_) {
        if (event.id != kNoOperation) continue;
        std::vector<size_t> candidates = explaining(event);
        std::erase_if(candidates, [this](size_t id) { return used_[id]; });
        if (candidates.empty()) {
          auto [rule, text] = unexplained(event);
          return report(Verdict::Kind::violation, rule, text);
        }
        // When no place is left for any, some answer is wrong, and the replay tells which.
        std::erase_if(candidates, [&](size_t id) { return !spans_.may_be(id, event.slot); });
        if (candidates.size() != 1) continue;
        event.id = candidates.front();
        used_[event.id] = true;
        settled = false;  // it explains nothing else
      }
    }
    return std::nullopt;
  }

  std::vector<size_t> explaining(const KvEvent& event) const {
    const auto& seen = *evidence_.seen(event.revision);
    std::vector<size_t> found;
    auto changing = evidence_.in_doubt().find(seen.begin()->first);
    if (changing == evidence_.in_doubt().end()) return found;
    for (size_t id : changing->second) {
      if (history_.at(id).invoked < event.began_before && evidence_.explains(id, seen)) found.push_back(id);
    }
    return found;
  }

  KvFault unexplained(const KvEvent& event) const {
    const auto& seen = *evidence_.seen(event.revision);
    std::string out = fmt::format(
        "no write that may have been applied explains revision {}, where was seen:\n", event.revision);
    for (const auto& [key, what] : seen) {
      out += fmt::format("  {}{}, by\n  #{} {}\n", quote_short(key),
                         what.value ? " = " + quote_short(*what.value) : "", what.by,
                         describe(history_.at(what.by)));
    }
    for (size_t id = 0; id < history_.size(); ++id) {
      if (history_.at(id).write() == nullptr || !evidence_.explains(id, seen)) continue;
      auto [rule, why] = blame(id, event);
      if (rule.empty()) continue;
      return {rule,
              out + fmt::format("this write would, but {}:\n  #{} {}\n", why, id, describe(history_.at(id)))};
    }
    return {"never-written", out};
  }

  // Why the write must not be seen there.
  KvFault blame(size_t id, const KvEvent& event) const {
    const Operation& op = history_.at(id);
    if (op.outcome == Operation::Outcome::not_applied) {
      return {"not-applied-took-effect", "its client was told that it was not applied"};
    }
    if (op.ok()) {
      if (!op.write()->reply.succeeded) return {};
      return {"applied-twice", fmt::format("it is at revision {}", op.write()->reply.revision)};
    }
    if (used_[id]) return {"applied-twice", "another revision is already explained by it"};
    if (auto key = spans_.contradiction(id, event.slot, false)) {
      return {"never-written",
              fmt::format("the answers say that it did not change {} there, or that its condition failed",
                          quote_short(*key))};
    }
    return {"never-written", fmt::format("it began after revision {} was seen or overtaken", event.revision)};
  }

  // --- what is not known ---

  size_t at() const { return replay_.at(); }

  std::optional<KvMismatch> next() {
    const KvEvent& event = events_[at()];
    if (event.id != kNoOperation) return replay_.apply(event);
    return KvMismatch{evidence_.seen(event.revision)->begin()->first, "it is taken"};
  }

  // The writes in doubt that made the state what it is where it should be another.
  Causes causes_of(const KvMismatch& mismatch) const {
    Causes causes;
    if (events_[at()].id == kNoOperation) return causes;
    causes.insert(events_[at()].id);
    changed_by(mismatch.key, causes);
    for (const KvWanted& wanted : mismatch.wanted) changed_by(wanted.key, causes);
    return causes;
  }

  // Back to where answers tell all of the key.
  void changed_by(BytesView key, Causes& causes) const {
    for (size_t place = at(); place-- > 0;) {
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
      // A put of which all is known, but for the value of one that was found.
      bool told = event.kind != Kind::hidden && evidence_.life(event.revision, key) != nullptr;
      if (event.kind == Kind::found && (told || may_change(event, key))) causes.insert(event.id);
      for (size_t i = 0; i < write->ops.size(); ++i) {
        if (write->ops[i].key != key) continue;
        if (!operation.ok()) {
          causes.insert(event.id);
        } else if (write->ops[i].kind == kv::Op::Kind::erase || !write->reply.results[i].existed) {
          return;
        }
      }
      if (told) return;
    }
  }

  // Whether a write that explains what was found there changes the key.
  bool may_change(const KvEvent& event, BytesView key) const {
    auto changing = evidence_.in_doubt().find(key);
    return changing != evidence_.in_doubt().end() && std::ranges::any_of(changing->second, [&](size_t id) {
             return evidence_.explains(id, *evidence_.seen(event.revision));
           });
  }

  // To `causes` goes why there are no more.
  std::vector<Option> options_for(const KvMismatch& mismatch, Causes& causes) {
    std::vector<Option> options;
    const KvEvent& event = events_[at()];
    if (event.id == kNoOperation) {
      for (size_t id : explaining(event)) {
        if (!spans_.may_be(id, event.slot)) continue;
        if (used_[id]) {
          causes.insert(id);
        } else {
          options.push_back({id, at()});
        }
      }
      return options;
    }
    for (const KvWanted& wanted : mismatch.wanted) add_wanted(wanted, options, causes);
    return options;
  }

  void add_wanted(const KvWanted& wanted, std::vector<Option>& options, Causes& causes) {
    auto changing = evidence_.in_doubt().find(wanted.key);
    if (wanted.what == KvWanted::What::nothing || changing == evidence_.in_doubt().end()) return;
    const size_t others = options.size();
    uint64_t fitting = 0;
    for (size_t id : changing->second) {
      bool fits = std::ranges::any_of(history_.at(id).write()->ops, [&](const kv::Op& op) {
        if (op.key != wanted.key) return false;
        if (wanted.what == KvWanted::What::erase) return op.kind == kv::Op::Kind::erase;
        return op.kind == kv::Op::Kind::put && (!wanted.value || *wanted.value == op.value);
      });
      if (!fits) continue;
      if (used_[id]) {
        causes.insert(id);
        continue;
      }
      size_t before = options.size();
      add_places(id, wanted, options, causes);
      if (options.size() > before) ++fitting;
    }
    if (fitting < wanted.count) options.resize(others);
  }

  // The latest place first; of places with nothing that concerns the write between them, all but one are
  // spare.
  void add_places(size_t id, const KvWanted& wanted, std::vector<Option>& options, Causes& causes) {
    const Operation& write = history_.at(id);
    bool spare = false;
    for (size_t place = at() + 1; place-- > wanted.after && write.invoked < events_[place].began_before;) {
      const KvEvent& next = events_[place];
      bool differs = place < at() && concerns(next, *write.write());
      if (differs) spare = false;
      bool same_index = place < at() && next.kind == Kind::hidden;
      if (same_index && !differs) continue;
      if (!spans_.may_precede(id, next.slot) || !has_room(place, causes)) continue;
      options.push_back({.id = id, .place = place, .inserted = true, .spare = spare});
      spare = true;
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
           std::ranges::any_of(write.conditions, [&](const Condition& c) { return touches(c.key); });
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

  void take(const Option& option) {
    used_[option.id] = true;
    if (!option.spare) crowds_[option.id] = false;
    auto place = events_.begin() + static_cast<std::ptrdiff_t>(option.place);
    if (option.inserted) {
      events_.insert(place, {Kind::hidden, 0, option.id, place->began_before, place->slot});
    } else {
      place->id = option.id;
    }
    replay_.rewind(option.place);
  }

  void undo(const Option& option) {
    used_[option.id] = false;
    auto place = events_.begin() + static_cast<std::ptrdiff_t>(option.place);
    if (option.inserted) {
      events_.erase(place);
    } else {
      place->id = kNoOperation;
    }
    replay_.rewind(option.place);
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
  void remember(const KvMismatch& mismatch) {
    const KvEvent& event = events_[at()];
    if (!witness_.empty() && at() <= furthest_) return;
    furthest_ = at();
    if (event.id == kNoOperation) {
      auto [rule, text] = unexplained(event);
      rule_ = rule;
      witness_ = text;
      return;
    }
    rule_ = "wrong-answer";
    witness_ = fmt::format("the log is explained up to revision {}; {}\n  #{} {}\n",
                           at() == 0 ? 0 : events_[at() - 1].revision, mismatch.text, event.id,
                           describe(history_.at(event.id)));
    witness_ +=
        fmt::format("what happened to {} by then, in the order of the log:\n", quote_short(mismatch.key));
    Operation::Write key{.ops = {{.key = Bytes(mismatch.key)}}};
    std::vector<size_t> story;
    for (size_t i = at(); i-- > 0 && story.size() < kStoryShown;) {
      if (concerns(events_[i], key)) story.push_back(events_[i].id);
    }
    for (size_t id : story | std::views::reverse) {
      witness_ += fmt::format("  #{} {}\n", id, describe(history_.at(id)));
    }
    if (auto doubts = evidence_.in_doubt().find(mismatch.key); doubts != evidence_.in_doubt().end()) {
      witness_ += "writes in doubt that may change it, none of which explains this:\n";
      for (size_t i = 0; i < std::min(doubts->second.size(), kStoryShown); ++i) {
        witness_ += fmt::format("  #{} {}\n", doubts->second[i], describe(history_.at(doubts->second[i])));
      }
    }
  }

  const History& history_;
  const uint64_t steps_max_;
  const KvEvidence evidence_;
  const KvSpans spans_;
  KvReplay replay_;

  std::vector<KvEvent> events_;  // with what is assumed by now
  std::vector<bool> used_;       // writes in doubt that are among them
  // Took the last free index at a place where another write was wanted, in this or a spare place of its
  // option.
  std::vector<bool> crowds_;
  std::vector<Branch> branches_;

  uint64_t steps_ = 0;
  size_t furthest_ = 0;
  std::string rule_;
  std::string witness_;
};

}  // namespace

KvReport check_kv(const History& history, uint64_t steps_max) {
  return Search(history, steps_max).run();
}

}  // namespace aspen::lab
