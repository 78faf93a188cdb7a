#include "core/node/watch_protocol.h"

namespace aspen::node {
namespace {

enum CallKind : uint64_t { kOpen = 1, kCredit = 2, kAsk = 3, kCancel = 4 };
// There is always a next one.
constexpr uint64_t kRevisionMax = UINT64_MAX - 1;

enum NewsKind : uint64_t { kOpened = 1, kEvents = 2, kMark = 3, kEnded = 4 };

void encode_fields(wire::Writer& writer, const WatchOpen& open) {
  const kv::WatchRequest& request = open.request;
  writer.u64(open.id);
  writer.bytes(request.start);
  writer.bytes(request.end);
  writer.u64(request.first_revision);
  writer.boolean(request.previous);
  writer.boolean(request.skip_puts);
  writer.boolean(request.skip_erases);
  writer.u64(static_cast<uint64_t>(request.progress_every));
  writer.u64(open.credit);
}

WatchOpen decode_open(wire::Reader& reader) {
  WatchOpen open;
  open.id = reader.u64();
  open.request.start = reader.bytes(kv::kBoundBytesMax, "range start");
  open.request.end = reader.bytes(kv::kBoundBytesMax, "range end");
  open.request.first_revision = reader.u64();
  open.request.previous = reader.boolean();
  open.request.skip_puts = reader.boolean();
  open.request.skip_erases = reader.boolean();
  open.request.progress_every = static_cast<DurationNs>(reader.u64_max(kNever, "progress period"));
  open.credit = reader.u64();
  return open;
}

void encode_event(wire::Writer& writer, const kv::Event& event, bool previous) {
  writer.u8(static_cast<uint8_t>(event.kind));
  writer.bytes(event.key);
  if (event.kind == kv::Event::Kind::put) kv::encode(writer, *event.record);
  previous = previous && event.previous.has_value();
  writer.boolean(previous);
  if (previous) kv::encode(writer, *event.previous);
}

kv::Event decode_event(wire::Reader& reader, uint64_t revision) {
  kv::Event event;
  uint8_t kind = reader.u8();
  if (kind != static_cast<uint8_t>(kv::Event::Kind::put) &&
      kind != static_cast<uint8_t>(kv::Event::Kind::erase)) {
    reader.refuse(fmt::format("unknown event kind {}", kind));
  }
  event.kind = static_cast<kv::Event::Kind>(kind);
  event.key = reader.bytes(limits::kKeyBytesMax, "key");
  if (event.kind == kv::Event::Kind::put) {
    event.record = kv::decode_record(reader);
    if (event.record->mod_revision != revision) reader.refuse("the record of a put is of another revision");
  }
  if (reader.boolean()) event.previous = kv::decode_record(reader);
  return event;
}

struct PartView {
  const std::vector<kv::Event>& events;
  const std::vector<uint32_t>* chosen;  // null: all
  size_t size() const { return chosen != nullptr ? chosen->size() : events.size(); }
  const kv::Event& at(size_t i) const { return events[chosen != nullptr ? (*chosen)[i] : i]; }
};

void encode_part(wire::Writer& writer, uint64_t revision, bool last, const PartView& part, bool previous) {
  writer.u64(revision);
  writer.boolean(last);
  writer.u64(part.size());
  for (size_t i = 0; i < part.size(); ++i) encode_event(writer, part.at(i), previous);
}

WatchPart decode_part(wire::Reader& reader) {
  WatchPart part;
  part.revision = reader.u64_max(kRevisionMax, "revision");
  part.last = reader.boolean();
  size_t count = reader.count(limits::kWatchBatchEventsMax, "events");
  if (count == 0) reader.refuse("a part without events");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    kv::Event event = decode_event(reader, part.revision);
    if (i > 0 && event.key <= part.events.back().key) reader.refuse("the keys of events are not in order");
    part.events.push_back(std::move(event));
  }
  return part;
}

WatchEvents decode_events(wire::Reader& reader) {
  WatchEvents events;
  events.id = reader.u64();
  size_t count = reader.count(limits::kWatchBatchEventsMax, "parts");
  if (count == 0) reader.refuse("a batch without events");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    WatchPart part = decode_part(reader);
    if (i > 0 && part.revision <= events.parts.back().revision) reader.refuse("revisions are not in order");
    if (i > 0 && !events.parts.back().last) reader.refuse("a revision that is not complete before another");
    events.parts.push_back(std::move(part));
  }
  return events;
}

