// aspen index: secondary indexes. Values are JSON on the command line and in the output, whatever tuple they
// are in the index.
#include <cstdio>

#include "tools/entry.h"

namespace aspen::tools {
namespace {

constexpr const char* kFooter =
    R"(An index finds the keys with a prefix by what is in their values, and is kept in the same step as every
write. What it is over is said by an extractor:
  json:POINTER    a place in a JSON value (RFC 6901), such as json:/user/email
  number:POINTER  the same, only numbers, in the order of numbers whether whole or not
  tuple:N         the item of that number, from 0, of a packed tuple
  value           the whole value, as bytes
Each element of an array is an entry of its own; a value without the place is not in the index.)";

constexpr const char* kCreateExamples =
    R"(Keys that are there are entered in the background: `aspen index list` tells how far it is.

Examples:
  aspen index create by-email user/ json:/email
  aspen index create by-price item/ number:/price
  aspen index create by-value "" value)";

constexpr const char* kScanExamples =
    R"(VALUE is JSON, or text when it is no JSON scalar. Whole numbers come before all others: in an index by
`number:` every number is one of these, so write 20.0. START is included, END is not.

Examples:
  aspen index scan by-email --value ada@example.org
  aspen index scan by-price --start 9.5 --end 20.0 --keys-only
  aspen index scan by-age --reverse --limit 3 -o json)";

struct Deleter {
  void operator()(aspen_tuple_t* tuple) const { aspen_tuple_free(tuple); }
};
using Tuple = std::unique_ptr<aspen_tuple_t, Deleter>;

Tuple new_tuple() {
  aspen_tuple_t* raw = nullptr;
  aspen_tuple_new(&raw);
  return Tuple(raw);
}

Result<std::string> pack(const std::string& text, bool bytes) {
  Tuple tuple = new_tuple();
  const Json json = bytes ? Json() : Json::parse(text, nullptr, false);
  int32_t status = ASPEN_OK;
  if (bytes) {
    status = aspen_tuple_add_bytes(tuple.get(), text.data(), text.size());
  } else if (json.is_null()) {
    status = aspen_tuple_add_null(tuple.get());
  } else if (json.is_boolean()) {
    status = aspen_tuple_add_bool(tuple.get(), json.get<bool>() ? 1 : 0);
  } else if (json.is_number_unsigned()) {
    status = aspen_tuple_add_uint(tuple.get(), json.get<uint64_t>());
  } else if (json.is_number_integer()) {
    status = aspen_tuple_add_int(tuple.get(), json.get<int64_t>());
  } else if (json.is_number_float()) {
    status = aspen_tuple_add_double(tuple.get(), json.get<double>());
  } else {
    const std::string& value = json.is_string() ? json.get_ref<const std::string&>() : text;
    status = aspen_tuple_add_text(tuple.get(), value.data(), value.size());
  }
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (status == ASPEN_OK) status = aspen_tuple_pack(tuple.get(), nullptr, 0, &data, &size);
  if (status != ASPEN_OK) return fail_hint(kUsage, aspen_tuple_message(tuple.get()), "");
  return std::string(bytes_of(data, size));
}

// Bytes and what JSON has no form for are shown as text.
Json unpack(std::string_view packed) {
  Tuple tuple = new_tuple();
  aspen_tuple_item_t item{};
  if (aspen_tuple_unpack(tuple.get(), nullptr, 0, packed.data(), packed.size()) != ASPEN_OK ||
      aspen_tuple_item(tuple.get(), 0, &item) != ASPEN_OK) {
    return display(packed, 0);
  }
  switch (item.type) {
    case ASPEN_TUPLE_NULL:
      return nullptr;
    case ASPEN_TUPLE_TEXT:
      return std::string(bytes_of(item.data, item.size));
    case ASPEN_TUPLE_INT:
      return item.int_value;
    case ASPEN_TUPLE_UINT:
      return item.uint_value;
    case ASPEN_TUPLE_FLOAT:
    case ASPEN_TUPLE_DOUBLE:
      return item.float_value;
    case ASPEN_TUPLE_BOOL:
      return item.int_value != 0;
    default:
      return display(bytes_of(item.data, item.size), 0);
  }
}

struct CreateArguments {
  std::string name, prefix, extractor;
  Encoding encoding = Encoding::TEXT;
};

