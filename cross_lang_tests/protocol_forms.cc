#include "cross_lang_tests/protocol_forms.h"

#include <algorithm>
#include <map>

#include "core/base/limits.h"
#include "core/kv/command.h"
#include "core/kv/index_read.h"
#include "core/kv/layout.h"
#include "core/kv/read.h"
#include "core/net/frame.h"
#include "core/net/hello.h"
#include "core/node/protocol.h"
#include "core/raft/types.h"
#include "cross_lang_tests/lease_forms.h"
#include "cross_lang_tests/watch_forms.h"

namespace aspen {

Json number(uint64_t value) {
  return std::to_string(value);
}

namespace {

Json time_of(WallNs value) {
  return std::to_string(value);
}

template <typename Range, typename Spell>
Json each(const Range& range, Spell spell) {
  Json out = Json::array();
  for (const auto& item : range) out.push_back(spell(item));
  return out;
}

template <typename T, typename Spell>
Json maybe(const std::optional<T>& value, Spell spell) {
  return value ? spell(*value) : Json();
}

// ---- section 9

Json spell(const net::Hello& hello) {
  wire::Writer membership;
  encode(membership, hello.membership);
  Json subprotocols = each(hello.subprotocols, [](const net::SubprotocolVersions& s) {
    return Json{
        {"id", number(s.id)}, {"version_min", number(s.version_min)}, {"version_max", number(s.version_max)}};
  });
  return {{"version_min", number(hello.version_min)},
          {"version_max", number(hello.version_max)},
          {"network", hex(hello.network.view())},
          {"membership", hex(membership.view())},
          {"subprotocols", subprotocols},
          {"reset_token", hex(as_bytes(hello.reset_token.data(), hello.reset_token.size()))}};
}

Result<Read> read_hello(BytesView bytes) {
  ASPEN_TRY(net::Hello hello, net::decode_hello(bytes));
  return Read{spell(hello), net::encode_hello(hello)};
}

void append_varint(Bytes& out, uint64_t value) {
  uint8_t varint[net::kVarintBytesMax];
  out.append(as_bytes(varint, net::encode_varint(value, varint)));
}

// ---- section 10

Json spell(const raft::Member& member) {
  return {{"peer", number(member.peer)},
          {"node", hex(member.node.view())},
          {"address", member.address},
          {"role", number(static_cast<uint64_t>(member.role))}};
}

Json spell(const raft::Config& config) {
  auto member = [](const raft::Member& m) { return spell(m); };
  return {{"members", each(config.members, member)},
          {"outgoing", each(config.outgoing, number)},
          {"leaving", each(config.leaving, member)}};
}

Json spell(const raft::Entry& entry) {
  return {{"term", number(entry.term)},
          {"kind", number(static_cast<uint64_t>(entry.kind))},
          {"time", time_of(entry.time)},
          {"data", hex(entry.data)}};
}

Json spell(const raft::HardState& state) {
  return {{"term", number(state.term)}, {"vote", number(state.vote)}};
}

Json spell(const raft::SnapshotMeta& meta) {
  return {{"index", number(meta.index)},
          {"term", number(meta.term)},
          {"config", spell(meta.config)},
          {"time", time_of(meta.time)}};
}

Json raft_fields(const raft::Message& m) {
  using enum raft::MessageKind;
  switch (m.kind) {
    case pre_vote:
    case vote:
      return {{"last_index", number(m.index)}, {"last_term", number(m.log_term)}, {"transfer", m.transfer}};
    case pre_vote_reply:
    case vote_reply:
      return {{"reject", m.reject}};
    case append:
      return {{"previous_index", number(m.index)},
              {"previous_term", number(m.log_term)},
              {"commit", number(m.commit)},
              {"entries", each(m.entries, [](const raft::EntryPtr& e) { return spell(*e); })}};
    case append_reply:
      if (!m.reject) return {{"index", number(m.index)}, {"reject", false}, {"wait", m.wait}};
      return {{"index", number(m.index)},
              {"reject", true},
              {"hint_index", number(m.hint)},
              {"hint_term", number(m.log_term)}};
    case heartbeat:
      return {{"commit", number(m.commit)}, {"round", number(m.round)}};
    case heartbeat_reply:
      return {{"round", number(m.round)}, {"promise", number(static_cast<uint64_t>(m.promise))}};
    case snapshot:
      return {{"snapshot", spell(*m.snapshot)}};
    case timeout_now:
      break;
    case fetch:
      return {{"previous_index", number(m.index)}, {"last_index", number(m.commit)}};
    case fetched:
      return {{"previous_index", number(m.index)},
              {"previous_term", number(m.log_term)},
              {"entries", each(m.entries, [](const raft::EntryPtr& e) { return spell(*e); })}};
    case read_index:
      return {{"round", number(m.round)}};
    case read_index_reply:
      if (m.reject) return {{"round", number(m.round)}, {"reject", true}};
      return {{"round", number(m.round)}, {"reject", false}, {"index", number(m.index)}};
  }
  return Json::object();
}

Json spell(const raft::Message& message) {
  Json out{{"kind", number(static_cast<uint64_t>(message.kind))},
           {"from", number(message.from)},
           {"to", number(message.to)},
           {"term", number(message.term)}};
  out.update(raft_fields(message));
  return out;
}

// ---- section 11

Json spell(const kv::Record& record) {
  return {{"create_revision", number(record.create_revision)},
          {"mod_revision", number(record.mod_revision)},
          {"version", number(record.version)},
          {"lease", number(record.lease)},
          {"value", hex(record.value)}};
}

Json spell(const kv::Compare& compare) {
  Json out{{"target", number(static_cast<uint64_t>(compare.target))},
           {"relation", number(static_cast<uint64_t>(compare.relation))},
           {"key", hex(compare.key)},
           {"end", maybe(compare.end, [](const Bytes& end) { return Json(hex(end)); })}};
  if (compare.target == kv::Compare::Target::value) {
    out["value"] = hex(compare.value);
  } else {
    out["number"] = number(compare.number);
  }
  return out;
}

Json spell(const kv::RangeRequest& request) {
  return {{"start", hex(request.start)},    {"end", hex(request.end)},
          {"limit", number(request.limit)}, {"reverse", request.reverse},
          {"keys_only", request.keys_only}, {"revision", number(request.revision)}};
}

Json spell(const kv::Transaction& transaction);

Json spell(const kv::Op& op) {
  Json out{{"kind", number(static_cast<uint64_t>(op.kind))}};
  switch (op.kind) {
    case kv::Op::Kind::put:
      out.update({{"value", hex(op.value)}, {"lease", number(op.lease)}});
      [[fallthrough]];
    case kv::Op::Kind::erase:
      out["previous"] = op.previous;
      [[fallthrough]];
    case kv::Op::Kind::get:
      out["key"] = hex(op.key);
      break;
    case kv::Op::Kind::erase_range:
      out.update({{"start", hex(op.range.start)}, {"end", hex(op.range.end)}, {"previous", op.previous}});
      break;
    case kv::Op::Kind::range:
      out["range"] = spell(op.range);
      break;
    case kv::Op::Kind::transaction:
      out["transaction"] = spell(op.nested.at(0));
      break;
  }
  return out;
}

Json spell(const kv::Transaction& transaction) {
  auto op = [](const kv::Op& op) { return spell(op); };
  return {{"compares", each(transaction.compares, [](const kv::Compare& c) { return spell(c); })},
          {"then", each(transaction.then, op)},
          {"otherwise", each(transaction.otherwise, op)}};
}

Json spell(const kv::Command& command) {
  using enum kv::Command::Kind;
  Json out{{"kind", number(static_cast<uint64_t>(command.kind))}};
  if (command.kind != open_session) out["session"] = number(command.session);
  if (command.owner != NodeId()) out["owner"] = hex(command.owner.view());
  if (command.kind != open_session && command.kind != close_session) {
    out["sequence"] = number(command.sequence);
    out["acknowledged_below"] = number(command.acknowledged_below);
  }
  if (command.kind == write) out["transaction"] = spell(command.transaction);
  if (command.kind == compact) out["revision"] = number(command.revision);
  if (command.kind == lease_grant)
    out.update({{"ttl", time_of(command.ttl)}, {"prefix", hex(command.prefix)}});
  if (command.kind == lease_revoke) {
    out.update({{"lease", number(command.leases.at(0))}, {"prefix", hex(command.prefix)}});
  }
  if (command.kind == leases_expire) out["leases"] = each(command.leases, number);
  if (command.kind == quota_set) {
    out.update({{"prefix", hex(command.prefix)},
                {"bytes_max", number(command.bytes_max)},
                {"keys_max", number(command.keys_max)}});
  }
  if (command.kind == index_create || command.kind == index_drop) out["name"] = hex(command.name);
  if (command.kind == index_create) {
    out.update({{"prefix", hex(command.prefix)}, {"extractor", hex(command.extractor)}});
  }
  return out;
}

Json spell(const Error& error) {
  return {{"code", number(static_cast<uint64_t>(error.code))},
          {"maybe_applied", error.applied == Applied::MAYBE},
          {"message", error.message}};
}

Json spell(const kv::KeyRecord& entry) {
  return {{"key", hex(entry.key)}, {"record", spell(entry.record)}};
}

Json spell(const kv::RangeReply& reply) {
  return {{"entries", each(reply.entries, [](const kv::KeyRecord& entry) { return spell(entry); })},
          {"continuation", reply.more ? Json(hex(reply.continuation)) : Json()},
          {"revision", number(reply.revision)}};
}

Json spell(const std::vector<kv::OpResult>& results);

Json spell(const kv::OpResult& result) {
  auto record = [](const kv::Record& r) { return spell(r); };
  Json out{{"kind", number(static_cast<uint64_t>(result.kind))}};
  switch (result.kind) {
    case kv::OpResult::Kind::change:
      out["previous_revision"] = result.existed ? number(result.previous_revision) : Json();
      if (result.existed) out["previous"] = maybe(result.record, record);
      break;
    case kv::OpResult::Kind::erased:
      out["count"] = number(result.count);
      out["erased"] = each(result.erased, [](const kv::KeyRecord& entry) { return spell(entry); });
      break;
    case kv::OpResult::Kind::got:
      out["record"] = maybe(result.record, record);
      break;
    case kv::OpResult::Kind::ranged:
      out["range"] = spell(result.range);
      break;
    case kv::OpResult::Kind::nested:
      out.update({{"succeeded", result.succeeded}, {"results", spell(result.results)}});
      break;
  }
  return out;
}

Json spell(const std::vector<kv::OpResult>& results) {
  return each(results, [](const kv::OpResult& result) { return spell(result); });
}

// The decoders of replies hand out an error that was encoded as their own; PROTOCOL is theirs.
Result<Read> read_error_reply(const Error& error) {
  if (error.code == Code::PROTOCOL) return std::unexpected(error);
  Json value = spell(error);
  value["kind"] = "1";
  return Read{value, kv::encode_error_reply(error)};
}

Result<Read> read_write_reply(BytesView bytes) {
  auto reply = kv::decode_write_reply(bytes);
  if (!reply) return read_error_reply(reply.error());
  Json value{{"kind", "2"}, {"succeeded", reply->succeeded}, {"revision", number(reply->revision)}};
  if (!reply->succeeded) {
    value["failed_compare"] = number(reply->failed_compare);
    value["current"] = maybe(reply->current, [](const kv::KeyRecord& entry) { return spell(entry); });
  }
  value["results"] = spell(reply->results);
  return Read{value, kv::encode(*reply)};
}

Result<Read> read_done_reply(BytesView bytes) {
  auto reply = kv::decode_done_reply(bytes);
  if (!reply) return read_error_reply(reply.error());
  return Read{{{"kind", "4"}, {"revision", number(reply->revision)}, {"result", number(reply->result)}},
              kv::encode(*reply)};
}

Result<Read> read_session_reply(BytesView bytes) {
  auto session = kv::decode_session_reply(bytes);
  if (!session) return read_error_reply(session.error());
  return Read{{{"kind", "3"}, {"session", number(*session)}}, kv::encode_session_reply(*session)};
}

Json spell(const kv::IndexScanRequest& request) {
  return {{"index", hex(request.index)},    {"start", hex(request.start)}, {"end", hex(request.end)},
          {"limit", number(request.limit)}, {"reverse", request.reverse},  {"keys_only", request.keys_only}};
}

Json spell(const kv::IndexScanReply& reply) {
  auto entry = [](const kv::IndexEntry& e) {
    return Json{{"value", hex(e.value)}, {"key", hex(e.key)}, {"record", spell(e.record)}};
  };
  return {{"entries", each(reply.entries, entry)},
          {"continuation", reply.more ? Json(hex(reply.continuation)) : Json()},
          {"revision", number(reply.revision)}};
}

Json spell_index(const kv::layout::IndexRow& row) {
  return {{"name", hex(row.name)},      {"prefix", hex(row.prefix)}, {"extractor", hex(row.extractor)},
          {"state", number(row.state)}, {"cursor", hex(row.cursor)}, {"records", number(row.records)}};
}

Json spell(const kv::IndexList& list) {
  return {{"indexes", each(list.indexes, [](const kv::Index& index) {
             auto row = kv::layout::decode_index(kv::encode(index));
             return Json{{"id", number(index.id)}, {"row", row ? spell_index(*row) : Json()}};
           })}};
}

Json spell(const kv::GetRequest& request) {
  return {{"key", hex(request.key)}, {"revision", number(request.revision)}};
}

Json spell(const kv::GetReply& reply) {
  return {{"record", maybe(reply.record, [](const kv::Record& r) { return spell(r); })},
          {"revision", number(reply.revision)}};
}

Result<Read> read_request(BytesView bytes) {
  ASPEN_TRY(node::IdentifiedRequest read, node::decode_request(bytes));
  return Read{{{"kind", number(static_cast<uint64_t>(read.request.kind))},
               {"id", number(read.id)},
               {"freshness", number(static_cast<uint64_t>(read.request.freshness.kind))},
               {"age_max", number(static_cast<uint64_t>(read.request.freshness.age_max))},
               {"body", hex(read.request.body)}},
              node::encode_request(read.id, read.request)};
}

Json spell(const node::LeaderHint& hint) {
  return {{"node", hex(hint.node.view())}, {"address", hint.address}};
}

Json spell(const std::optional<node::LeaderHint>& hint) {
  return maybe(hint, [](const node::LeaderHint& h) { return spell(h); });
}

Result<Read> read_response(BytesView bytes) {
  ASPEN_TRY(node::IdentifiedResponse read, node::decode_response(bytes));
  Json value{{"id", number(read.id)}};
  if (read.response.body) {
    value.update({{"kind", "1"}, {"body", hex(*read.response.body)}});
  } else {
    value.update(spell(read.response.body.error()));
    value.update({{"kind", "2"}, {"leader", spell(read.response.leader)}});
  }
  return Read{value, node::encode_response(read.id, read.response)};
}

Json spell(const node::SnapshotAnswer& answer) {
  if (const auto* begin = std::get_if<node::SnapshotBegin>(&answer)) {
    return {{"kind", "3"}, {"chunk", number(begin->chunk)}};
  }
  const Result<>& verdict = std::get<node::SnapshotVerdict>(answer).verdict;
  if (verdict) return {{"kind", "1"}};
  Json value = spell(verdict.error());
  value["kind"] = "2";
  return value;
}

Json spell(const node::JoinRequest& join) {
  return {{"group", number(join.group)},
          {"peer", number(join.peer)},
          {"address", join.address},
          {"again", join.again}};
}

Json spell(const node::MemberRequest& request) {
  return {{"group", number(request.group)}, {"node", hex(request.node.view())}};
}

Json spell(const node::TransferRequest& request) {
  return {
      {"group", number(request.group)}, {"to", hex(request.to.view())}, {"from", hex(request.from.view())}};
}

Json spell(const node::MemberRemoved& removed) {
  return {{"was_member", removed.was_member}};
}

Json spell(const node::NewLeader& leader) {
  return {{"node", hex(leader.node.view())}};
}

Json spell(const node::GroupCommand& command) {
  return {{"group", number(command.group)}, {"command", hex(command.command)}};
}

Json spell(const node::QuotaList& list) {
  Json quotas = Json::array();
  for (const kv::Quota& quota : list.quotas) {
    quotas.push_back({{"prefix", hex(quota.prefix)},
                      {"bytes_max", number(quota.bytes_max)},
                      {"keys_max", number(quota.keys_max)},
                      {"bytes", number(quota.bytes)},
                      {"keys", number(quota.keys)}});
  }
  return {{"revision", number(list.revision)}, {"quotas", std::move(quotas)}};
}

Json spell(const node::MemberList& list) {
  Json members = each(list.members, [](const node::LeaderHint& hint) { return spell(hint); });
  return {{"leader", spell(list.leader)}, {"members", members}};
}

// A form whose value has spell() and encode().
template <typename T>
Form plain_form(Result<T> (*decode)(BytesView)) {
  return [decode](BytesView bytes) -> Result<Read> {
    ASPEN_TRY(T value, decode(bytes));
    return Read{spell(value), encode(value)};
  };
}

Result<Read> read_group_message(BytesView bytes) {
  ASPEN_TRY(raft::GroupMessage message, raft::decode_group_message(bytes));
  return Read{{{"group", number(message.group)}, {"message", spell(message.message)}},
              raft::encode(message.group, message.message)};
}

Json spell_session(kv::SessionId id, const kv::layout::SessionRow& row) {
  Json replies = each(row.replies, [](const kv::layout::SessionRow::Reply& reply) {
    return Json{{"sequence", number(reply.sequence)}, {"reply", hex(reply.reply)}};
  });
  Json out{{"session", number(id)},
           {"counter", number(row.counter)},
           {"last_used", time_of(row.last_used)},
           {"acknowledged_below", number(row.acknowledged_below)},
           {"replies", replies}};
  if (row.owner != NodeId()) out["owner"] = hex(row.owner.view());
  return out;
}

}  // namespace

Result<Json> spell_row(BytesView key, BytesView value) {
  ASPEN_TRY(kv::layout::RowName name, kv::layout::parse_row_name(key));
  switch (name.kind) {
    case kv::layout::RowKind::progress: {
      ASPEN_TRY(kv::layout::Progress progress, kv::layout::decode_progress(value));
      return Json{{"progress",
                   {{"applied", number(progress.applied)},
                    {"time", time_of(progress.time)},
                    {"compacted", number(progress.compacted)}}}};
    }
    case kv::layout::RowKind::record: {
      ASPEN_TRY(kv::RecordView record, kv::layout::decode_record(value));
      return Json{{"key", hex(name.record)}, {"record", spell(record.copy())}};
    }
    case kv::layout::RowKind::session: {
      ASPEN_TRY(kv::layout::SessionRow session, kv::layout::decode_session(value));
      return spell_session(name.session, session);
    }
    case kv::layout::RowKind::history: {
      ASPEN_TRY(kv::layout::HistoryRow row, kv::layout::decode_history(value));
      return Json{
          {"history", hex(name.key)}, {"until", number(row.until)}, {"record", spell(row.record.copy())}};
    }
    case kv::layout::RowKind::changes: {
      ASPEN_TRY(kv::layout::ChangeRow row, kv::layout::decode_changes(value));
      Json items = each(row.items, [](const kv::layout::ChangeRow::Item& item) {
        return Json{{"kind", number(static_cast<uint64_t>(item.kind))},
                    {"key", hex(item.key)},
                    {"previous", number(item.previous)}};
      });
      return Json{{"changes", number(name.number)}, {"items", items}};
    }
    case kv::layout::RowKind::lease: {
      ASPEN_TRY(kv::layout::LeaseRow row, kv::layout::decode_lease(value));
      return Json{{"lease", number(name.number)},       {"ttl", time_of(row.ttl)},
                  {"granted", time_of(row.granted)},    {"keys", number(row.keys)},
                  {"key_bytes", number(row.key_bytes)}, {"prefix", hex(row.prefix)}};
    }
    case kv::layout::RowKind::attachment:
      return Json{{"attached_to", number(name.number)}, {"key", hex(name.key)}};
    case kv::layout::RowKind::quota: {
      ASPEN_TRY(kv::layout::QuotaRow row, kv::layout::decode_quota(value));
      return Json{{"quota", hex(name.key)},
                  {"bytes_max", number(row.bytes_max)},
                  {"keys_max", number(row.keys_max)},
                  {"bytes", number(row.bytes)},
                  {"keys", number(row.keys)}};
    }
    case kv::layout::RowKind::index: {
      ASPEN_TRY(kv::layout::IndexRow row, kv::layout::decode_index(value));
      Json out = spell_index(row);
      out["index"] = number(name.number);
      return out;
    }
    case kv::layout::RowKind::index_entry:
      return Json{{"entry_of", number(name.number)}, {"entry", hex(name.key)}};
  }
  return fail(Code::CORRUPT, "a row of another kind");
}

Result<Read> read_stream(BytesView bytes, size_t piece) {
  net::VarintReader prefix;
  net::FrameReader reader(limits::kFrameBytesMax);
  std::optional<uint64_t> id;
  Read out{{{"frames", Json::array()}}, {}};
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    BytesView input = bytes.substr(0, piece);
    if (!id) {
      ASPEN_TRY(id, prefix.read(input));
      if (id) append_varint(out.encoding, *id);
    }
    while (!input.empty()) {
      ASPEN_TRY(std::optional<Bytes> frame, reader.read(input));
      if (!frame) break;
      append_varint(out.encoding, frame->size());
      out.encoding += *frame;
      out.value["frames"].push_back(hex(*frame));
    }
  }
  if (!id || !reader.at_boundary()) return fail(Code::PROTOCOL, "a stream ended inside a frame");
  out.value["subprotocol"] = number(*id);
  return out;
}