Bytes encode_mark(uint64_t id, uint64_t revision) {
  wire::Writer writer;
  writer.begin(kMark);
  writer.u64(id);
  writer.u64(revision);
  writer.end();
  return writer.take();
}

Bytes encode_ended(uint64_t id, uint64_t compacted, const Error& error) {
  wire::Writer writer;
  writer.begin(kEnded);
  writer.u64(id);
  writer.u64(compacted);
  wire::encode_error(writer, error);
  writer.end();
  return writer.take();
}

WatchEnded decode_ended(wire::Reader& reader) {
  uint64_t id = reader.u64();
  uint64_t compacted = reader.u64();
  Error error = wire::decode_error(reader);
  if (compacted != 0 && error.code != Code::COMPACTED)
    reader.refuse("a compacted revision with another error");
  return {id, compacted, std::move(error)};
}

}  // namespace

Bytes encode(const WatchCall& call) {
  wire::Writer writer;
  writer.begin(call.index() + 1);
  if (const auto* open = std::get_if<WatchOpen>(&call)) encode_fields(writer, *open);
  if (const auto* credit = std::get_if<WatchCredit>(&call)) {
    writer.u64(credit->id);
    writer.u64(credit->bytes);
  }
  if (const auto* ask = std::get_if<WatchAsk>(&call)) writer.u64(ask->id);
  if (const auto* cancel = std::get_if<WatchCancel>(&call)) writer.u64(cancel->id);
  writer.end();
  return writer.take();
}

Result<WatchCall> decode_watch_call(BytesView frame) {
  wire::Reader reader(frame);
  WatchCall call;
  uint64_t kind = reader.begin();
  if (kind == kOpen) {
    call = decode_open(reader);
  } else if (kind == kCredit) {
    uint64_t id = reader.u64();
    call = WatchCredit{id, reader.u64()};
  } else if (kind == kAsk) {
    call = WatchAsk{reader.u64()};
  } else if (kind == kCancel) {
    call = WatchCancel{reader.u64()};
  } else {
    reader.refuse(fmt::format("unknown watch call kind {}", kind));
  }
  reader.end();
  ASPEN_CHECK(reader.finish("watch call"));
  return call;
}

Bytes encode(const WatchNews& news) {
  if (const auto* mark = std::get_if<WatchMark>(&news)) return encode_mark(mark->id, mark->revision);
  if (const auto* ended = std::get_if<WatchEnded>(&news)) {
    return encode_ended(ended->id, ended->compacted, ended->error);
  }
  wire::Writer writer;
  if (const auto* opened = std::get_if<WatchOpened>(&news)) {
    writer.begin(kOpened);
    writer.u64(opened->id);
    writer.u64(opened->first_revision);
  } else {
    const auto& events = std::get<WatchEvents>(news);
    writer.begin(kEvents);
    writer.u64(events.id);
    writer.u64(events.parts.size());
    for (const WatchPart& part : events.parts) {
      encode_part(writer, part.revision, part.last, {part.events, nullptr}, true);
    }
  }
  writer.end();
  return writer.take();
}

Bytes encode(uint64_t id, const kv::WatchOutput& output) {
  using Kind = kv::WatchOutput::Kind;
  if (output.kind == Kind::progress) return encode_mark(id, output.revision);
  if (output.kind == Kind::ended) return encode_ended(id, output.revision, *output.error);
  wire::Writer writer;
  writer.begin(kEvents);
  writer.u64(id);
  writer.u64(output.fragments.size());
  for (const kv::WatchFragment& fragment : output.fragments) {
    PartView part{fragment.changes->events, &fragment.events};
    encode_part(writer, fragment.changes->revision, fragment.last, part, output.previous);
  }
  writer.end();
  return writer.take();
}

Result<WatchNews> decode_watch_news(BytesView frame) {
  wire::Reader reader(frame);
  WatchNews news;
  uint64_t kind = reader.begin();
  if (kind == kOpened || kind == kMark) {
    uint64_t id = reader.u64();
    uint64_t revision = reader.u64_max(kRevisionMax, "revision");
    if (kind == kOpened) {
      news = WatchOpened{id, revision};
    } else {
      news = WatchMark{id, revision};
    }
  } else if (kind == kEvents) {
    news = decode_events(reader);
  } else if (kind == kEnded) {
    news = decode_ended(reader);
  } else {
    reader.refuse(fmt::format("unknown watch news kind {}", kind));
  }
  reader.end();
  ASPEN_CHECK(reader.finish("watch news"));
  return news;
}

}  // namespace aspen::node
