// Everything that crosses the wire or lies in the log or the store: there and back, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/base/limits.h"
#include "core/kv/command.h"
#include "core/kv/index_read.h"
#include "core/kv/layout.h"
#include "core/kv/read.h"

namespace aspen::kv {
namespace {

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code::OK : result.error().code;
}

Op put(Bytes key, Bytes value, LeaseId lease = 0, bool previous = false) {
  return {.key = std::move(key), .value = std::move(value), .lease = lease, .previous = previous};
}
Op erase(Bytes key, bool previous = false) {
  return {.kind = Op::Kind::erase, .key = std::move(key), .previous = previous};
}

Transaction everything() {
  Transaction inner{.compares = {key_absent("i")}, .then = {put("i", "")}, .otherwise = {erase("i")}};
  Transaction all;
  all.compares = {key_absent("a"), key_present(Bytes("\0", 1)), value_is("c", "value"),
                  mod_revision_is("d", 1u << 20)};
  all.compares.push_back({.target = Compare::Target::version,
                          .relation = Compare::Relation::greater,
                          .key = "",
                          .end = "z",
                          .number = 300});
  all.compares.push_back({.target = Compare::Target::unchanged_since, .key = "u", .end = "", .number = 7});
  all.then = {put("k", Bytes("\0\xff", 2), 300, true), erase("gone"), put("e", ""), erase("x", true)};
  all.then.push_back({.kind = Op::Kind::erase_range, .previous = true, .range = {.start = "a", .end = "b"}});
  all.then.push_back({.kind = Op::Kind::get, .key = "g"});
  all.otherwise.push_back({.kind = Op::Kind::range, .range = {.start = "a", .limit = 300, .reverse = true}});
  all.otherwise.push_back({.kind = Op::Kind::transaction, .nested = {inner}});
  return all;
}

std::vector<Command> commands() {
  Command open, close, empty, full;
  open.kind = Command::Kind::open_session;
  close.kind = Command::Kind::close_session;
  close.session = 300;
  full.session = 1;
  full.sequence = UINT64_MAX;
  full.acknowledged_below = 5;
  full.transaction = everything();
  Command compact{.kind = Command::Kind::compact, .revision = 300};
  Command grant{
      .kind = Command::Kind::lease_grant, .session = 1, .sequence = 2, .ttl = 10 * kSecond, .prefix = "p"};
  Command revoke{.kind = Command::Kind::lease_revoke, .leases = {300}, .prefix = "p"};
  Command expire{.kind = Command::Kind::leases_expire, .leases = {1, 300, UINT64_MAX}};
  Command quota{.kind = Command::Kind::quota_set, .prefix = "p", .bytes_max = 300, .keys_max = 1};
  Command create{.kind = Command::Kind::index_create, .prefix = "p", .name = "i", .extractor = "json:/a"};
  Command drop{.kind = Command::Kind::index_drop, .name = "i"};
  Command step{.kind = Command::Kind::index_step};
  return {open, close, empty, full, compact, grant, revoke, expire, quota, create, drop, step};
}

std::vector<WriteReply> write_replies() {
  const Record record{"v", 1, 2, 3, 4};
  WriteReply done, failed, failed_absent;
  done.succeeded = true;
  done.revision = 1000;
  done.results = {{true, 999}, {false, 0}, {true, 2, OpResult::Kind::change, record}};
  done.results.push_back({.kind = OpResult::Kind::erased, .count = 300});
  done.results.push_back({.kind = OpResult::Kind::erased, .count = 1, .erased = {{"k", record}}});
  done.results.push_back({.kind = OpResult::Kind::got, .record = record});
  done.results.push_back({.kind = OpResult::Kind::got});
  done.results.push_back({.kind = OpResult::Kind::ranged});
  done.results.back().range = {.entries = {{"k", record}}, .more = true, .continuation = "k", .revision = 9};
  done.results.push_back({.kind = OpResult::Kind::nested, .results = {{false, 0}}});
  failed.revision = 7;
  failed.failed_compare = 3;
  failed.current = {"k", record};
  failed.results = {{true, 5}};
  return {done, failed, failed_absent};
}

const std::vector<GetRequest> kGetRequests = {{}, {"key", 300}};
const std::vector<RangeRequest> kRangeRequests = {
    {}, {.start = "a", .end = "b", .limit = UINT32_MAX, .reverse = true, .keys_only = true, .revision = 7}};

std::vector<RangeReply> range_replies() {
  RangeReply some;
  some.entries = {{"a", {"1", 1, 2, 3}}, {"b", {"", 4, 5, 6}}};
  some.more = true;
  some.continuation = Bytes("b\0", 2);
  some.revision = 9;
  return {RangeReply(), some};
}

const std::vector<IndexScanRequest> kIndexScanRequests = {
    {}, {.index = "i", .start = "a", .end = "b", .limit = UINT32_MAX, .reverse = true, .keys_only = true}};

std::vector<IndexScanReply> index_scan_replies() {
  const Record record{"1", 1, 2, 3};
  IndexScanReply up{{{"a", "k", record}, {"a", "l", record}, {"b", "k", record}}, true, "more", 9};
  IndexScanReply down{{{"b", "k", record}, {"a", "l", record}}};
  return {IndexScanReply(), up, down};
}

IndexList index_list() {
  return {{{1, "i", "p", "json:/a", Index::State::building, "pk", 300},
           {300, "j", "", "value", Index::State::dropping}}};
}

TEST(Codec, RoundTrips) {
  for (const IndexScanRequest& request : kIndexScanRequests) {
    EXPECT_EQ(decode_index_scan_request(encode(request)).value(), request);
  }
  for (const IndexScanReply& reply : index_scan_replies()) {
    EXPECT_EQ(decode_index_scan_reply(encode(reply)).value(), reply);
  }
  EXPECT_EQ(decode_index_list(encode(index_list())).value(), index_list());

  for (const Command& command : commands()) EXPECT_EQ(decode_command(encode(command)).value(), command);
  for (const WriteReply& reply : write_replies()) EXPECT_EQ(decode_write_reply(encode(reply)).value(), reply);
  for (const GetRequest& request : kGetRequests) {
    EXPECT_EQ(decode_get_request(BytesView(encode(request))).value(), request);
  }
  EXPECT_EQ(decode_done_reply(encode(DoneReply{300, 7})).value(), (DoneReply{300, 7}));
  for (SessionId id : {SessionId(0), SessionId(1), UINT64_MAX}) {
    EXPECT_EQ(decode_session_reply(encode_session_reply(id)).value(), id);
  }
  for (const RangeRequest& request : kRangeRequests) {
    EXPECT_EQ(decode_range_request(encode(request)).value(), request);
  }
  for (const RangeReply& reply : range_replies()) EXPECT_EQ(decode_range_reply(encode(reply)).value(), reply);
  for (const GetReply& reply : {GetReply(), GetReply{Record{"v", 1, 2, 3}, 4}}) {
    EXPECT_EQ(decode_get_reply(encode(reply)).value(), reply);
  }
  const Record record{Bytes(300, 'x'), 1, UINT64_MAX, 3};
  EXPECT_EQ(decode_record(BytesView(encode(record))).value(), record);
}

TEST(Codec, ErrorsComeBackAsErrors) {
  for (Applied applied : {Applied::NO, Applied::MAYBE}) {
    Bytes bytes = encode_error_reply(Error(Code::OVERLOADED, applied, "too much"));
    auto reply = decode_write_reply(bytes);
    ASSERT_FALSE(reply);
    EXPECT_EQ(code_of(reply), Code::OVERLOADED);
    EXPECT_EQ(reply.error().applied, applied);
    EXPECT_EQ(reply.error().message, "too much");
    EXPECT_EQ(code_of(decode_session_reply(bytes)), Code::OVERLOADED);
  }
  EXPECT_TRUE(
      decode_write_reply(encode_error_reply(Error(Code::IO, Bytes(100'000, 'x')))).error().message.size() >
      100);
}

TEST(Codec, AnErrorsTextIsMadeText) {
  auto text = [](const Bytes& message) {
    return decode_write_reply(encode_error_reply(Error(Code::IO, message))).error().message;
  };
  EXPECT_EQ(text(Bytes("a\xff\0b", 4)), "a??b");
  EXPECT_EQ(text("x\xc3"), "x?");
  EXPECT_EQ(text(Bytes(4095, 'x') + "\xc3\xa9"), Bytes(4095, 'x'));
  EXPECT_EQ(text(Bytes(4094, 'x') + "\xc3\xa9"), Bytes(4094, 'x') + "\xc3\xa9");
}

TEST(Codec, ARangeReplyIsInTheOrderOfItsKeys) {
  auto code = [](std::initializer_list<const char*> keys) {
    RangeReply reply;
    for (const char* key : keys) reply.entries.push_back({key, {"", 1, 1, 1}});
    return code_of(decode_range_reply(BytesView(encode(reply))));
  };
  EXPECT_EQ(code({"a", "b", "c"}), Code::OK);
  EXPECT_EQ(code({"c", "b", "a"}), Code::OK);
  EXPECT_EQ(code({"a", "a"}), Code::PROTOCOL);
  EXPECT_EQ(code({"a", "c", "b"}), Code::PROTOCOL);
  EXPECT_EQ(code({"c", "a", "b"}), Code::PROTOCOL);
  EXPECT_EQ(code({"a", "b", "b"}), Code::PROTOCOL);
}

TEST(Codec, AWriteWithoutASessionHasNoNumbers) {
  Command command;
  command.sequence = 7;
  command.acknowledged_below = 5;
  EXPECT_EQ(encode(command), encode(Command()));
  for (size_t field : {1u, 2u}) {
    wire::Writer writer;
    writer.begin(2);
    for (size_t i = 0; i < 6; ++i) writer.u64(i == field ? 1 : 0);
    writer.end();
    EXPECT_EQ(code_of(decode_command(writer.view())), Code::PROTOCOL);
  }
}

TEST(Codec, RefusesTheWrongKind) {
  EXPECT_EQ(code_of(decode_write_reply(encode_session_reply(1))), Code::PROTOCOL);
  EXPECT_EQ(code_of(decode_session_reply(encode(WriteReply()))), Code::PROTOCOL);
  EXPECT_EQ(code_of(decode_write_reply("")), Code::PROTOCOL);
  wire::Writer unknown_error;
  unknown_error.begin(1);
  unknown_error.u64(9999);
  unknown_error.boolean(false);
  unknown_error.bytes("");
  unknown_error.end();
  EXPECT_EQ(code_of(decode_write_reply(unknown_error.view())), Code::PROTOCOL);
}

// Damages every byte of an encoding, cuts it everywhere and extends it. What is still accepted must be
// canonical: it encodes to the very same bytes.
template <typename Decode>
void expect_only_canonical(const Bytes& good, Decode reencode) {
  auto check = [&](const Bytes& bytes) {
    if (std::optional<Bytes> again = reencode(bytes)) {
      EXPECT_EQ(*again, bytes);
    }
  };
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(reencode(good.substr(0, size))) << "cut to " << size;
  }
  EXPECT_FALSE(reencode(good + Bytes(1, '\0')));
  for (size_t i = 0; i < good.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      Bytes bytes = good;
      bytes[i] = static_cast<char>(value);
      check(bytes);
      bytes.insert(i, 1, static_cast<char>(value ^ 0x80));
      check(bytes);
    }
  }
  std::mt19937_64 random(good.size());
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes = good.substr(0, random() % (good.size() + 1));
    for (size_t n = random() % 12; n > 0; --n) {
      bytes.insert(random() % (bytes.size() + 1), 1,
                   static_cast<char>(random() % 3 == 0 ? random() : random() % 5));
    }
    check(bytes);
  }
}

template <typename Decoder>
auto reencode_with(Decoder decoder) {
  return [decoder](BytesView bytes) -> std::optional<Bytes> {
    auto value = decoder(bytes);
    if (value) return encode(*value);
    EXPECT_EQ(code_of(value), Code::PROTOCOL);
    return std::nullopt;
  };
}

TEST(Codec, AcceptsOnlyCanonicalBytes) {
  for (const Command& command : commands())
    expect_only_canonical(encode(command), reencode_with(decode_command));
  for (const RangeRequest& request : kRangeRequests) {
    expect_only_canonical(encode(request),
                          reencode_with([](BytesView b) { return decode_range_request(b); }));
  }
  for (const GetRequest& request : kGetRequests) {
    expect_only_canonical(encode(request), reencode_with([](BytesView b) { return decode_get_request(b); }));
  }
  for (const RangeReply& reply : range_replies()) {
    expect_only_canonical(encode(reply), reencode_with([](BytesView b) { return decode_range_reply(b); }));
  }
  for (const IndexScanRequest& request : kIndexScanRequests) {
    expect_only_canonical(encode(request), reencode_with(decode_index_scan_request));
  }
  for (const IndexScanReply& reply : index_scan_replies()) {
    expect_only_canonical(encode(reply), reencode_with(decode_index_scan_reply));
  }
  expect_only_canonical(encode(index_list()), reencode_with(decode_index_list));
  expect_only_canonical(encode(GetReply{Record{"v", 1, 2, 3}, 4}),
                        reencode_with([](BytesView b) { return decode_get_reply(b); }));
  expect_only_canonical(encode(Record{"value", 1, 200, 3}),
                        reencode_with([](BytesView b) { return decode_record(b); }));
  for (const WriteReply& reply : write_replies()) {
    expect_only_canonical(encode(reply), [](BytesView bytes) -> std::optional<Bytes> {
      auto value = decode_write_reply(bytes);
      if (value) return encode(*value);
      // Damage may turn it into another reply: an error.
      if (value.error().code == Code::PROTOCOL) return std::nullopt;
      return encode_error_reply(value.error());
    });
  }
}

TEST(Codec, RefusesWhatIsOverALimit) {
  auto refused = [](const Command& command) { return code_of(decode_command(encode(command))); };
  Command command;
  auto& ops = command.transaction.then;
  ops = {erase(Bytes(limits::kKeyBytesMax + 1, 'k'))};
  EXPECT_EQ(refused(command), Code::PROTOCOL);
  ops = {put("k", Bytes(limits::kValueBytesMax + 1, 'v'))};
  EXPECT_EQ(refused(command), Code::PROTOCOL);
  ops.assign(limits::kTransactionOpsMax + 1, erase("k"));
  EXPECT_EQ(refused(command), Code::PROTOCOL);
  Transaction deep;
  for (size_t i = 0; i < limits::kTransactionDepthMax; ++i) {
    deep = {.then = {{.kind = Op::Kind::transaction, .nested = {std::move(deep)}}}};
  }
  command.transaction = deep;
  EXPECT_EQ(refused(command), Code::OK);
  command.transaction = {.then = {{.kind = Op::Kind::transaction, .nested = {std::move(deep)}}}};
  EXPECT_EQ(refused(command), Code::PROTOCOL);
  // A count far beyond the bytes that follow must not make us allocate.
  wire::Writer huge;
  huge.begin(2);
  for (uint64_t field : {0u, 0u, 0u, 0u, 4096u}) huge.u64(field);
  huge.end();
  EXPECT_EQ(code_of(decode_command(huge.view())), Code::PROTOCOL);
}

TEST(Codec, AFailedCompareIsOneThatAWriteCanHave) {
  WriteReply reply;
  reply.failed_compare = limits::kTransactionOpsMax - 1;
  EXPECT_EQ(code_of(decode_write_reply(encode(reply))), Code::OK);
  ++reply.failed_compare;
  EXPECT_EQ(code_of(decode_write_reply(encode(reply))), Code::PROTOCOL);
}

TEST(Validate, NamesTheThingAndTheLimit) {
  auto with = [](Op op) { return Command{.transaction = {.then = {std::move(op)}}}; };
  auto refusal = [](const Command& command) {
    auto valid = validate(command);
    return valid ? "OK" : valid.error().to_string();
  };
  for (const Command& command : commands()) EXPECT_EQ(refusal(command), "OK");
  EXPECT_EQ(refusal(with(put(Bytes(4096, 'k'), Bytes(4u << 20, 'v')))), "OK");
  EXPECT_EQ(refusal(with(put("", ""))), "INVALID_ARGUMENT: key is empty");
  EXPECT_EQ(refusal(with(erase(Bytes(4097, 'k')))), "LIMIT_EXCEEDED: key is 4097 bytes; at most 4096");
  EXPECT_EQ(refusal(with(put("k", Bytes((4u << 20) + 1, 'v')))),
            "LIMIT_EXCEEDED: value is 4194305 bytes; at most 4194304");

  Command command;
  auto& [compares, then, otherwise] = command.transaction;
  compares.assign(4097, key_present("k"));
  EXPECT_EQ(refusal(command), "LIMIT_EXCEEDED: transaction has 4097 compares and operations; at most 4096");
  compares.assign(96, key_present("k"));
  then.assign(4000, put("k", "v"));
  EXPECT_EQ(refusal(command), "OK");
  otherwise = {erase("one more")};
  EXPECT_EQ(refusal(command), "LIMIT_EXCEEDED: transaction has 4097 compares and operations; at most 4096");
  compares.clear();
  then.clear();
  for (Bytes key : {"a", "b", "c"}) then.push_back(put(key, Bytes(3u << 20, 'v')));
  otherwise.clear();
  EXPECT_EQ(refusal(command), "LIMIT_EXCEEDED: transaction is 9437187 bytes; at most 8388608");

  EXPECT_EQ(refusal({.kind = Command::Kind::lease_grant, .ttl = 99'999'999}),
            "INVALID_ARGUMENT: the lease's time is 99999999 ns; 100000000 to 31536000000000000");
  EXPECT_EQ(refusal({.kind = Command::Kind::leases_expire, .leases = std::vector<LeaseId>(4097)}),
            "LIMIT_EXCEEDED: 4097 leases expire in one command; at most 4096");
  EXPECT_EQ(refusal({.kind = Command::Kind::quota_set, .prefix = Bytes(4097, 'p')}),
            "LIMIT_EXCEEDED: the quota's prefix is 4097 bytes; at most 4096");
}

TEST(Layout, RowsRoundTrip) {
  EXPECT_EQ(layout::decode_progress(encode(layout::Progress{5, -7})).value().time, -7);
  const layout::SessionRow session{1, -9, 300, {{300, "a"}, {302, ""}}};
  const Bytes row = encode(session);
  const layout::SessionRow decoded = layout::decode_session(row).value();
  EXPECT_EQ(decoded.acknowledged_below, 300u);
  EXPECT_EQ(decoded.replies.at(0).reply, "a");
  EXPECT_EQ(encode(decoded), row);
  const Bytes history = layout::encode_history(300, encode(Record{"v", 1, 2, 3, 4}));
  EXPECT_EQ(layout::decode_history(history).value().until, 300u);
  EXPECT_EQ(layout::decode_history(history).value().record.copy(), (Record{"v", 1, 2, 3, 4}));
  const Bytes changes =
      encode(layout::ChangeRow{{{Event::Kind::put, "a", 0}, {Event::Kind::erase, "b", 300}}});
  EXPECT_EQ(encode(layout::decode_changes(changes).value()), changes);
  EXPECT_EQ(code_of(layout::decode_changes(encode(layout::ChangeRow{}))), Code::CORRUPT);
  EXPECT_EQ(code_of(layout::decode_changes(
                encode(layout::ChangeRow{{{Event::Kind::put, "a", 0}, {Event::Kind::put, "a", 0}}}))),
            Code::CORRUPT);
  const Bytes lease = encode(layout::LeaseRow{kSecond, -1, 3, 300, "p"});
  EXPECT_EQ(encode(layout::decode_lease(lease).value()), lease);
  const Bytes quota = encode(layout::QuotaRow{1, 2, 3, 300});
  EXPECT_EQ(encode(layout::decode_quota(quota).value()), quota);
  layout::Head head;
  head.generation = 7;
  head.restored.emplace().index = 12;
  EXPECT_EQ(layout::decode_head(encode(head)).value().restored, head.restored);
}

TEST(Layout, RefusesDamagedRows) {
  for (BytesView bad : {"", "\x80", "\x05"}) {
    EXPECT_EQ(code_of(layout::decode_progress(bad)), Code::CORRUPT);
    EXPECT_EQ(code_of(layout::decode_session(bad)), Code::CORRUPT);
    EXPECT_EQ(code_of(layout::decode_record(bad)), Code::CORRUPT);
  }
  const layout::SessionRow twice{1, 1, 1, {{5, ""}, {5, ""}}};
  EXPECT_EQ(code_of(layout::decode_session(encode(twice))), Code::CORRUPT);
}

TEST(Layout, KeysSort) {
  const std::vector<Bytes> sorted = {
      Bytes(layout::head_key()),
      layout::generation_prefix(1),
      layout::progress_key(1),
      layout::records_prefix(1),
      layout::record_key(1, "a"),
      layout::record_key(1, "\xff\xff"),
      layout::sessions_prefix(1),
      layout::session_key(1, 2, 0),
      layout::session_key(1, 2, 255),
      layout::session_key(1, 2, 256),
      layout::session_key(1, 3, 0),
      layout::session_key(1, 256, 0),
      layout::history_bound(1, ""),
      layout::history_bound(1, "a"),
      layout::history_key(1, "a", 1),
      layout::history_key(1, "a", 256),
      layout::history_key(1, "a", UINT64_MAX),
      layout::history_bound(1, Bytes("a\0", 2)),
      layout::history_key(1, Bytes("a\0", 2), 1),
      layout::history_key(1, Bytes("a\0\0", 3), 1),
      layout::history_key(1, Bytes("a\0\1", 3), 1),
      layout::history_bound(1, "a\1"),
      layout::history_key(1, "a\1", 1),
      layout::history_key(1, "ab", 0),
      layout::changes_key(1, 2),
      layout::changes_key(1, 256),
      layout::lease_key(1, 1),
      layout::attachment_key(1, 1, "b"),
      layout::attachment_key(1, 2, "a"),
      layout::quota_key(1, ""),
      layout::quota_key(1, "p"),
      layout::generation_prefix(2),
      layout::generation_prefix(256),
  };
  EXPECT_TRUE(std::ranges::is_sorted(sorted));
}

TEST(Layout, RowNames) {
  auto name = [](const Bytes& key) {
    return layout::parse_row_name(BytesView(key).substr(layout::kGenerationBytes)).value();
  };
  EXPECT_EQ(name(layout::progress_key(1)).kind, layout::RowKind::progress);
  EXPECT_EQ(name(layout::record_key(1, "key")).record, "key");
  EXPECT_EQ(name(layout::session_key(1, 77, 258)).session, 77u);
  EXPECT_EQ(name(layout::session_key(1, 77, 258)).slot, 258u);
  for (Bytes key : {Bytes("a"), Bytes("\0", 1), Bytes("\0\xff\0\1\0", 5), Bytes(4096, '\0')}) {
    EXPECT_EQ(name(layout::history_key(1, key, 77)).key, key);
    EXPECT_EQ(name(layout::history_key(1, key, 77)).number, 77u);
    EXPECT_EQ(name(layout::attachment_key(1, 77, key)).key, key);
    EXPECT_EQ(name(layout::quota_key(1, key)).key, key);
  }
  EXPECT_EQ(name(layout::changes_key(1, 300)).number, 300u);
  EXPECT_EQ(name(layout::lease_key(1, 300)).number, 300u);
  const Bytes number(8, '\0');
  for (const Bytes& bad :
       {"\x03" + Bytes("\0\1", 2) + number, "\x03" + Bytes("a\0\2", 3) + number,
        "\x03" + Bytes("a\0\1", 3) + number.substr(1), "\x03" + Bytes("a\0\1", 3) + number + "x",
        "\x04" + number + "x", "\x05" + number.substr(1), "\x06" + number, "\x06" + number + Bytes(4097, 'k'),
        Bytes(4098, '\x07'), Bytes(1, '\x08')}) {
    EXPECT_EQ(code_of(layout::parse_row_name(bad)), Code::CORRUPT) << bad.size();
  }
  for (const Bytes& bad : {Bytes(), Bytes("\x03key"), Bytes("\0x", 2), Bytes("\x01"), Bytes(4098, '\x01'),
                           Bytes("\x02"), Bytes(9, '\x02'), Bytes(12, '\x02'), Bytes(11, '\xff')}) {
    EXPECT_EQ(code_of(layout::parse_row_name(bad)), Code::CORRUPT) << bad.size();
  }
}

}  // namespace
}  // namespace aspen::kv
