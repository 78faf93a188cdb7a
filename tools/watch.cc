// aspen watch: what changes, as it happens, until a signal or --count ends it.
#include <cstdio>

#include "tools/entry.h"
#include "tools/signals.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples =
    R"(Every change once, in the order of the revisions; it goes on at another member when one is lost.
Without PREFIX, all keys. Ends with Ctrl-C, and exit code 0.

With -o json a line {"event":"watching","after"} says that it has begun, and which revision was the
last that it does not tell; then comes a line for each change: {"event":"put" or "delete","revision",
"key","value",...}, with --previous also "previous", the entry that was there, or null.

Examples:
  aspen watch user/
  aspen watch user/ --from 42             the past too, as far as it is kept
  aspen watch user/ --previous -o json | jq -c '[.revision, .key, .value, .previous.value]'
  aspen watch lock --count 1 && echo "it has changed")";

constexpr size_t kValueColumns = 60;  // on a terminal; elsewhere values are not cut

struct WatchArguments {
  std::string prefix;
  Encoding encoding = Encoding::TEXT;
  uint64_t from = 0;
  uint64_t count = 0;
  bool previous = false;
};

std::string shown(const aspen_entry_t& entry) {
  return display(value_of(entry), is_terminal(stdout) ? kValueColumns : 0);
}

void print_event(const aspen_watch_event_t& event, const WatchArguments& arguments, Format format) {
  const bool put = event.kind == ASPEN_EVENT_PUT;
  if (format == Format::JSON) {
    Json document;
    document["event"] = put ? "put" : "delete";
    document["revision"] = event.revision;
    if (put) {
      document.update(entry_json(event.entry));
    } else {
      add_bytes(document, "key", key_of(event.entry));
    }
    if (arguments.previous) {
      document["previous"] = event.has_previous ? entry_json(event.previous) : Json(nullptr);
    }
    return print_json(document);
  }
  std::string line =
      fmt::format("{}  {}  {}", event.revision, put ? "put   " : "delete", display(key_of(event.entry), 0));
  if (put) line += "  " + shown(event.entry);
  if (event.has_previous) line += "  was " + shown(event.previous);
  fmt::print("{}\n", line);
}

// Started with its completion on `queue`. None when a signal came first.
template <typename Start>
Result<std::optional<Op>> wait_for(aspen_cq_t* queue, Signals& signals, Start start) {
  aspen_op_t* raw = nullptr;
  if (const int32_t status = start(&raw); status != ASPEN_OK) return std::unexpected(refused(status));
  Op op(raw);
  while (!aspen_op_done(raw)) {
    if (signals.wait(queue, -1)) return std::nullopt;
    aspen_event_t events[16];
    while (aspen_cq_poll(queue, events, std::size(events)) > 0) continue;
  }
  if (aspen_op_status(raw) != ASPEN_OK) return std::unexpected(failure_of(raw, Kind::READ));
  return std::optional<Op>(std::move(op));
}

Result<int> watch(const Common& common, const WatchArguments& arguments) {
  TOOLS_TRY(const std::string prefix, decode(arguments.prefix, arguments.encoding));
  Signals signals;  // before there is a thread
  aspen_cq_t* raw_queue = nullptr;
  if (const int32_t status = aspen_cq_new(&raw_queue); status != ASPEN_OK)
    return std::unexpected(refused(status));
  Queue queue(raw_queue);
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));

  aspen_watch_options_t options;
  aspen_watch_options_init(&options, sizeof options);
  options.prefix = prefix.data();
  options.prefix_size = prefix.size();
  options.revision = arguments.from;
  options.previous = arguments.previous;
  options.timeout_ns = deadline.left_ns();
  TOOLS_TRY(auto opened, wait_for(raw_queue, signals, [&](aspen_op_t** out) {
              return aspen_watch_open(node.get(), &options, raw_queue, 0, out);
            }));
  if (!opened) return kExitOk;
  Watch watch(aspen_op_take_watch(opened->get()));
  if (common.format == Format::JSON) {
    Json document;
    document["event"] = "watching";
    document["after"] = aspen_op_revision(opened->get());
    print_json(document);
  } else {
    fmt::print(stderr, "watching from after revision {}; Ctrl-C ends it\n", aspen_op_revision(opened->get()));
  }

  uint64_t count = 0;
  while (!std::ferror(stdout)) {
    TOOLS_TRY(auto op, wait_for(raw_queue, signals, [&](aspen_op_t** out) {
                return aspen_watch_next(watch.get(), raw_queue, 0, out);
              }));
    if (!op) return kExitOk;
    aspen_watch_event_t event;
    for (size_t i = 0; aspen_op_watch_event(op->get(), i, &event) == ASPEN_OK; ++i) {
      print_event(event, arguments, common.format);
      if (++count == arguments.count) return kExitOk;
    }
    std::fflush(stdout);
  }
  return kExitOk;
}

}  // namespace

void add_watch(Program& program) {
  auto arguments = std::make_shared<WatchArguments>();
  CLI::App* command = program.command(program.root(), "watch", "tell what changes, as it happens", kExamples,
                                      [&program, arguments] { return watch(program.common(), *arguments); });
  command->add_option("PREFIX", arguments->prefix, "keys that begin with this")->option_text(" ");
  command->add_option("--from", arguments->from, "from this revision on; 0 (the default): from now on")
      ->option_text("REVISION")
      ->check(Program::whole_number());
  command->add_flag("--previous", arguments->previous, "what the key was before, too");
  command->add_option("--count", arguments->count, "end after so many changes; 0 (the default): never")
      ->option_text("N")
      ->check(Program::whole_number());
  add_key_encoding(command, arguments->encoding);
  program.add_network(command);
}

}  // namespace aspen::tools
