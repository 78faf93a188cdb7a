#include "tools/program.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "tools/bytes_text.h"

namespace aspen::tools {
namespace {

constexpr const char* kDescription = "Encrypted nodes, one replicated key-value store, no server to install";

constexpr const char* kFooter = R"(First steps:
  aspen up --nodes 3                 start three nodes; prints a ticket and runs until Ctrl-C
  export ASPEN_TICKET=aspen1...      in another terminal
  aspen kv put greeting hello
  aspen kv get greeting
  aspen status

Answers are on stdout, everything else on stderr. Exit codes:
  0  done
  1  failed; stderr says why, whether a write may have happened, and what to do
  2  the command line was wrong
  3  asked and answered no: the key is absent, or a condition did not hold)";

// Until parsing has set the format, the arguments tell how a person or program wants to read its failure.
Format format_of(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "-ojson" || argument == "--output=json") return Format::JSON;
    if ((argument == "-o" || argument == "--output") && i + 1 < argc &&
        std::string_view(argv[i + 1]) == "json") {
      return Format::JSON;
    }
  }
  return Format::TABLE;
}

void log_to_stderr(int32_t, const char* line, size_t size, void*) {
  std::string text(line, size);
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

// Help as CLI11 makes it, but with a title set apart from the usage, and one empty line between parts.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, name, mode), "\n\n\n", "\n\n");
  }
  std::string make_description(const CLI::App* app) const override {
    std::string text = app->get_description();
    if (text.empty()) return text;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text + ".\n\n";
  }
};

}  // namespace

Program::Program() : app_(kDescription, "aspen") {
  app_.formatter(std::make_shared<HelpFormatter>());
  app_.require_subcommand(1);
  app_.get_formatter()->column_width(26);
  app_.get_formatter()->label("REQUIRED", "");
  app_.get_formatter()->label("Positionals", "Arguments");
  app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app_.set_help_flag("-h,--help", "this text");
  add_up(*this);
  add_node(*this);
  add_status(*this);
  add_member(*this);
  add_kv(*this);
  add_index(*this);
  add_quota(*this);
  add_watch(*this);
  add_lease(*this);
  add_bench(*this);
  add_backup(*this);
  add_verify(*this);
  add_sim(*this);
  add_ticket(*this);
  add_version(*this);
  app_.footer(kFooter);  // last, because commands would inherit it
}

CLI::App* Program::group(const std::string& name, const std::string& description, const std::string& footer) {
  CLI::App* group = app_.add_subcommand(name, description)->require_subcommand(1)->group("Commands");
  group->footer(footer);
  return group;
}

CLI::App* Program::command(CLI::App* parent, const std::string& name, const std::string& description,
                           const std::string& examples, std::function<Result<int>()> run) {
  CLI::App* command = parent->add_subcommand(name, description)->group("Commands");
  command->footer(examples);
  command->callback([this, run = std::move(run)] { chosen_ = run; });
  return command;
}

void Program::add_output(CLI::App* command) {
  command
      ->add_option_function<std::string>(
          "-o,--output",
          [this](const std::string& format) {
            common_.format = format == "json" ? Format::JSON : Format::TABLE;
          },
          "how to print: table (for people) or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->option_text("table|json");
}

void Program::add_timeout(CLI::App* command, int64_t& timeout_ns, const std::string& description) {
  add_time(command, "--timeout", timeout_ns, description);
}

void Program::add_time(CLI::App* command, const std::string& name, int64_t& time_ns,
                       const std::string& description) {
  command
      ->add_option_function<std::string>(
          name,
          [name, &time_ns](const std::string& text) {
            const Result<int64_t> time = parse_duration(text);
            if (!time) throw CLI::ValidationError(name, time.error().message);
            time_ns = *time;
          },
          description)
      ->option_text("TIME");
}

void Program::add_network(CLI::App* command, const std::string& timeout) {
  command
      ->add_option("--ticket", common_.ticket,
                   "of the network; @FILE reads it from a file; else $ASPEN_TICKET")
      ->option_text("TICKET");
  add_timeout(command, common_.timeout_ns, timeout + ", such as 500ms, 10s (the default), 2m");
  add_output(command);
}

void Program::add_log(CLI::App* command) {
  command
      ->add_option_function<std::string>(
          "--log",
          [](const std::string& level) {
            constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error", "off"};
            for (int32_t i = 0; i < 5; ++i) {
              if (level == kLevels[i]) aspen_log_set(log_to_stderr, nullptr, i);
            }
          },
          "what the engine says on stderr: debug, info, warn, error, off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->option_text("LEVEL");
}

CLI::Validator Program::whole_number() {
  const auto check = [](std::string& text) -> std::string {
    uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && stop == end) return {};
    if (error == std::errc::result_out_of_range) {
      return fmt::format("`{}` is too large; at most {}", display(text, 80), UINT64_MAX);
    }
    return fmt::format("`{}` is not a whole number, 0 or more", display(text, 80));
  };
  return CLI::Validator(check, "", "whole number");
}

const CLI::App* Program::innermost() const {
  const CLI::App* app = &app_;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::string Program::usage_hint() const {
  std::string path;
  for (const CLI::App* app = innermost(); app; app = app->get_parent()) path = app->get_name() + " " + path;
  return fmt::format("`{}--help` has the options and examples", path);
}

Result<int> Program::usage_failure(const CLI::ParseError& error) const {
  const bool none_chosen = dynamic_cast<const CLI::RequiredError*>(&error) && !chosen_ &&
                           std::string_view(error.what()).starts_with("A subcommand");
  if (!none_chosen) return fail_hint(kUsage, error.what(), usage_hint());
  const std::vector<std::string> rest = innermost()->remaining();
  if (rest.empty()) return fail_hint(kUsage, "a command is needed", usage_hint());
  const std::string first = display(rest.front(), 80);
  return fail_hint(kUsage,
                   first.starts_with('-') ? fmt::format("a command is needed before `{}`", first)
                                          : fmt::format("there is no command `{}`", first),
                   usage_hint());
}

int Program::run(int argc, char** argv) {
  common_.format = format_of(argc, argv);
  aspen_log_set(log_to_stderr, nullptr, ASPEN_LOG_ERROR);
  Result<int> result = kExitOk;
  try {
    app_.parse(argc, argv);
    result = chosen_();
  } catch (const CLI::CallForHelp& help) {
    return app_.exit(help);
  } catch (const CLI::ParseError& error) {
    result = usage_failure(error);
  }
  aspen_log_set(nullptr, nullptr, ASPEN_LOG_OFF);
  if (result && (std::fflush(stdout) != 0 || std::ferror(stdout))) {
    result = fail_hint(ASPEN_IO, fmt::format("cannot write the answer: {}", std::strerror(errno)), "");
  }
  if (result) return *result;
  if (result.error().code == kUsage && result.error().hint.empty()) result.error().hint = usage_hint();
  print_failure(result.error(), common_.format);
  return result.error().exit_code();
}

}  // namespace aspen::tools
