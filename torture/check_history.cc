// Checks recorded histories of the key-value store with our own checker (core/lab/kv_check.h).
//
//   aspen_check_history FILE...     the files of one cluster's clients; torture/history.py tells their form
//
// Prints one line of JSON and exits 0 when the history is linearizable, 1 when not, 2 when it cannot be read.
//
// The checker goes by revisions, and not every call of every language tells them. A read without one is left
// out. So is a whole group of keys (what is before the first `/`) when an acknowledged write to it has no
// full answer: the checker needs all writes of the keys it is told of.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/lab/kv_check.h"

namespace {

using namespace aspen;
using Json = nlohmann::json;

struct Line {
  Json json;
  lab::Operation::Call call;
  bool is_write = false;
};

kv::Record record_of(const Json& entry) {
  return {.value = entry.at(1),
          .create_revision = entry.at(2),
          .mod_revision = entry.at(3),
          .version = entry.at(4)};
}

std::optional<kv::Record> optional_record(const Json& entry) {
  return entry.is_null() ? std::nullopt : std::optional(record_of(entry));
}

// The first key after all those that begin with `prefix`. Requires: its last byte is not 0xff.
Bytes after(Bytes prefix) {
  ++prefix.back();
  return prefix;
}

lab::Condition condition_of(const Json& check) {
  lab::Condition condition{.key = check.at(0)};
  const std::string kind = check.at(1);
  if (kind == "value") {
    condition.kind = lab::Condition::Kind::value_equals;
    condition.value = check.at(2);
  } else if (kind == "revision") {
    condition.kind = lab::Condition::Kind::mod_revision_equals;
    condition.revision = std::stoull(check.at(3).get<std::string>());
  } else if (kind == "present") {
    condition.kind = lab::Condition::Kind::present;
  } else if (kind != "absent") {
    throw std::invalid_argument("a check is absent, present, value or revision, not " + kind);
  }
  return condition;
}

kv::Op change_of(const Json& change) {
  if (change.at(0) == "put") return {.kind = kv::Op::Kind::put, .key = change.at(1), .value = change.at(2)};
  return {.kind = kv::Op::Kind::erase, .key = change.at(1)};
}

Line line_of(Json json) {
  Line line;
  if (json.contains("changes")) {
    lab::WriteCall write;
    for (const Json& check : json.value("checks", Json::array()))
      write.conditions.push_back(condition_of(check));
    for (const Json& change : json.at("changes")) write.ops.push_back(change_of(change));
    line.is_write = true;
    line.call = std::move(write);
  } else if (json.contains("prefix")) {
    const Bytes prefix = json.at("prefix");
    line.call = lab::RangeCall{.request = {.start = prefix, .end = after(prefix)}};
  } else {
    line.call = lab::GetCall{.key = json.at("key"),
                             .freshness = json.value("stale", false) ? node::kAnyAge : node::Freshness{}};
  }
  line.json = std::move(json);
  return line;
}

bool acknowledged(const Line& line) {
  return line.json.at("outcome") == "ok";
}

// Whether the answer tells all that the checker wants to know.
bool full(const Line& line) {
  const Json& reply = line.json.at("reply");
  if (reply.at("revision").is_null()) return false;
  return !line.is_write || !reply.at("succeeded").get<bool>() || !reply.at("changes").is_null();
}

std::set<std::string> groups_of(const Line& line) {
  std::set<std::string> groups;
  const auto add = [&](const std::string& key) { groups.insert(key.substr(0, key.find('/'))); };
  if (const auto* write = std::get_if<lab::WriteCall>(&line.call)) {
    for (const lab::Condition& condition : write->conditions) add(condition.key);
    for (const kv::Op& op : write->ops) add(op.key);
  } else if (const auto* range = std::get_if<lab::RangeCall>(&line.call)) {
    add(range->request.start);
  } else {
    add(std::get<lab::GetCall>(line.call).key);
  }
  return groups;
}

// The lines that the checker can be told of.
std::vector<Line> checkable(std::vector<Line> lines) {
  std::set<std::string> vague;
  for (const Line& line : lines) {
    if (line.is_write && acknowledged(line) && !full(line)) vague.merge(groups_of(line));
  }
  std::erase_if(lines, [&](const Line& line) {
    if (!line.is_write && (!acknowledged(line) || !full(line))) return true;
    return std::ranges::any_of(groups_of(line),
                               [&](const std::string& group) { return vague.contains(group); });
  });
  return lines;
}

void answer(lab::History& history, size_t id, const Line& line) {
  const TimeNs now = line.json.at("return");
  const std::string outcome = line.json.at("outcome");
  if (outcome != "ok") {
    const Applied applied = outcome == "no" ? Applied::NO : Applied::MAYBE;
    history.fail(id, now, Error(Code::UNAVAILABLE, applied, "as the client was told"));
    return;
  }
  const Json& reply = line.json.at("reply");
  const uint64_t revision = reply.at("revision");
  if (line.is_write) {
    kv::WriteReply write{.succeeded = reply.at("succeeded"), .revision = revision};
    if (write.succeeded) {
      for (const Json& change : reply.at("changes")) write.results.push_back({change.at(0), change.at(1)});
    } else {
      write.failed_compare = reply.at("failed_check");
      const Json& current = reply.at("current");
      if (!current.is_null()) {
        write.current = kv::KeyRecord{current.at(0).get<Bytes>(), record_of(current)};
      }
    }
    history.succeed(id, now, std::move(write));
  } else if (line.json.contains("prefix")) {
    kv::RangeReply range{.revision = revision};
    for (const Json& entry : reply.at("entries")) range.entries.push_back({entry.at(0), record_of(entry)});
    history.succeed(id, now, std::move(range));
  } else {
    history.succeed(id, now, kv::GetReply{optional_record(reply.at("entry")), revision});
  }
}

lab::History history_of(std::vector<Line>& lines) {
  struct Event {
    TimeNs at;
    bool is_return;  // at one time calls come first: what could have overlapped did
    size_t line;
    auto operator<=>(const Event&) const = default;
  };
  std::vector<Event> events;
  std::map<std::string, uint64_t> clients;
  for (size_t i = 0; i < lines.size(); ++i) {
    events.push_back({lines[i].json.at("call"), false, i});
    events.push_back({lines[i].json.at("return"), true, i});
    clients.emplace(lines[i].json.at("client"), clients.size());
  }
  std::ranges::sort(events);
  lab::History history;
  std::vector<size_t> ids(lines.size());
  for (const Event& event : events) {
    Line& line = lines[event.line];
    if (event.is_return) {
      answer(history, ids[event.line], line);
      continue;
    }
    auto id = history.invoke(clients.at(line.json.at("client")), event.at, std::move(line.call));
    if (!id) throw std::invalid_argument(id.error().message);
    ids[event.line] = *id;
  }
  return history;
}

std::vector<Line> read(int count, char** paths) {
  std::vector<Line> lines;
  for (int i = 0; i < count; ++i) {
    std::ifstream file(paths[i]);
    if (!file) throw std::invalid_argument(std::string("cannot open ") + paths[i]);
    for (std::string text; std::getline(file, text);) lines.push_back(line_of(Json::parse(text)));
  }
  return lines;
}

int check(int count, char** paths) {
  std::vector<Line> all = read(count, paths);
  const size_t recorded = all.size();
  std::vector<Line> lines = checkable(std::move(all));
  const lab::KvReport report = lab::check_kv(history_of(lines));
  constexpr const char* kVerdicts[] = {"linearizable", "violation", "unknown"};
  const Json out = {{"verdict", kVerdicts[static_cast<size_t>(report.kind)]},
                    {"rule", report.rule},
                    {"text", report.text},
                    {"recorded", recorded},
                    {"checked", lines.size()},
                    {"steps", report.steps}};
  std::cout << out.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  return report.linearizable() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: aspen_check_history FILE...\n";
    return 2;
  }
  try {
    return check(argc - 1, argv + 1);
  } catch (const std::exception& error) {
    std::cerr << "aspen_check_history: " << error.what() << "\n";
    return 2;
  }
}
