#include "core/lab/watch_check.h"

#include <fmt/format.h>

namespace aspen::lab {
namespace {

// What of the set the request asks for, worked out apart from the code that is judged.
std::vector<const kv::Event*> wanted(const kv::WatchRequest& request, const kv::ChangeSet& set) {
  std::vector<const kv::Event*> events;
  for (const kv::Event& event : set.events) {
    const bool below = event.key < request.start;
    const bool above = !request.end.empty() && event.key >= request.end;
    const bool put = event.kind == kv::Event::Kind::put;
    if (!below && !above && !(put ? request.skip_puts : request.skip_erases)) events.push_back(&event);
  }
  return events;
}

// The revision that the store was compacted to may be told without what was there before.
bool same(const kv::Event& told, const kv::Event& happened, bool previous, bool may_lack_previous) {
  const bool before =
      previous ? told.previous == happened.previous || (may_lack_previous && !told.previous) : !told.previous;
  return told.kind == happened.kind && told.key == happened.key && told.record == happened.record && before;
}

std::string check_events(const WatchStory& story, const WatchStory::Told& told, uint64_t next,
                         const CommittedChanges& committed) {
  const uint64_t expected = next_to_tell(story.request, next, committed);
  if (told.revision != expected) {
    return fmt::format("told of revision {} where {} comes next{}", told.revision, expected,
                       told.revision < next ? "; it was told before" : "");
  }
  const std::vector<const kv::Event*> events = wanted(story.request, *committed.from(expected));
  bool equal = told.events.size() == events.size();
  for (size_t i = 0; equal && i < events.size(); ++i) {
    equal = same(told.events[i], *events[i], story.request.previous, committed.compacted_to(expected));
  }
  if (equal) return {};
  return fmt::format("revision {} was told with {} events and has {}, or they differ", expected,
                     told.events.size(), events.size());
}

}  // namespace

uint64_t next_to_tell(const kv::WatchRequest& request, uint64_t next, const CommittedChanges& committed) {
  for (auto set = committed.from(next); set != committed.sets().end(); ++set) {
    if (!wanted(request, *set).empty()) return set->revision;
  }
  return 0;
}

std::string check_told(const WatchStory& story, const CommittedChanges& committed) {
  uint64_t next = story.first;
  for (const WatchStory::Told& told : story.told) {
    if (told.compacted) {
      if (told.revision <= next || !committed.compacted_to(told.revision)) {
        return fmt::format("ended as compacted to {}, where {} comes next", told.revision, next);
      }
      next = told.revision;
      continue;
    }
    if (told.events.empty()) {
      const uint64_t missing = next_to_tell(story.request, next, committed);
      if (told.revision < next) return fmt::format("a mark at {} where {} comes next", told.revision, next);
      if (told.revision > committed.upto()) return fmt::format("a mark at {}, not committed", told.revision);
      if (missing != 0 && missing <= told.revision) {
        return fmt::format("a mark at {} without revision {}", told.revision, missing);
      }
    } else if (std::string wrong = check_events(story, told, next, committed); !wrong.empty()) {
      return wrong;
    }
    next = told.revision + 1;
  }
  return {};
}

}  // namespace aspen::lab
