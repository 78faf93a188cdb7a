// Tuples (aspen_tuple_*): a list of items in which a nested tuple is BEGIN, its items and END.
#include <algorithm>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "capi/include/aspen.h"
#include "core/base/limits.h"
#include "core/base/utf8.h"
#include "core/kv/subspace.h"

using aspen::Bytes;
using aspen::BytesView;
using aspen::Code;
using aspen::Result;
namespace kv = aspen::kv;
namespace limits = aspen::limits;

namespace {

struct Item {
  int32_t type;
  kv::TupleItem value;  // null of a BEGIN and an END
};

}  // namespace

struct aspen_tuple {
  std::vector<Item> items;
  size_t bytes = 0;  // that the items take at least when they are packed
  size_t depth = 0;  // BEGINs without an END
  kv::KeyRange packed;
  std::string message;
};

namespace {

int32_t refuse(aspen_tuple_t* tuple, const aspen::Error& error) {
  tuple->message = error.message;
  return static_cast<int32_t>(error.code);
}

int32_t refuse(aspen_tuple_t* tuple, Code code, const char* message) {
  return refuse(tuple, aspen::Error(code, message));
}

int32_t append(aspen_tuple_t* tuple, int32_t type, kv::TupleItem value, size_t body_size) {
  if (tuple->bytes + 1 + body_size > limits::kTupleBytesMax) {
    return refuse(tuple, aspen::Error(Code::LIMIT_EXCEEDED,
                                      fmt::format("tuple: more than {} bytes", limits::kTupleBytesMax)));
  }
  tuple->bytes += 1 + body_size;
  tuple->items.push_back({type, std::move(value)});
  return ASPEN_OK;
}

// The size is checked before anything is copied, and again, with the other items', when it is appended.
template <typename T>
int32_t append_string(aspen_tuple_t* tuple, int32_t type, const void* data, size_t size) {
  if (tuple == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (data == nullptr && size > 0) return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: a NULL pointer");
  if (size >= limits::kTupleBytesMax) return append(tuple, type, {}, limits::kTupleBytesMax);
  return append(tuple, type, T{Bytes(static_cast<const char*>(data), size)}, size);
}

// The nested form of the items. Requires: depth == 0.
kv::Tuple nest(const std::vector<Item>& items) {
  std::vector<kv::Tuple> open(1);
  for (const Item& item : items) {
    if (item.type == ASPEN_TUPLE_BEGIN) {
      open.emplace_back();
    } else if (item.type == ASPEN_TUPLE_END) {
      kv::TupleItem inner(std::move(open.back()));
      open.pop_back();
      open.back().push_back(std::move(inner));
    } else {
      open.back().push_back(item.value);
    }
  }
  return std::move(open.front());
}

int32_t type_of(const kv::TupleItem& item) {
  // By the alternatives of kv::TupleItem::Value.
  constexpr int32_t kTypes[] = {ASPEN_TUPLE_NULL, ASPEN_TUPLE_BYTES, ASPEN_TUPLE_TEXT,  ASPEN_TUPLE_BEGIN,
                                ASPEN_TUPLE_INT,  ASPEN_TUPLE_UINT,  ASPEN_TUPLE_FLOAT, ASPEN_TUPLE_DOUBLE,
                                ASPEN_TUPLE_BOOL, ASPEN_TUPLE_UUID};
  static_assert(std::size(kTypes) == std::variant_size_v<kv::TupleItem::Value>);
  return kTypes[item.value().index()];
}

void flatten(const kv::Tuple& tuple, std::vector<Item>& items) {
  for (const kv::TupleItem& item : tuple) {
    const int32_t type = type_of(item);
    if (type == ASPEN_TUPLE_BEGIN) {
      items.push_back({type, {}});
      flatten(*item.get<kv::Tuple>(), items);
      items.push_back({ASPEN_TUPLE_END, {}});
    } else {
      items.push_back({type, item});
    }
  }
}

// `range` is of the tuples with more items; its `start` without the last byte is the tuple's own key.
int32_t pack_range(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size) {
  if (prefix == nullptr && prefix_size > 0) {
    return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: a NULL pointer");
  }
  if (tuple->depth > 0) {
    return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: aspen_tuple_begin without aspen_tuple_end");
  }
  BytesView before(static_cast<const char*>(prefix), prefix_size);
  Result<kv::KeyRange> range = kv::tuple_range(nest(tuple->items), before);
  if (!range) return refuse(tuple, range.error());
  tuple->packed = *std::move(range);
  return ASPEN_OK;
}

void set_data(aspen_tuple_item_t* out, BytesView bytes) {
  out->data = aspen::byte_data(bytes);
  out->size = bytes.size();
}

void read_value(aspen_tuple_item_t* out, const kv::TupleItem& item) {
  std::visit(
      [out](const auto& value) {
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<T, kv::Blob>) {
          set_data(out, value.bytes);
        } else if constexpr (std::is_same_v<T, kv::Text>) {
          set_data(out, value.utf8);
        } else if constexpr (std::is_same_v<T, kv::Uuid>) {
          set_data(out, aspen::as_bytes(value.bytes.data(), value.bytes.size()));
        } else if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, bool>) {
          out->int_value = value;
        } else if constexpr (std::is_same_v<T, uint64_t>) {
          out->uint_value = value;
        } else if constexpr (std::is_floating_point_v<T>) {
          out->float_value = value;
        }
      },
      item.value());
}

}  // namespace

