#include "tools/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tools/bytes_text.h"

namespace aspen::tools {
namespace {

std::string pad(const std::string& text, size_t width, bool right) {
  const size_t used = columns(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return right ? space + text : text + space;
}

std::string bold(const std::string& text, std::FILE* file) {
  const char* no_color = std::getenv("NO_COLOR");
  if (!is_terminal(file) || (no_color && *no_color)) return text;
  return "\x1b[1m" + text + "\x1b[0m";
}

std::string without_trailing_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

bool is_terminal(std::FILE* file) {
  return isatty(fileno(file)) == 1;
}

void print_json(const Json& document) {
  fmt::print("{}\n", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::fflush(stdout);
}

void Table::add(std::vector<std::string> row) {
  row.resize(head_.size());
  rows_.push_back(std::move(row));
}

std::vector<size_t> Table::widths() const {
  std::vector<size_t> widths;
  for (size_t column = 0; column < head_.size(); ++column) {
    size_t width = columns(head_[column]);
    for (const auto& row : rows_) width = std::max(width, columns(row[column]));
    widths.push_back(width);
  }
  return widths;
}

bool Table::numeric(size_t column) const {
  return !rows_.empty() && std::ranges::all_of(rows_, [&](const auto& row) {
    return !row[column].empty() && row[column].find_first_not_of("0123456789.,+-") == std::string::npos;
  });
}

void Table::print(std::FILE* file, bool with_head) const {
  const std::vector<size_t> width = widths();
  const auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (size_t column = 0; column < row.size(); ++column) {
      if (column) text += "  ";
      text += pad(row[column], width[column], numeric(column));
    }
    return without_trailing_spaces(text);
  };
  if (with_head) fmt::print(file, "{}\n", bold(line(head_), file));
  for (const auto& row : rows_) fmt::print(file, "{}\n", line(row));
  std::fflush(file);
}

void print_fields(const std::vector<std::pair<std::string, std::string>>& fields) {
  size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, columns(name));
  for (const auto& [name, value] : fields) {
    fmt::print("{}\n", without_trailing_spaces(pad(name, width, false) + "  " + value));
  }
  std::fflush(stdout);
}

}  // namespace aspen::tools
