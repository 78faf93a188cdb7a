#include "core/lab/draft_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/lab/history_check.h"
#include "core/lab/visit.h"

namespace aspen::lab {
namespace {

using Changes = std::map<Bytes, std::optional<Bytes>>;

bool contains(const Conflict& range, const Bytes& key) {
  return key >= range.start && kv::before_end(key, range.end);
}

bool contains(const Conflict& outer, const Conflict& inner) {
  const bool ends = outer.end.empty() || (!inner.end.empty() && inner.end <= outer.end);
  return inner.start >= outer.start && ends;
}

std::string check_reads(const DraftStory& story, const CommittedModel& committed) {
  for (const DraftStory::Read& read : story.reads) {
    if (read.page.revision != story.revision) {
      return fmt::format("it read at {}, and at {}", story.revision, read.page.revision);
    }
    const kv::TestModel::State base =
        committed.model().at(story.revision, read.request.start, read.request.end);
    std::string wrong = compare_page(read.request, read.page, read.staged.over(base));
    if (!wrong.empty()) return "of a page: " + wrong;
  }
  return {};
}

// What is staged, as changes of the revision.
Changes expected_changes(const DraftStory& story, const kv::TestModel& model, uint64_t revision) {
  Changes expected;
  for (const Conflict& range : story.staged.erased) {
    for (const auto& [key, record] : model.at(revision - 1, range.start, range.end)) expected[key] = {};
  }
  for (const auto& [key, value] : story.staged.writes) {
    expected.erase(key);
    if (value || model.find(key, revision - 1) != nullptr) expected[key] = value;
  }
  return expected;
}

std::string check_success(const DraftStory& story, const CommittedModel& committed, uint64_t revision) {
  const kv::TestModel& model = committed.model();
  for (const Conflict& range : story.checked()) {
    if (!model.changed(range.start, range.end, story.revision, revision - 1)) continue;
    return fmt::format("committed at {}, though \"{}\" to \"{}\" had changed", revision, range.start,
                       range.end);
  }
  Changes is;
  if (auto set = model.changes.find(revision); set != model.changes.end()) {
    for (const kv::Event& event : set->second.events) {
      is[event.key] = event.record ? std::optional(event.record->value) : std::nullopt;
    }
  }
  const Changes expected = expected_changes(story, model, revision);
  if (is == expected) return {};
  return fmt::format("committed at {} with {} changes, and has staged {}, or they differ", revision,
                     is.size(), expected.size());
}

std::string check_failure(const DraftStory& story, const CommittedModel& committed, uint64_t revision) {
  auto changed = [&](const Conflict& range) {
    return committed.model().changed(range.start, range.end, story.revision, revision - 1);
  };
  const std::vector<Conflict> checked = story.checked();
  if (std::ranges::none_of(checked, changed)) {
    return fmt::format("conflicted at {}, though nothing had changed", revision);
  }
  if (!story.branch || !story.answer || !*story.answer) return {};
  return check_conflicts((*story.answer)->conflicts, checked, changed);
}

std::string check_answer(const DraftStory& story, bool succeeded, uint64_t revision) {
  const node::SharedDraft::Committed& told = **story.answer;
  if (told.succeeded == succeeded && told.revision == revision) return {};
  return fmt::format("told of {} at {}, and it was {} at {}", told.succeeded ? "success" : "conflict",
                     told.revision, succeeded ? "success" : "conflict", revision);
}

std::string check_commit(const DraftStory& story, const CommittedModel& committed) {
  const std::vector<CommittedModel::Outcome>& outcomes = committed.outcomes(story.tag);
  if (outcomes.size() > 1) return "committed twice";
  const bool told = story.answer && *story.answer;
  if (story.changes_nothing() && told) {
    // It has read one state, which is all that it promises.
    return check_answer(story, true, story.revision);
  }
  if (outcomes.empty()) return told ? "committed, and not in the log" : "";
  if (!story.committed) return fmt::format("seen at {}, and never committed", outcomes[0].index);
  const Result<kv::WriteReply>& reply = outcomes[0].reply;
  if (!reply) return {};  // it was refused, as the model says, and changed nothing
  if (told) {
    std::string wrong = check_answer(story, reply->succeeded, reply->revision);
    if (!wrong.empty()) return wrong;
    if (reply->revision <= story.acknowledged) {
      return fmt::format("committed at {}, after {} had been told", reply->revision, story.acknowledged);
    }
  }
  const bool denied = story.answer && !*story.answer && (*story.answer).error().applied == Applied::NO;
  if (denied && reply->succeeded) return fmt::format("committed at {}, and failed", reply->revision);
  return reply->succeeded ? check_success(story, committed, reply->revision)
                          : check_failure(story, committed, reply->revision);
}

}  // namespace

bool Staged::has(const Bytes& key) const {
  return writes.contains(key) ||
         std::ranges::any_of(erased, [&](const Conflict& range) { return contains(range, key); });
}

void Staged::erase_range(const Bytes& start, const Bytes& end) {
  std::erase_if(writes, [&](const auto& write) { return contains({start, end}, write.first); });
  erased.push_back({start, end});
}

void Staged::add(const Staged& later) {
  for (const Conflict& range : later.erased) erase_range(range.start, range.end);
  for (const auto& [key, value] : later.writes) writes[key] = value;
}

std::vector<Conflict> Staged::ranges() const {
  std::vector<Conflict> ranges = erased;
  for (const auto& [key, value] : writes) ranges.push_back({key, kv::key_end(key)});
  return ranges;
}

kv::TestModel::State Staged::over(kv::TestModel::State state) const {
  for (const Conflict& range : erased) {
    std::erase_if(state, [&](const auto& item) { return contains(range, item.first); });
  }
  for (const auto& [key, value] : writes) {
    state.erase(key);
    if (value) state[key] = {.value = *value};
  }
  return state;
}

std::vector<Conflict> DraftStory::checked() const {
  std::vector<Conflict> checked = read;
  if (branch) std::ranges::copy(staged.ranges(), std::back_inserter(checked));
  return checked;
}

std::string check_conflicts(const std::vector<Conflict>& told, const std::vector<Conflict>& checked,
                            const std::function<bool(const Conflict&)>& changed) {
  for (const Conflict& conflict : told) {
    const bool real = std::ranges::any_of(
        checked, [&](const Conflict& range) { return contains(conflict, range) && changed(range); });
    if (!real) return fmt::format("told of a conflict at \"{}\" that is none", conflict.start);
  }
  for (const Conflict& range : checked) {
    const bool missing = changed(range) && std::ranges::none_of(told, [&](const Conflict& conflict) {
                           return contains(conflict, range);
                         });
    if (missing) return fmt::format("not told of the conflict at \"{}\"", range.start);
  }
  return {};
}

std::string check_draft(const DraftStory& story, const CommittedModel& committed) {
  if (story.revision != 0 && story.revision < story.acknowledged) {
    return fmt::format("draft {} began at {}, after {} had been told", story.tag, story.revision,
                       story.acknowledged);
  }
  std::string wrong = check_reads(story, committed);
  if (wrong.empty() && story.tag != 0) wrong = check_commit(story, committed);
  return wrong.empty() ? wrong : fmt::format("draft {} of {}: {}", story.tag, story.revision, wrong);
}

}  // namespace aspen::lab