int32_t aspen_tuple_new(aspen_tuple_t** out) {
  if (out == nullptr) return ASPEN_INVALID_ARGUMENT;
  *out = new aspen_tuple;
  return ASPEN_OK;
}

void aspen_tuple_free(aspen_tuple_t* tuple) {
  delete tuple;
}

void aspen_tuple_clear(aspen_tuple_t* tuple) {
  if (tuple == nullptr) return;
  tuple->items.clear();
  tuple->bytes = tuple->depth = 0;
}

const char* aspen_tuple_message(const aspen_tuple_t* tuple) {
  return tuple != nullptr ? tuple->message.c_str() : "";
}

int32_t aspen_tuple_add_null(aspen_tuple_t* tuple) {
  return tuple != nullptr ? append(tuple, ASPEN_TUPLE_NULL, {}, 0) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_tuple_add_bytes(aspen_tuple_t* tuple, const void* data, size_t size) {
  return append_string<kv::Blob>(tuple, ASPEN_TUPLE_BYTES, data, size);
}

int32_t aspen_tuple_add_text(aspen_tuple_t* tuple, const char* text, size_t size) {
  bool readable = tuple != nullptr && text != nullptr && size < limits::kTupleBytesMax;
  if (readable && !aspen::is_utf8(BytesView(text, size))) {
    return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: text that is not UTF-8");
  }
  return append_string<kv::Text>(tuple, ASPEN_TUPLE_TEXT, text, size);
}

int32_t aspen_tuple_add_int(aspen_tuple_t* tuple, int64_t value) {
  return tuple != nullptr ? append(tuple, ASPEN_TUPLE_INT, value, 0) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_tuple_add_uint(aspen_tuple_t* tuple, uint64_t value) {
  kv::TupleItem item(value);
  const int32_t type = type_of(item);
  return tuple != nullptr ? append(tuple, type, std::move(item), 0) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_tuple_add_float(aspen_tuple_t* tuple, float value) {
  return tuple != nullptr ? append(tuple, ASPEN_TUPLE_FLOAT, value, sizeof value) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_tuple_add_double(aspen_tuple_t* tuple, double value) {
  return tuple != nullptr ? append(tuple, ASPEN_TUPLE_DOUBLE, value, sizeof value) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_tuple_add_bool(aspen_tuple_t* tuple, uint8_t value) {
  return tuple != nullptr ? append(tuple, ASPEN_TUPLE_BOOL, value != 0, 0) : ASPEN_INVALID_ARGUMENT;
}

int32_t aspen_tuple_add_uuid(aspen_tuple_t* tuple, const uint8_t uuid[16]) {
  if (tuple == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (uuid == nullptr) return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: a NULL pointer");
  kv::Uuid copied;
  std::copy_n(uuid, copied.bytes.size(), copied.bytes.begin());
  return append(tuple, ASPEN_TUPLE_UUID, copied, copied.bytes.size());
}

int32_t aspen_tuple_begin(aspen_tuple_t* tuple) {
  if (tuple == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (tuple->depth == limits::kTupleDepthMax) {
    return refuse(
        tuple, aspen::Error(Code::LIMIT_EXCEEDED, fmt::format("tuple: more than {} tuples inside each other",
                                                              limits::kTupleDepthMax)));
  }
  int32_t status = append(tuple, ASPEN_TUPLE_BEGIN, {}, 1);
  if (status == ASPEN_OK) ++tuple->depth;
  return status;
}

int32_t aspen_tuple_end(aspen_tuple_t* tuple) {
  if (tuple == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (tuple->depth == 0) {
    return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: aspen_tuple_end without aspen_tuple_begin");
  }
  --tuple->depth;
  tuple->items.push_back({ASPEN_TUPLE_END, {}});  // its byte was counted by begin
  return ASPEN_OK;
}

int32_t aspen_tuple_pack(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size, const uint8_t** data,
                         size_t* size) {
  if (data != nullptr) *data = nullptr;
  if (size != nullptr) *size = 0;
  if (tuple == nullptr || data == nullptr || size == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (int32_t status = pack_range(tuple, prefix, prefix_size); status != ASPEN_OK) return status;
  *data = aspen::byte_data(tuple->packed.start);
  *size = tuple->packed.start.size() - 1;
  return ASPEN_OK;
}

int32_t aspen_tuple_range(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size, const uint8_t** start,
                          size_t* start_size, const uint8_t** end, size_t* end_size) {
  for (const uint8_t** pointer : {start, end}) {
    if (pointer != nullptr) *pointer = nullptr;
  }
  for (size_t* size : {start_size, end_size}) {
    if (size != nullptr) *size = 0;
  }
  if (tuple == nullptr || start == nullptr || start_size == nullptr || end == nullptr ||
      end_size == nullptr) {
    return ASPEN_INVALID_ARGUMENT;
  }
  if (int32_t status = pack_range(tuple, prefix, prefix_size); status != ASPEN_OK) return status;
  *start = aspen::byte_data(tuple->packed.start);
  *start_size = tuple->packed.start.size();
  *end = aspen::byte_data(tuple->packed.end);
  *end_size = tuple->packed.end.size();
  return ASPEN_OK;
}

int32_t aspen_tuple_unpack(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size, const void* key,
                           size_t key_size) {
  if (tuple == nullptr) return ASPEN_INVALID_ARGUMENT;
  if ((prefix == nullptr && prefix_size > 0) || (key == nullptr && key_size > 0)) {
    aspen_tuple_clear(tuple);
    return refuse(tuple, Code::INVALID_ARGUMENT, "tuple: a NULL pointer");
  }
  BytesView before(static_cast<const char*>(prefix), prefix_size);
  // No more of it than it takes to be longer than any key.
  before = before.substr(0, std::min(key_size, limits::kTupleBytesMax) + 1);
  BytesView bytes(static_cast<const char*>(key), key_size);
  Result<kv::Tuple> unpacked = kv::Subspace(Bytes(before)).unpack(bytes);
  aspen_tuple_clear(tuple);  // after unpacking: the key may be one of the tuple's own items
  if (!unpacked) return refuse(tuple, unpacked.error());
  flatten(*unpacked, tuple->items);
  tuple->bytes = key_size;
  return ASPEN_OK;
}

size_t aspen_tuple_count(const aspen_tuple_t* tuple) {
  return tuple != nullptr ? tuple->items.size() : 0;
}

int32_t aspen_tuple_item(const aspen_tuple_t* tuple, size_t index, aspen_tuple_item_t* item) {
  if (item == nullptr) return ASPEN_INVALID_ARGUMENT;
  *item = {};
  if (tuple == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (index >= tuple->items.size()) return ASPEN_NOT_FOUND;
  item->type = tuple->items[index].type;
  read_value(item, tuple->items[index].value);
  return ASPEN_OK;
}