const Form& form(const Json& name) {
  static const std::map<std::string, Form> forms{
      {"hello", read_hello},
      {"stream", [](BytesView bytes) { return read_stream(bytes, 1); }},
      {"config", plain_form<raft::Config>(raft::decode_config)},
      {"entry", plain_form<raft::Entry>([](BytesView bytes) { return raft::decode_entry(1, bytes); })},
      {"hard_state", plain_form<raft::HardState>(raft::decode_hard_state)},
      {"snapshot_meta", plain_form<raft::SnapshotMeta>(raft::decode_snapshot_meta)},
      {"raft_message", plain_form<raft::Message>(raft::decode_message)},
      {"group_message", read_group_message},
      {"record", plain_form<kv::Record>(kv::decode_record)},
      {"command", plain_form<kv::Command>(kv::decode_command)},
      {"write_reply", read_write_reply},
      {"session_reply", read_session_reply},
      {"done_reply", read_done_reply},
      {"get_request", plain_form<kv::GetRequest>(kv::decode_get_request)},
      {"range_request", plain_form<kv::RangeRequest>(kv::decode_range_request)},
      {"range_reply", plain_form<kv::RangeReply>(kv::decode_range_reply)},
      {"get_reply", plain_form<kv::GetReply>(kv::decode_get_reply)},
      {"index_scan_request", plain_form<kv::IndexScanRequest>(kv::decode_index_scan_request)},
      {"index_scan_reply", plain_form<kv::IndexScanReply>(kv::decode_index_scan_reply)},
      {"index_list", plain_form<kv::IndexList>(kv::decode_index_list)},
      {"request", read_request},
      {"response", read_response},
      {"snapshot_answer", plain_form<node::SnapshotAnswer>(node::decode_snapshot_answer)},
      {"join_request", plain_form<node::JoinRequest>(node::decode_join)},
      {"member_request", plain_form<node::MemberRequest>(node::decode_member_request)},
      {"transfer_request", plain_form<node::TransferRequest>(node::decode_transfer_request)},
      {"member_removed", plain_form<node::MemberRemoved>(node::decode_member_removed)},
      {"new_leader", plain_form<node::NewLeader>(node::decode_new_leader)},
      {"group_command", plain_form<node::GroupCommand>(node::decode_group_command)},
      {"quota_list", plain_form<node::QuotaList>(node::decode_quota_list)},
      {"member_list", plain_form<node::MemberList>(node::decode_member_list)},
  };
  for (const auto* others : {&watch_forms(), &lease_forms()}) {
    if (auto found = others->find(str(name)); found != others->end()) return found->second;
  }
  return forms.at(str(name));
}

}  // namespace aspen
