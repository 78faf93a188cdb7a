#include "cross_lang_tests/watch_forms.h"

#include "core/node/watch_protocol.h"

namespace aspen {
namespace {

Json spell(const kv::Record& record) {
  return {{"create_revision", number(record.create_revision)},
          {"mod_revision", number(record.mod_revision)},
          {"version", number(record.version)},
          {"lease", number(record.lease)},
          {"value", hex(record.value)}};
}

Json spell(const kv::Event& event) {
  Json value{{"kind", number(static_cast<uint64_t>(event.kind))},
             {"key", hex(event.key)},
             {"previous", event.previous ? spell(*event.previous) : Json()}};
  if (event.record) value["record"] = spell(*event.record);
  return value;
}

Json spell(const node::WatchPart& part) {
  Json events = Json::array();
  for (const kv::Event& event : part.events) events.push_back(spell(event));
  return {{"revision", number(part.revision)}, {"last", part.last}, {"events", events}};
}

Result<Read> read_call(BytesView bytes) {
  ASPEN_TRY(node::WatchCall call, node::decode_watch_call(bytes));
  Json value{{"kind", number(call.index() + 1)}};
  if (const auto* open = std::get_if<node::WatchOpen>(&call)) {
    const kv::WatchRequest& request = open->request;
    value.update({{"start", hex(request.start)},
                  {"end", hex(request.end)},
                  {"first_revision", number(request.first_revision)},
                  {"previous", request.previous},
                  {"skip_puts", request.skip_puts},
                  {"skip_erases", request.skip_erases},
                  {"progress_every", number(static_cast<uint64_t>(request.progress_every))},
                  {"credit", number(open->credit)}});
  }
  if (const auto* credit = std::get_if<node::WatchCredit>(&call)) value["bytes"] = number(credit->bytes);
  std::visit([&](const auto& named) { value["id"] = number(named.id); }, call);
  return Read{value, encode(call)};
}

Result<Read> read_news(BytesView bytes) {
  ASPEN_TRY(node::WatchNews news, node::decode_watch_news(bytes));
  Json value{{"kind", number(news.index() + 1)}};
  if (const auto* opened = std::get_if<node::WatchOpened>(&news)) {
    value["first_revision"] = number(opened->first_revision);
  }
  if (const auto* events = std::get_if<node::WatchEvents>(&news)) {
    value["parts"] = Json::array();
    for (const node::WatchPart& part : events->parts) value["parts"].push_back(spell(part));
  }
  if (const auto* mark = std::get_if<node::WatchMark>(&news)) value["revision"] = number(mark->revision);
  if (const auto* ended = std::get_if<node::WatchEnded>(&news)) {
    value.update({{"compacted", number(ended->compacted)},
                  {"code", number(static_cast<uint64_t>(ended->error.code))},
                  {"maybe_applied", ended->error.applied == Applied::MAYBE},
                  {"message", ended->error.message}});
  }
  std::visit([&](const auto& named) { value["id"] = number(named.id); }, news);
  return Read{value, encode(news)};
}

}  // namespace

const std::map<std::string, Form>& watch_forms() {
  static const std::map<std::string, Form> forms{{"watch_call", read_call}, {"watch_news", read_news}};
  return forms;
}

}  // namespace aspen
