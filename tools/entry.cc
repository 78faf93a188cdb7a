#include "tools/entry.h"

namespace aspen::tools {

void add_bytes(Json& document, const std::string& name, std::string_view bytes) {
  document[name] = is_utf8(bytes) ? Json(std::string(bytes)) : Json(nullptr);
  document[name + "_base64"] = to_base64(bytes);
}

Json entry_json(const aspen_entry_t& entry, bool keys_only) {
  Json document;
  add_bytes(document, "key", key_of(entry));
  if (!keys_only) add_bytes(document, "value", value_of(entry));
  document["create_revision"] = entry.create_revision;
  document["mod_revision"] = entry.mod_revision;
  document["version"] = entry.version;
  return document;
}

void add_key_encoding(CLI::App* command, Encoding& encoding) {
  CLI::Option* hex = command->add_flag_callback(
      "--hex", [&encoding] { encoding = Encoding::HEX; }, "keys on the command line are hex");
  hex->option_text(" ");
  command
      ->add_flag_callback(
          "--base64", [&encoding] { encoding = Encoding::BASE64; }, "keys on the command line are base64")
      ->option_text(" ")
      ->excludes(hex);
}

void add_read(CLI::App* command, ReadArguments& read) {
  command->add_flag("--stale", read.stale, "what the nearest member has; faster, may be old");
  Program::add_time(command, "--max-age", read.age_max_ns,
                    "what the nearest member has, but at most so old, such as 2s");
  command->add_option("--revision", read.revision, "as it was after this revision")
      ->option_text("N")
      ->check(Program::whole_number());
}

}  // namespace aspen::tools
