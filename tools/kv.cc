// aspen kv put, get, del and cas: one key at a time.
#include <cstdio>

#include "tools/entry.h"

namespace aspen::tools {
namespace {

constexpr const char* kFooter = R"(Keys and values are bytes. A key is 1 to 4096 bytes; a value at most 4 MiB.
A VALUE argument is the text itself, @FILE, @@text (a text that begins with @), or - for standard input.
Reads see every write that completed before them, unless --stale or --max-age is given. A write that is reported done is
on the disks of a majority.

Examples:
  aspen kv put greeting hello
  aspen kv get greeting
  aspen kv range --prefix user/
  aspen kv cas counter 8 --expect 7)";

constexpr const char* kPutExamples = R"(Examples:
  aspen kv put greeting hello
  aspen kv put config @config.json        the content of a file
  make-report | aspen kv put report -     standard input
  aspen kv put member/1 here --lease 42   deleted when the lease ends (see `aspen lease`)
  aspen kv put --hex 00ff01 hello         a binary key
  aspen kv put -- -dash value             after --, nothing is an option)";

constexpr const char* kGetExamples =
    R"(On a terminal the value is shown with unprintable bytes escaped; into a pipe or file it is written
byte for byte, nothing added. Exit code 3 when the key is absent.

Examples:
  aspen kv get greeting
  aspen kv get config > config.json
  aspen kv get config --revision 1204     what it was then
  aspen kv get greeting -o json | jq .mod_revision)";

constexpr const char* kDelExamples =
    R"(Deleting an absent key is no failure; the answer says whether it was there.

Examples:
  aspen kv del greeting
  aspen kv del greeting -o json | jq .existed)";

constexpr const char* kCasExamples =
    R"(Compare and swap: puts VALUE if the condition holds, in one step that nothing can come between.
Exactly one condition is needed. Exit code 3, and what the key has instead, when it does not hold.

Examples:
  aspen kv cas lock me --absent           only if nobody has it
  aspen kv cas counter 8 --expect 7       only if it is 7
  aspen kv cas config @new.json --revision 42
  aspen kv cas seat 12A --present         only if there is one to change)";

struct KeyArguments {
  std::string key;
  std::string value;
  Encoding encoding = Encoding::TEXT;
  bool literal = false;
  ReadArguments read;
  uint64_t lease = 0;  // of put
};

struct CasArguments : KeyArguments {
  std::string expected;
  uint64_t revision = 0;
  int32_t comparison = 0;
  int conditions = 0;  // given
};

void add_key(CLI::App* command, KeyArguments& arguments) {
  command->add_option("KEY", arguments.key, "the key")->option_text(" ")->required();
  add_key_encoding(command, arguments.encoding);
}

void add_value(CLI::App* command, KeyArguments& arguments) {
  command->add_option("VALUE", arguments.value, "the value, @FILE, or - for standard input")
      ->option_text(" ")
      ->required();
  command->add_flag("--literal", arguments.literal, "VALUE is the value itself, even - or @...");
}

Result<std::string> value_argument(const KeyArguments& arguments, const std::string& text) {
  return arguments.literal ? Result<std::string>(text) : read_value(text);
}

// What a write changed, as fields of the answer.
struct Change {
  bool existed = false;
  uint64_t previous_revision = 0;
};

Change change_of(const Op& op) {
  uint8_t existed = 0;
  Change change;
  if (aspen_op_change(op.get(), 0, &existed, &change.previous_revision) == ASPEN_OK) change.existed = existed;
  return change;
}

Json change_json(std::string_view key, const Op& op) {
  const Change change = change_of(op);
  Json document;
  add_bytes(document, "key", key);
  document["revision"] = aspen_op_revision(op.get());
  document["existed"] = change.existed;
  document["previous_revision"] = change.previous_revision;
  return document;
}

Result<int> put(const Common& common, const KeyArguments& arguments) {
  TOOLS_TRY(const std::string key, decode(arguments.key, arguments.encoding));
  TOOLS_TRY(const std::string value, value_argument(arguments, arguments.value));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  aspen_call_options_t options = call_options(deadline);
  options.lease = arguments.lease;
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_kv_put(node.get(), key.data(), key.size(), value.data(), value.size(), &options,
                                  nullptr, 0, out);
            }));
  if (common.format == Format::JSON) {
    print_json(change_json(key, op));
  } else {
    fmt::print("{} at revision {}\n", change_of(op).existed ? "replaced" : "created",
               aspen_op_revision(op.get()));
  }
  return kExitOk;
}

Result<int> get(const Common& common, const KeyArguments& arguments) {
  TOOLS_TRY(const std::string key, decode(arguments.key, arguments.encoding));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  const aspen_call_options_t options = call_options(deadline, arguments.read);
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_kv_get(node.get(), key.data(), key.size(), &options, nullptr, 0, out);
            }));
  aspen_entry_t entry;
  if (aspen_op_entry(op.get(), 0, &entry) != ASPEN_OK) {
    return fail_hint(ASPEN_NOT_FOUND, fmt::format("no key `{}`", display(key, 80)),
                     "`aspen kv range --prefix ... --keys-only` lists what is there");
  }
  if (common.format == Format::JSON) {
    print_json(entry_json(entry));
  } else if (is_terminal(stdout)) {
    fmt::print("{}\n", display(value_of(entry), 0));
  } else {
    std::fwrite(entry.value, 1, entry.value_size, stdout);
  }
  return kExitOk;
}

