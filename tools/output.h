// What commands print on stdout: aligned tables for people, JSON for programs. Everything that is not the
// answer itself (progress, advice, failures) goes to stderr, so that `aspen ... | program` is always safe.
//
// Thread safety: none.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/failure.h"

namespace aspen::tools {

// Columns in the order given, so that documents read as the documentation writes them.
using Json = nlohmann::ordered_json;

// One line on stdout, flushed: whoever waits for it may start at once.
void print_json(const Json& document);

// An aligned table with a bold head on a terminal.
//
//   Table table({"NODE", "ADDRESS"});
//   table.add({"1", "127.0.0.1:7001"});
//   table.print(stdout);
//
// Invariants: every row has as many cells as the head.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : head_(std::move(head)) {}
  void add(std::vector<std::string> row);
  // Columns of digits only are set flush right. `with_head` is false for the later pages of one listing.
  void print(std::FILE* file, bool with_head = true) const;

 private:
  std::vector<size_t> widths() const;
  bool numeric(size_t column) const;

  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

// "key   value" lines, aligned.
void print_fields(const std::vector<std::pair<std::string, std::string>>& fields);

bool is_terminal(std::FILE* file);

}  // namespace aspen::tools
