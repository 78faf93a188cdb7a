#include "core/kv/extractor.h"

#include <algorithm>
#include <charconv>

#include "core/base/utf8.h"
#include "core/kv/index_limits.h"
#include "core/kv/json_scalars.h"
#include "core/kv/tuple.h"

namespace aspen::kv {
namespace {

constexpr BytesView kKnown =
    "json:POINTER, number:POINTER (RFC 6901, empty or beginning with /), tuple:N, value";

std::unexpected<Error> unknown(BytesView text) {
  return fail(Code::INVALID_ARGUMENT, "the extractor \"{}\" is unknown; there are {}", text, kKnown);
}

// RFC 6901 section 3.
Result<std::vector<std::string>> parse_pointer(BytesView pointer, BytesView text) {
  std::vector<std::string> tokens;
  if (!pointer.empty() && pointer[0] != '/') return unknown(text);
  for (size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      tokens.emplace_back();
    } else if (pointer[i] != '~') {
      tokens.back().push_back(pointer[i]);
    } else if (BytesView escaped = pointer.substr(i, 2); escaped == "~0" || escaped == "~1") {
      tokens.back().push_back(pointer[++i] == '0' ? '~' : '/');
    } else {
      return fail(Code::INVALID_ARGUMENT, "the extractor \"{}\" has a ~ that is neither ~0 nor ~1", text);
    }
  }
  return tokens;
}

Tuple items_of_tuple(BytesView value, size_t item) {
  Result<Tuple> tuple = unpack(value);
  if (!tuple || item >= tuple->size()) return {};
  if (const Tuple* elements = (*tuple)[item].get<Tuple>()) return *elements;
  return {std::move((*tuple)[item])};
}

}  // namespace

Result<Extractor> Extractor::parse(BytesView text) {
  if (text.size() > limits::kExtractorBytesMax) {
    return fail(Code::LIMIT_EXCEEDED, "the extractor is {} bytes; at most {}", text.size(),
                limits::kExtractorBytesMax);
  }
  if (!is_utf8(text)) return fail(Code::INVALID_ARGUMENT, "the extractor is not UTF-8");
  Extractor extractor;
  if (text == "value") return extractor;
  const size_t colon = text.find(':');
  if (colon == BytesView::npos) return unknown(text);
  const BytesView name = text.substr(0, colon), rest = text.substr(colon + 1);
  if (name == "json" || name == "number") {
    extractor.kind_ = name == "json" ? Kind::json : Kind::number;
    ASPEN_TRY(extractor.path_, parse_pointer(rest, text));
    return extractor;
  }
  if (name != "tuple") return unknown(text);
  extractor.kind_ = Kind::tuple;
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), extractor.item_);
  if (error != std::errc() || end != rest.data() + rest.size()) return unknown(text);
  return extractor;
}

std::vector<Bytes> Extractor::extract(BytesView value) const {
  Tuple items;
  switch (kind_) {
    case Kind::json:
    case Kind::number:
      if (value.size() > limits::kIndexDocumentBytesMax) break;
      items = json_scalars(value, path_, limits::kIndexValuesMax);
      break;
    case Kind::tuple:
      items = items_of_tuple(value, item_);
      break;
    case Kind::whole:
      if (value.size() <= limits::kIndexValueBytesMax) items.push_back(Blob{Bytes(value)});
      break;
  }
  if (items.size() > limits::kIndexValuesMax) items.resize(limits::kIndexValuesMax);
  std::vector<Bytes> packed;
  for (TupleItem& item : items) {
    if (kind_ == Kind::number) {
      if (const auto* small = item.get<int64_t>()) {
        item = static_cast<double>(*small);
      } else if (const auto* large = item.get<uint64_t>()) {
        item = static_cast<double>(*large);
      } else if (item.get<double>() == nullptr) {
        continue;
      }
    }
    Result<Bytes> one = pack({std::move(item)});
    if (one && one->size() <= limits::kIndexValueBytesMax) packed.push_back(*std::move(one));
  }
  std::ranges::sort(packed);
  const auto twice = std::ranges::unique(packed);
  packed.erase(twice.begin(), twice.end());
  return packed;
}

}  // namespace aspen::kv
