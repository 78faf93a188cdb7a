#include "core/lab/trace.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/wire.h"
#include "core/lab/text.h"

namespace aspen::lab {
namespace {

constexpr size_t kContextLines = 5;

std::string format(TimeNs time, uint64_t node, std::string_view kind, BytesView detail) {
  return fmt::format("{} {} {} {}", time, node, quote(kind), quote(detail));
}

std::string shown(const std::vector<std::string>& lines, size_t from, const char* whose) {
  std::string out;
  if (from == lines.size()) return fmt::format("{}: (ends)\n", whose);
  for (size_t i = from; i < std::min(lines.size(), from + kContextLines); ++i) {
    out += fmt::format("{}: {}: {}\n", whose, i + 1, lines[i]);
  }
  return out;
}

}  // namespace

std::string to_hex(const TraceHash& hash) {
  return fmt::format("{:02x}", fmt::join(hash, ""));
}

std::string format(const TraceEvent& event) {
  return format(event.time, event.node, event.kind, event.detail);
}

Result<TraceEvent> parse_trace_event(std::string_view line) {
  TextReader in(line);
  TraceEvent event;
  event.time = in.signed_number("time");
  event.node = in.number("node");
  event.kind = in.quoted("kind");
  event.detail = in.quoted("detail");
  ASPEN_CHECK(in.finish());
  return event;
}

Trace::Trace(Recording recording, size_t lines_max) : recording_(recording), lines_max_(lines_max) {
  crypto_generichash_init(&state_, nullptr, 0, sizeof(TraceHash));
}

void Trace::add(TimeNs time, uint64_t node, std::string_view kind, BytesView detail) {
  wire::Writer numbers;
  numbers.i64(time);
  numbers.u64(node);
  numbers.u64(kind.size());
  numbers.u64(detail.size());
  for (BytesView part : {numbers.view(), BytesView(kind), detail}) {
    crypto_generichash_update(&state_, byte_data(part), part.size());
  }
  ++count_;
  if (keeps_line()) keep_line(time, node, kind, detail);
}

void Trace::keep_line(TimeNs time, uint64_t node, std::string_view kind, BytesView detail) {
  lines_.push_back(format(time, node, kind, detail));
}

TraceHash Trace::hash() const {
  crypto_generichash_state state = state_;
  if (often_ != 0) {
    wire::Writer often;
    often.u64(often_);
    crypto_generichash_update(&state, byte_data(often.view()), often.view().size());
  }
  TraceHash out;
  crypto_generichash_final(&state, out.data(), out.size());
  return out;
}

std::string Trace::text() const {
  std::string out;
  for (const std::string& line : lines_) (out += line) += '\n';
  return out;
}

Result<std::vector<std::string>> parse_trace(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (lines.size() == kTraceLinesMax) {
      return fail(Code::LIMIT_EXCEEDED, "the trace has more than {} lines", kTraceLinesMax);
    }
    if (auto event = parse_trace_event(line); !event) {
      return fail(Code::INVALID_ARGUMENT, "trace line {}: {}", lines.size() + 1, event.error().message);
    }
    lines.emplace_back(line);
  }
  return lines;
}

std::optional<Divergence> first_divergence(const std::vector<std::string>& a,
                                           const std::vector<std::string>& b) {
  if (a == b) return std::nullopt;
  Divergence found;
  while (found.line < a.size() && found.line < b.size() && a[found.line] == b[found.line]) ++found.line;
  size_t from = found.line - std::min(found.line, kContextLines);
  found.text = fmt::format("the traces differ from line {} on\n", found.line + 1);
  for (size_t i = from; i < found.line; ++i) found.text += fmt::format("both: {}: {}\n", i + 1, a[i]);
  found.text += shown(a, found.line, "a") + shown(b, found.line, "b");
  return found;
}

}  // namespace aspen::lab