Result<int> del(const Common& common, const KeyArguments& arguments) {
  TOOLS_TRY(const std::string key, decode(arguments.key, arguments.encoding));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_kv_delete(node.get(), key.data(), key.size(), &options, nullptr, 0, out);
            }));
  if (common.format == Format::JSON) {
    print_json(change_json(key, op));
  } else if (change_of(op).existed) {
    fmt::print("deleted at revision {}\n", aspen_op_revision(op.get()));
  } else {
    fmt::print("was not there\n");
  }
  return kExitOk;
}

// The answer of a swap whose condition did not hold: what the key has instead.
void print_not_swapped(const Common& common, const std::string& key, const Op& op) {
  aspen_entry_t entry;
  const bool present = aspen_op_entry(op.get(), 0, &entry) == ASPEN_OK;
  if (common.format == Format::JSON) {
    Json document;
    add_bytes(document, "key", key);
    document["succeeded"] = false;
    document["revision"] = nullptr;
    document["current"] = present ? entry_json(entry) : Json(nullptr);
    print_json(document);
  } else if (present) {
    fmt::print("not swapped: the key has revision {} and value {}\n", entry.mod_revision,
               display(value_of(entry), 80));
  } else {
    fmt::print("not swapped: the key is absent\n");
  }
}

Result<int> cas(const Common& common, const CasArguments& arguments) {
  if (arguments.conditions != 1) {
    return fail_hint(
        kUsage, arguments.conditions ? "cas takes one condition" : "cas needs a condition",
        "exactly one of --absent, --present, --expect VALUE, --revision N; see `aspen kv cas --help`");
  }
  TOOLS_TRY(const std::string key, decode(arguments.key, arguments.encoding));
  TOOLS_TRY(const std::string value, value_argument(arguments, arguments.value));
  TOOLS_TRY(const std::string expected, value_argument(arguments, arguments.expected));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_kv_cas(node.get(), key.data(), key.size(), arguments.comparison, expected.data(),
                                  expected.size(), arguments.revision, value.data(), value.size(), &options,
                                  nullptr, 0, out);
            }));
  if (!aspen_op_succeeded(op.get())) {
    print_not_swapped(common, key, op);
    return kExitNo;
  }
  if (common.format == Format::JSON) {
    Json document;
    add_bytes(document, "key", key);
    document["succeeded"] = true;
    document["revision"] = aspen_op_revision(op.get());
    document["current"] = nullptr;
    print_json(document);
  } else {
    fmt::print("swapped at revision {}\n", aspen_op_revision(op.get()));
  }
  return kExitOk;
}

void add_conditions(CLI::App* command, CasArguments& arguments) {
  const auto choose = [&arguments](int32_t comparison) {
    ++arguments.conditions;
    arguments.comparison = comparison;
  };
  const std::string group = "Condition (exactly one)";
  command->add_flag_callback(
             "--absent", [choose] { choose(ASPEN_IF_ABSENT); }, "the key does not exist")
      ->group(group);
  command->add_flag_callback(
             "--present", [choose] { choose(ASPEN_IF_PRESENT); }, "the key exists")
      ->group(group);
  command
      ->add_option_function<std::string>(
          "--expect",
          [&arguments, choose](const std::string& text) {
            choose(ASPEN_IF_VALUE);
            arguments.expected = text;
          },
          "the key has this value (@FILE and - as for VALUE)")
      ->option_text("VALUE")
      ->group(group);
  command
      ->add_option_function<uint64_t>(
          "--revision",
          [&arguments, choose](const uint64_t& revision) {
            choose(ASPEN_IF_REVISION);
            arguments.revision = revision;
          },
          "the key was last written at this revision")
      ->option_text("N")
      ->check(Program::whole_number())
      ->group(group);
}

template <typename Arguments>
CLI::App* add(Program& program, CLI::App* kv, const char* name, const char* description, const char* examples,
              Result<int> (*run)(const Common&, const Arguments&), std::shared_ptr<Arguments> arguments) {
  CLI::App* command = program.command(kv, name, description, examples, [&program, run, arguments] {
    return run(program.common(), *arguments);
  });
  add_key(command, *arguments);
  return command;
}

}  // namespace

void add_kv(Program& program) {
  CLI::App* kv = program.group("kv", "read and write keys", kFooter);

  auto for_put = std::make_shared<KeyArguments>();
  CLI::App* put_command = add(program, kv, "put", "write a key", kPutExamples, put, for_put);
  add_value(put_command, *for_put);
  put_command->add_option("--lease", for_put->lease, "attach the key to this lease, with which it goes")
      ->option_text("LEASE")
      ->check(Program::whole_number());
  program.add_network(put_command);

  auto for_get = std::make_shared<KeyArguments>();
  CLI::App* get_command = add(program, kv, "get", "read a key", kGetExamples, get, for_get);
  add_read(get_command, for_get->read);
  program.add_network(get_command);

  auto for_del = std::make_shared<KeyArguments>();
  program.add_network(add(program, kv, "del", "delete a key", kDelExamples, del, for_del));

  add_kv_range(program, kv);
  add_kv_compact(program, kv);

  auto for_cas = std::make_shared<CasArguments>();
  CLI::App* cas_command =
      add(program, kv, "cas", "compare and swap: write if a condition holds", kCasExamples, cas, for_cas);
  add_value(cas_command, *for_cas);
  add_conditions(cas_command, *for_cas);
  program.add_network(cas_command);
}

}  // namespace aspen::tools
