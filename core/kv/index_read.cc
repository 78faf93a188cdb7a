#include "core/kv/index_read.h"

#include <algorithm>
#include <tuple>

#include "core/base/mutant.h"
#include "core/kv/index_limits.h"

namespace aspen::kv {
namespace {

constexpr size_t kScanBoundBytesMax = limits::kIndexEntryBytesMax + 1;

Result<IndexEntry> read_entry(const store::Reader& rows, uint32_t generation, BytesView entry) {
  ASPEN_TRY(IndexEntryView view, parse_index_entry(entry));
  ASPEN_TRY(std::optional<Bytes> row, rows.get(layout::record_key(generation, view.key)));
  if (!row) return fail(Code::CORRUPT, "an index has an entry of a key that is absent");
  ASPEN_TRY(RecordView record, layout::decode_record(*row));
  return IndexEntry{Bytes(view.value), std::move(view.key), record.copy()};
}

// By value and key, one way or the other, and none twice.
bool in_order(const std::vector<IndexEntry>& entries) {
  auto place = [](const IndexEntry& entry) { return std::tie(entry.value, entry.key); };
  const bool ascending = entries.size() < 2 || place(entries[0]) < place(entries[1]);
  return std::ranges::adjacent_find(entries, [&](const IndexEntry& a, const IndexEntry& b) {
           return ascending ? place(a) >= place(b) : place(a) <= place(b);
         }) == entries.end();
}

}  // namespace

Result<IndexScanReply> scan_index(const store::Reader& rows, uint32_t generation, const Index& index,
                                  const IndexScanRequest& request) {
  const size_t limit = request.limit == 0 ? limits::kRangeEntriesMax
                                          : std::min<size_t>(request.limit, limits::kRangeEntriesMax);
  const Bytes prefix = layout::index_entry_key(generation, index.id, {});
  const Bytes start = prefix + request.start;
  const Bytes end = request.end.empty() ? prefix_end(prefix) : prefix + request.end;
  std::unique_ptr<store::Iterator> it = rows.iterate();
  if (request.reverse) {
    it->seek_for_prev(end);
    if (it->valid() && it->key() >= end) it->prev();
  } else {
    it->seek(start);
  }
  IndexScanReply reply;
  for (size_t bytes = 0; it->valid() && it->key() >= start && it->key() < end;
       request.reverse ? it->prev() : it->next()) {
    ASPEN_TRY(IndexEntry entry, read_entry(rows, generation, it->key().substr(prefix.size())));
    if (request.keys_only) entry.record.value.clear();
    bytes += entry.value.size() + entry.key.size() + entry.record.value.size();
    if (!reply.entries.empty() && (reply.entries.size() == limit || bytes > limits::kRangeBytesMax)) {
      const IndexEntry& last = reply.entries.back();
      reply.more = true;
      reply.continuation = index_entry(last.value, last.key);
      if (ASPEN_MUTANT("kv-index-scan-skips") && !request.reverse) reply.continuation = last.value + '\xff';
      if (!request.reverse) reply.continuation.push_back('\0');
      return reply;
    }
    reply.entries.push_back(std::move(entry));
  }
  ASPEN_CHECK(it->status());
  return reply;
}

Bytes encode(const IndexScanRequest& request) {
  wire::Writer writer;
  writer.bytes(request.index);
  writer.bytes(request.start);
  writer.bytes(request.end);
  writer.u64(request.limit);
  writer.boolean(request.reverse);
  writer.boolean(request.keys_only);
  return writer.take();
}

Result<IndexScanRequest> decode_index_scan_request(BytesView bytes) {
  wire::Reader reader(bytes);
  IndexScanRequest request;
  request.index = reader.bytes(limits::kIndexNameBytesMax, "index name");
  request.start = reader.bytes(kScanBoundBytesMax, "scan start");
  request.end = reader.bytes(kScanBoundBytesMax, "scan end");
  request.limit = static_cast<uint32_t>(reader.u64_max(UINT32_MAX, "scan limit"));
  request.reverse = reader.boolean();
  request.keys_only = reader.boolean();
  ASPEN_CHECK(reader.finish("index scan request"));
  return request;
}

Bytes encode(const IndexScanReply& reply) {
  wire::Writer writer;
  writer.u64(reply.entries.size());
  for (const IndexEntry& entry : reply.entries) {
    writer.bytes(entry.value);
    writer.bytes(entry.key);
    encode(writer, entry.record);
  }
  writer.boolean(reply.more);
  if (reply.more) writer.bytes(reply.continuation);
  writer.u64(reply.revision);
  return writer.take();
}

Result<IndexScanReply> decode_index_scan_reply(BytesView bytes) {
  wire::Reader reader(bytes);
  IndexScanReply reply;
  size_t entries = reader.count(limits::kRangeEntriesMax, "entries");
  reply.entries.reserve(entries);
  for (size_t i = 0; i < entries && reader.ok(); ++i) {
    Bytes value(reader.bytes(limits::kIndexValueBytesMax, "index value"));
    Bytes key(reader.bytes(limits::kKeyBytesMax, "key"));
    reply.entries.push_back({std::move(value), std::move(key), decode_record(reader)});
  }
  if (reader.ok() && !in_order(reply.entries)) reader.refuse("entries are not in order");
  reply.more = reader.boolean();
  if (reply.more) reply.continuation = reader.bytes(kScanBoundBytesMax, "continuation");
  reply.revision = reader.u64();
  ASPEN_CHECK(reader.finish("index scan reply"));
  return reply;
}

Bytes encode(const IndexList& list) {
  wire::Writer writer;
  writer.u64(list.indexes.size());
  for (const Index& index : list.indexes) {
    writer.u64(index.id);
    writer.bytes(encode(index));
  }
  return writer.take();
}

Result<IndexList> decode_index_list(BytesView bytes) {
  constexpr size_t kRowBytesMax = 16u << 10;
  wire::Reader reader(bytes);
  IndexList list;
  size_t count = reader.count(limits::kIndexesMax, "indexes");
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    Index& index = list.indexes.emplace_back();
    index.id = reader.u64();
    auto row = layout::decode_index(reader.bytes(kRowBytesMax, "index"));
    if (!row) {
      if (reader.ok()) reader.refuse(row.error().message);
      break;
    }
    index = {index.id,
             std::move(row->name),
             std::move(row->prefix),
             std::move(row->extractor),
             static_cast<Index::State>(row->state),
             std::move(row->cursor),
             row->records};
    if (i > 0 && index.id <= list.indexes[i - 1].id) reader.refuse("indexes are not in order");
  }
  ASPEN_CHECK(reader.finish("index list"));
  return list;
}

}  // namespace aspen::kv
