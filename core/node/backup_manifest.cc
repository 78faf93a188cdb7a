#include "core/node/backup_manifest.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace aspen::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "aspen backup";
constexpr std::string_view kChecksumDomain = "aspen/backup-manifest/1";

struct Counter {
  const char* name;
  uint64_t kv::SnapshotContents::* field;
};
constexpr Counter kCounters[] = {
    {"keys", &kv::SnapshotContents::keys},       {"key_bytes", &kv::SnapshotContents::key_bytes},
    {"leases", &kv::SnapshotContents::leases},   {"quotas", &kv::SnapshotContents::quotas},
    {"indexes", &kv::SnapshotContents::indexes}, {"sessions", &kv::SnapshotContents::sessions},
    {"rows", &kv::SnapshotContents::rows},       {"chunks", &kv::SnapshotContents::chunks},
    {"bytes", &kv::SnapshotContents::bytes},
};

Json head(const BackupManifest& manifest) {
  Json json = {{"format", kFormat},
               {"version", kBackupVersion},
               {"network_id", manifest.origin.network.to_string()},
               {"node_id", manifest.origin.node.to_string()},
               {"revision", manifest.contents.applied},
               {"term", manifest.origin.term},
               {"time_unix_ns", manifest.contents.time},
               {"compacted", manifest.contents.compacted}};
  for (const Counter& counter : kCounters) json[counter.name] = manifest.contents.*counter.field;
  json["state"] = to_hex(manifest.contents.state);
  return json;
}

// Reads members of a document; remembers that one was not as it should be.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}
  uint64_t number(const char* name) {
    auto found = json_.find(name);
    if (found != json_.end() && found->is_number_unsigned()) return found->get<uint64_t>();
    ok_ = false;
    return 0;
  }
  std::string text(const char* name) {
    auto found = json_.find(name);
    if (found != json_.end() && found->is_string()) return found->get<std::string>();
    ok_ = false;
    return "";
  }
  NodeId id(const char* name) {
    auto id = NodeId::parse(text(name));
    if (id) return *id;
    ok_ = false;
    return {};
  }
  Hash hash(const char* name) {
    Hash out{};
    std::string digits = text(name);
    auto value = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
    ok_ = ok_ && digits.size() == 2 * out.size() &&
          digits.find_first_not_of("0123456789abcdef") == std::string::npos;
    for (size_t i = 0; ok_ && i < out.size(); ++i) {
      out[i] = static_cast<uint8_t>(16 * value(digits[2 * i]) + value(digits[2 * i + 1]));
    }
    return out;
  }
  bool ok() const { return ok_ && json_.is_object(); }

 private:
  const Json& json_;
  bool ok_ = true;
};

std::optional<BackupManifest> read(const Json& json) {
  BackupManifest manifest;
  Fields fields(json);
  manifest.origin = {fields.id("network_id"), fields.id("node_id"), fields.number("term")};
  manifest.contents.applied = fields.number("revision");
  manifest.contents.time = static_cast<WallNs>(fields.number("time_unix_ns"));
  manifest.contents.compacted = fields.number("compacted");
  for (const Counter& counter : kCounters) manifest.contents.*counter.field = fields.number(counter.name);
  manifest.contents.state = fields.hash("state");
  auto files = json.find("files");
  if (!fields.ok() || files == json.end() || !files->is_array()) return std::nullopt;
  for (const Json& file : *files) {
    Fields of_file(file);
    manifest.files.push_back({of_file.text("name"), of_file.number("bytes"), of_file.hash("blake2b")});
    if (!of_file.ok()) return std::nullopt;
  }
  return manifest;
}

}  // namespace

std::string to_hex(const Hash& hash) {
  return fmt::format("{:02x}", fmt::join(hash, ""));
}

std::string backup_file_name(size_t number) {
  return std::to_string(number) + kChunksSuffix;
}

std::string encode_manifest(const BackupManifest& manifest) {
  Json json = head(manifest);
  json["files"] = Json::array();
  for (const BackupFile& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"blake2b", to_hex(file.hash)}});
  }
  json["checksum"] = to_hex(hash(kChecksumDomain, {json.dump()}));
  return json.dump(2) + "\n";
}

Result<BackupManifest> decode_manifest(BytesView text, const std::string& path) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::CORRUPT, "{} is damaged: it is not JSON", path);
  Fields fields(json);
  if (fields.text("format") != kFormat) return fail(Code::CORRUPT, "{} is not a backup's manifest", path);
  uint64_t version = fields.number("version");
  if (version != kBackupVersion) {
    return fail(Code::UNSUPPORTED, "{} has format version {}; this build reads version {}: use {} release",
                path, version, kBackupVersion, version > kBackupVersion ? "a newer" : "an older");
  }
  std::optional<BackupManifest> manifest = read(json);
  if (!manifest || encode_manifest(*manifest) != text) {
    return fail(Code::CORRUPT, "{} does not match its checksum", path);
  }
  for (size_t i = 0; i < manifest->files.size(); ++i) {
    if (manifest->files[i].name == backup_file_name(i + 1)) continue;
    return fail(Code::CORRUPT, "{} names '{}' instead of {}", path, manifest->files[i].name,
                backup_file_name(i + 1));
  }
  return *std::move(manifest);
}

std::string summary(const BackupManifest& manifest) {
  Json json = head(manifest);
  json["files"] = manifest.files.size();
  return json.dump();
}

}  // namespace aspen::node
