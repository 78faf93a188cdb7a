#include "core/lab/history_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/lab/history.h"
#include "core/lab/visit.h"

namespace aspen::lab {
namespace {

std::string text(const kv::Record* record) {
  return record != nullptr ? describe(*record) : "nothing";
}

uint64_t last_number(std::string_view message) {
  const std::string_view word = message.substr(message.rfind(' ') + 1);
  uint64_t number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

std::string check_error(const ReadStory& story, uint64_t revision, const CommittedModel& committed) {
  const Error& error = *story.error;
  if (is_circumstance(error)) return {};
  const std::string told = fmt::format("a read at revision {} failed: {}", revision, error.to_string());
  if (error.code == Code::COMPACTED) {
    const uint64_t compacted = committed.compacted_at(story.committed);
    if (revision >= compacted) return fmt::format("{}; the store is compacted to {}", told, compacted);
    // Which one depends on how far the member has come that answered.
    const uint64_t named = last_number(error.message);
    if (named > revision && named <= compacted && committed.compacted_to(named)) return {};
    return fmt::format("{}; the store was never compacted to {}", told, named);
  }
  const bool not_yet =
      error.code == Code::INVALID_ARGUMENT && revision != 0 && error.message.contains("has not happened yet");
  if (!not_yet) return told;
  if (story.freshness.stale() || revision > story.acknowledged) return {};
  return fmt::format("{}; {} had been told", told, story.acknowledged);
}

}  // namespace

std::string compare_page(const kv::RangeRequest& request, const kv::RangeReply& page,
                         const kv::TestModel::State& records) {
  kv::RangeRequest covered = request;
  covered.limit = 0;
  if (page.more) (request.reverse ? covered.start : covered.end) = page.continuation;
  if (request.limit != 0 && page.entries.size() > request.limit) {
    return fmt::format("it has {} entries of at most {}", page.entries.size(), request.limit);
  }
  const std::vector<kv::KeyRecord> expected = kv::TestModel::range(records, covered).entries;
  auto [is, must] = std::ranges::mismatch(page.entries, expected);
  if (is == page.entries.end() && must == expected.end()) return {};
  auto entry = [](auto at, const std::vector<kv::KeyRecord>& all) {
    return at == all.end() ? "its end" : fmt::format("{} as {}", at->key, describe(at->record));
  };
  return fmt::format("it has {} where {} comes", entry(is, page.entries), entry(must, expected));
}

std::string check_read(const ReadStory& story, const CommittedModel& committed) {
  const uint64_t asked = std::visit([](const auto& request) { return request.revision; }, story.request);
  if (story.error) return check_error(story, asked, committed);
  if (!story.got && !story.page) return {};
  const uint64_t applied = story.got ? story.got->revision : story.page->revision;
  const uint64_t revision = asked != 0 ? asked : applied;
  if (applied > story.committed) {
    return fmt::format("a read was answered at {}; {} was committed", applied, story.committed);
  }
  if (!story.freshness.stale() && applied < story.acknowledged) {
    return fmt::format("a read was answered at {}, after {} had been told", applied, story.acknowledged);
  }
  if (revision > applied) return fmt::format("a read at revision {} was answered at {}", revision, applied);
  if (revision < committed.compacted_at(applied)) {
    return fmt::format("a read at revision {} was answered at {}, when the store was compacted to {}",
                       revision, applied, committed.compacted_at(applied));
  }
  if (const auto* get = std::get_if<kv::GetRequest>(&story.request)) {
    const kv::Record* record = committed.model().find(get->key, revision);
    const bool same = record == nullptr ? !story.got->record : story.got->record == *record;
    if (same) return {};
    return fmt::format("{} was told to be {} at revision {}, and was {}", get->key,
                       text(story.got->record ? &*story.got->record : nullptr), revision, text(record));
  }
  const auto& range = std::get<kv::RangeRequest>(story.request);
  if (story.page->more && story.page->entries.empty()) return "a page has nothing, and more is to come";
  const std::string wrong =
      compare_page(range, *story.page, committed.model().at(revision, range.start, range.end));
  if (wrong.empty()) return {};
  return fmt::format("a page of revision {}, from \"{}\" to \"{}\"{}, at most {}: {}", revision, range.start,
                     range.end, range.reverse ? " in reverse" : "", range.limit, wrong);
}

}  // namespace aspen::lab