Result<int> create(const Common& common, const CreateArguments& arguments) {
  TOOLS_TRY(std::string prefix, decode(arguments.prefix, arguments.encoding));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_index_create(node.get(), arguments.name.c_str(), prefix.data(), prefix.size(),
                                        arguments.extractor.c_str(), &options, nullptr, 0, out);
            }));
  const uint64_t id = aspen_op_revision(op.get());
  if (common.format == Format::JSON) {
    print_json({{"name", arguments.name}, {"id", id}});
  } else {
    fmt::print("index {} is being built\n", arguments.name);
  }
  return kExitOk;
}

Result<int> drop(const Common& common, const std::string& name) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_index_drop(node.get(), name.c_str(), &options, nullptr, 0, out);
            }));
  const uint64_t revision = aspen_op_revision(op.get());
  if (common.format == Format::JSON) {
    print_json({{"name", name}, {"revision", revision}});
  } else {
    fmt::print("index {} is dropped\n", name);
  }
  return kExitOk;
}

Result<int> list(const Common& common) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_index_list(node.get(), &options, nullptr, 0, out);
            }));
  const Json document = Json::parse(aspen_op_text(op.get()), nullptr, false);
  if (common.format == Format::JSON) {
    print_json(document);
    return kExitOk;
  }
  Table table({"NAME", "PREFIX", "EXTRACTOR", "STATE", "RECORDS"});
  for (const Json& index : document) {
    const Result<std::string> prefix = decode(index["prefix_hex"].get<std::string>(), Encoding::HEX);
    table.add({display(index["name"].get<std::string>(), 0), display(prefix ? *prefix : "", 40),
               display(index["extractor"].get<std::string>(), 40), index["state"].get<std::string>(),
               std::to_string(index["records"].get<uint64_t>())});
  }
  table.print(stdout);
  return kExitOk;
}

struct ScanArguments {
  std::string name;
  std::optional<std::string> value, start, end;
  bool bytes = false;
  uint64_t limit = 0;
  bool reverse = false;
  bool keys_only = false;
};

struct ScanBounds {
  std::optional<std::string> value, start, end;
};

Result<ScanBounds> bounds_of(const ScanArguments& arguments) {
  ScanBounds bounds;
  if (arguments.value) {
    TOOLS_TRY(bounds.value, pack(*arguments.value, arguments.bytes));
  }
  if (arguments.start) {
    TOOLS_TRY(bounds.start, pack(*arguments.start, arguments.bytes));
  }
  if (arguments.end) {
    TOOLS_TRY(bounds.end, pack(*arguments.end, arguments.bytes));
  }
  return bounds;
}

aspen_index_scan_options_t scan_options(const ScanArguments& arguments, const ScanBounds& bounds,
                                        const Deadline& deadline) {
  aspen_index_scan_options_t options;
  aspen_index_scan_options_init(&options, sizeof options);
  options.timeout_ns = deadline.left_ns();
  options.reverse = arguments.reverse;
  options.keys_only = arguments.keys_only;
  const auto set = [](const std::optional<std::string>& bytes, const void*& data, size_t& size) {
    if (!bytes) return;
    data = bytes->data();
    size = bytes->size();
  };
  set(bounds.value, options.value, options.value_size);
  set(bounds.start, options.start, options.start_size);
  set(bounds.end, options.end, options.end_size);
  return options;
}

void print_page(const Op& op, Format format, bool keys_only, uint64_t before) {
  constexpr size_t kColumns = 60;
  const size_t cut = is_terminal(stdout) ? kColumns : 0;
  Table table(keys_only ? std::vector<std::string>{"INDEXED", "KEY"}
                        : std::vector<std::string>{"INDEXED", "KEY", "VALUE"});
  aspen_entry_t entry;
  for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i) {
    size_t size = 0;
    const uint8_t* value = aspen_op_index_value(op.get(), i, &size);
    const Json indexed = unpack(bytes_of(value, size));
    if (format == Format::JSON) {
      Json line = {{"indexed", indexed}};
      line.update(entry_json(entry, keys_only));
      fmt::print("{}\n{}", before + i > 0 ? "," : "", line.dump());
      continue;
    }
    const std::string text = indexed.is_string() ? indexed.get<std::string>() : indexed.dump();
    std::vector<std::string> row{display(text, cut), display(key_of(entry), cut)};
    if (!keys_only) row.push_back(display(value_of(entry), cut));
    table.add(std::move(row));
  }
  if (format == Format::TABLE && aspen_op_entry_count(op.get()) > 0) table.print(stdout, before == 0);
}

