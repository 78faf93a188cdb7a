// aspen kv range: keys in order, as many pages as it takes. Each page is printed as it arrives, so memory is
// bounded by one reply and a listing of millions of keys begins at once.
#include <cstdio>

#include "tools/entry.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples =
    R"(Without bounds, all keys. START is included, END is not. Bounds are compared byte by byte.
A large range is read in several replies; each is linearizable, the whole is not one snapshot.

Examples:
  aspen kv range                                      everything
  aspen kv range --prefix user/ --keys-only
  aspen kv range --start 2024-01 --end 2024-02
  aspen kv range --prefix log/ --reverse --limit 10   the last ten
  aspen kv range --prefix user/ -o json | jq -r '.entries[].key')";

constexpr size_t kValueColumns = 60;  // on a terminal; elsewhere values are not cut
constexpr size_t kKeyColumns = 60;

struct RangeArguments {
  std::optional<std::string> prefix, start, end;
  Encoding encoding = Encoding::TEXT;
  uint64_t limit = 0;
  bool reverse = false;
  bool keys_only = false;
  ReadArguments read;
};

// Prints pages of entries; the document around them when the format is JSON.
class Printer {
 public:
  Printer(Format format, bool keys_only) : format_(format), keys_only_(keys_only) {
    if (format_ == Format::JSON) fmt::print("{{\"entries\":[");
  }
  void page(const Op& op) {
    Table table(keys_only_ ? std::vector<std::string>{"KEY", "REVISION", "VERSION"}
                           : std::vector<std::string>{"KEY", "VALUE", "REVISION", "VERSION"});
    const bool cut = is_terminal(stdout);
    aspen_entry_t entry;
    const uint64_t before = count_;
    for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i, ++count_) {
      if (format_ == Format::JSON) {
        fmt::print("{}\n{}", count_ ? "," : "", entry_json(entry, keys_only_).dump());
        continue;
      }
      std::vector<std::string> row{display(key_of(entry), cut ? kKeyColumns : 0)};
      if (!keys_only_) row.push_back(display(value_of(entry), cut ? kValueColumns : 0));
      row.push_back(std::to_string(entry.mod_revision));
      row.push_back(std::to_string(entry.version));
      table.add(std::move(row));
    }
    revision_ = aspen_op_revision(op.get());
    if (format_ == Format::TABLE && count_ > before) table.print(stdout, before == 0);
  }
  void finish(bool more) {
    if (format_ == Format::JSON) {
      fmt::print("\n],\"count\":{},\"more\":{},\"revision\":{}}}\n", count_, more, revision_);
    } else {
      fmt::print(stderr, "{} {}{}\n", count_, count_ == 1 ? "key" : "keys", more ? ", more follow" : "");
    }
  }
  uint64_t count() const { return count_; }

 private:
  const Format format_;
  const bool keys_only_;
  uint64_t count_ = 0;
  uint64_t revision_ = 0;
};

struct Bounds {
  std::optional<std::string> prefix, start, end;
};

Result<std::optional<std::string>> bound(const std::optional<std::string>& text, Encoding encoding) {
  if (!text) return std::optional<std::string>();
  TOOLS_TRY(std::string bytes, decode(*text, encoding));
  return std::optional<std::string>(std::move(bytes));
}

aspen_range_options_t range_options(const RangeArguments& arguments, const Bounds& bounds,
                                    const Deadline& deadline) {
  aspen_range_options_t options;
  aspen_range_options_init(&options, sizeof options);
  options.consistency = arguments.read.consistency();
  options.staleness_ns = arguments.read.age_max_ns;
  options.revision = arguments.read.revision;
  options.timeout_ns = deadline.left_ns();
  options.reverse = arguments.reverse;
  options.keys_only = arguments.keys_only;
  const auto set = [](const std::optional<std::string>& bytes, const void*& data, size_t& size) {
    if (!bytes) return;
    data = bytes->data();
    size = bytes->size();
  };
  set(bounds.prefix, options.prefix, options.prefix_size);
  set(bounds.start, options.start, options.start_size);
  set(bounds.end, options.end, options.end_size);
  return options;
}

Result<int> range(const Common& common, const RangeArguments& arguments) {
  Bounds bounds;
  TOOLS_TRY(bounds.prefix, bound(arguments.prefix, arguments.encoding));
  TOOLS_TRY(bounds.start, bound(arguments.start, arguments.encoding));
  TOOLS_TRY(bounds.end, bound(arguments.end, arguments.encoding));
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  std::optional<Printer> printer;  // begins with the first reply, so that a failure before it prints nothing
  Op last;
  bool more = true;
  while (more && (!printer || arguments.limit == 0 || printer->count() < arguments.limit)) {
    aspen_range_options_t options = range_options(arguments, bounds, deadline);
    options.limit = arguments.limit == 0 ? 0 : arguments.limit - (printer ? printer->count() : 0);
    if (last) options.continuation = aspen_op_continuation(last.get(), &options.continuation_size);
    TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
                return aspen_kv_range(node.get(), &options, nullptr, 0, out);
              }));
    if (!printer) printer.emplace(common.format, arguments.keys_only);
    printer->page(op);
    more = aspen_op_more(op.get());
    last = std::move(op);
  }
  printer->finish(more);
  return kExitOk;
}

}  // namespace

void add_kv_range(Program& program, CLI::App* kv) {
  auto arguments = std::make_shared<RangeArguments>();
  CLI::App* command = program.command(kv, "range", "list keys in order", kExamples,
                                      [&program, arguments] { return range(program.common(), *arguments); });
  CLI::Option* prefix = command->add_option("--prefix", arguments->prefix, "keys that begin with this");
  prefix->option_text("PREFIX");
  command->add_option("--start", arguments->start, "from this key on")->option_text("KEY")->excludes(prefix);
  command->add_option("--end", arguments->end, "up to before this key")->option_text("KEY")->excludes(prefix);
  command->add_option("--limit", arguments->limit, "at most so many keys; 0 (the default): all")
      ->option_text("N")
      ->check(Program::whole_number());
  command->add_flag("--reverse", arguments->reverse, "from the last key to the first");
  command->add_flag("--keys-only", arguments->keys_only, "no values");
  add_read(command, arguments->read);
  add_key_encoding(command, arguments->encoding);
  program.add_network(command);
}

}  // namespace aspen::tools
