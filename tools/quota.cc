// aspen quota, and aspen kv compact: what an operator does to a store.
#include <cstdio>

#include "tools/entry.h"

namespace aspen::tools {
namespace {

constexpr const char* kFooter =
    R"(A quota bounds what all keys with a prefix may come to. Writes that would exceed it are refused,
QUOTA_EXCEEDED; deleting is always allowed. A key under several prefixes counts in all of them.)";

constexpr const char* kSetExamples =
    R"(The bytes are those of keys and values. A limit that is not given is none; with none at all the prefix has
no quota any more. The empty prefix is that of all keys.

Examples:
  aspen quota set user/ --keys 100000
  aspen quota set "" --bytes 1073741824
  aspen quota set user/                   no quota any more)";

constexpr const char* kCompactExamples =
    R"(Reads and watches from before REVISION fail with COMPACTED afterwards. The leader compacts by itself
what is older than a minute and 10,000 revisions (`aspen node --help`).

Examples:
  aspen kv compact 120400
  aspen kv compact $(aspen kv get any -o json | jq .revision))";

struct QuotaArguments {
  std::string prefix;
  Encoding encoding = Encoding::TEXT;
  uint64_t bytes_max = 0;
  uint64_t keys_max = 0;
};

Result<int> set(const Common& common, const QuotaArguments& arguments) {
  TOOLS_TRY(const std::string prefix, decode(arguments.prefix, arguments.encoding));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_quota_set(node.get(), prefix.data(), prefix.size(), arguments.bytes_max,
                                     arguments.keys_max, &options, nullptr, 0, out);
            }));
  const bool bounded = arguments.bytes_max != 0 || arguments.keys_max != 0;
  if (common.format == Format::JSON) {
    Json document;
    add_bytes(document, "prefix", prefix);
    document["revision"] = aspen_op_revision(op.get());
    document["bounded"] = bounded;
    print_json(document);
  } else {
    fmt::print("`{}` has {}\n", display(prefix, 80), bounded ? "its quota" : "no quota");
  }
  return kExitOk;
}

std::string limit_text(uint64_t limit) {
  return limit == 0 ? "any" : std::to_string(limit);
}

Result<int> list(const Common& common) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_quota_list(node.get(), &options, nullptr, 0, out);
            }));
  Json document = Json::array();
  Table table({"PREFIX", "BYTES", "OF", "KEYS", "OF"});
  aspen_quota_t quota;
  for (size_t i = 0; aspen_op_quota(op.get(), i, &quota) == ASPEN_OK; ++i) {
    const std::string_view prefix = bytes_of(quota.prefix, quota.prefix_size);
    Json row;
    add_bytes(row, "prefix", prefix);
    row.update(Json{{"bytes", quota.bytes},
                    {"bytes_max", quota.bytes_max},
                    {"keys", quota.keys},
                    {"keys_max", quota.keys_max}});
    document.push_back(std::move(row));
    table.add({display(prefix, 40), std::to_string(quota.bytes), limit_text(quota.bytes_max),
               std::to_string(quota.keys), limit_text(quota.keys_max)});
  }
  if (common.format == Format::JSON) {
    print_json(document);
  } else {
    table.print(stdout);
  }
  return kExitOk;
}

Result<int> compact(const Common& common, uint64_t revision) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_kv_compact(node.get(), revision, &options, nullptr, 0, out);
            }));
  const uint64_t oldest = aspen_op_revision(op.get());
  if (common.format == Format::JSON) {
    print_json({{"oldest_revision", oldest}});
  } else {
    fmt::print("revisions from {} on can be read\n", oldest);
  }
  return kExitOk;
}

}  // namespace

void add_kv_compact(Program& program, CLI::App* kv) {
  auto revision = std::make_shared<uint64_t>(0);
  CLI::App* command = program.command(kv, "compact", "forget what was before a revision", kCompactExamples,
                                      [&program, revision] { return compact(program.common(), *revision); });
  command->add_option("REVISION", *revision, "the oldest that can still be read")
      ->option_text(" ")
      ->required()
      ->check(Program::whole_number());
  program.add_network(command);
}

void add_quota(Program& program) {
  CLI::App* quota = program.group("quota", "bound what keys with a prefix may come to", kFooter);

  auto arguments = std::make_shared<QuotaArguments>();
  CLI::App* set_command =
      program.command(quota, "set", "give a prefix a quota, or none", kSetExamples,
                      [&program, arguments] { return set(program.common(), *arguments); });
  set_command->add_option("PREFIX", arguments->prefix, "of the keys; \"\": all")
      ->option_text(" ")
      ->required();
  for (auto [name, value, what] : {std::tuple("--bytes", &arguments->bytes_max, "that they may have"),
                                   std::tuple("--keys", &arguments->keys_max, "that there may be")}) {
    set_command->add_option(name, *value, what)->option_text("N")->check(Program::whole_number());
  }
  add_key_encoding(set_command, arguments->encoding);
  program.add_network(set_command);

  program.add_network(program.command(quota, "list", "quotas, and what they are used by",
                                      "Examples:\n  aspen quota list\n  aspen quota list -o json",
                                      [&program] { return list(program.common()); }));
}

}  // namespace aspen::tools