Result<int> scan(const Common& common, const ScanArguments& arguments) {
  TOOLS_TRY(ScanBounds bounds, bounds_of(arguments));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  uint64_t count = 0;
  Op last;
  bool more = true;
  while (more && (!last || arguments.limit == 0 || count < arguments.limit)) {
    aspen_index_scan_options_t options = scan_options(arguments, bounds, deadline);
    options.limit = arguments.limit == 0 ? 0 : arguments.limit - count;
    if (last) options.continuation = aspen_op_continuation(last.get(), &options.continuation_size);
    TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
                return aspen_index_scan(node.get(), arguments.name.c_str(), &options, nullptr, 0, out);
              }));
    // Only now, so that a failure before it prints nothing.
    if (!last && common.format == Format::JSON) fmt::print("{{\"entries\":[");
    print_page(op, common.format, arguments.keys_only, count);
    count += aspen_op_entry_count(op.get());
    more = aspen_op_more(op.get()) != 0;
    last = std::move(op);
  }
  if (common.format == Format::JSON) {
    fmt::print("\n],\"count\":{},\"more\":{},\"revision\":{}}}\n", count, more,
               aspen_op_revision(last.get()));
  } else {
    fmt::print(stderr, "{} {}{}\n", count, count == 1 ? "entry" : "entries", more ? ", more follow" : "");
  }
  return kExitOk;
}

void add_scan(Program& program, CLI::App* group) {
  auto arguments = std::make_shared<ScanArguments>();
  CLI::App* command = program.command(group, "scan", "list keys by what is in their values", kScanExamples,
                                      [&program, arguments] { return scan(program.common(), *arguments); });
  command->add_option("NAME", arguments->name, "of the index")->required();
  CLI::Option* value = command->add_option("--value", arguments->value, "keys with this value");
  value->option_text("VALUE");
  command->add_option("--start", arguments->start, "from this value on")
      ->option_text("VALUE")
      ->excludes(value);
  command->add_option("--end", arguments->end, "up to before this value")
      ->option_text("VALUE")
      ->excludes(value);
  command->add_flag("--bytes", arguments->bytes, "values are bytes: of an index by `value`");
  command->add_option("--limit", arguments->limit, "at most so many entries; 0 (the default): all")
      ->option_text("N")
      ->check(Program::whole_number());
  command->add_flag("--reverse", arguments->reverse, "from the last value to the first");
  command->add_flag("--keys-only", arguments->keys_only, "without what the keys hold");
  program.add_network(command);
}

}  // namespace

void add_index(Program& program) {
  CLI::App* group = program.group("index", "find keys by what is in their values", kFooter);

  auto created = std::make_shared<CreateArguments>();
  CLI::App* command = program.command(group, "create", "declare an index", kCreateExamples,
                                      [&program, created] { return create(program.common(), *created); });
  command->add_option("NAME", created->name, "of the index")->required();
  command->add_option("PREFIX", created->prefix, "of the keys that are in it; \"\": all")->required();
  command->add_option("EXTRACTOR", created->extractor, "what of their values, such as json:/email")
      ->required();
  add_key_encoding(command, created->encoding);
  program.add_network(command);

  auto dropped = std::make_shared<std::string>();
  command = program.command(group, "drop", "give up an index",
                            "Examples:\n  aspen index drop by-email      the keys stay",
                            [&program, dropped] { return drop(program.common(), *dropped); });
  command->add_option("NAME", *dropped, "of the index")->required();
  program.add_network(command);

  command = program.command(
      group, "list", "the indexes, and how far they are built",
      "RECORDS are the keys that were looked at to build it.\n\nExamples:\n  aspen index list\n"
      "  aspen index list -o json | jq -r '.[] | select(.state == \"ready\").name'",
      [&program] { return list(program.common()); });
  program.add_network(command);

  add_scan(program, group);
}

}  // namespace aspen::tools
