// What an index finds in a record: the values under which the record's key is listed.
//
// Every member must find the same in the same bytes, today and when it applies the log again, so the engine
// runs no code of the program's here: an extractor is a text, and what the text can say is in this file. A
// program with a rule of its own follows it where it writes: it packs what its records are to be found by
// into a tuple (tuple.h) beside the rest, and declares `tuple:N`.
//
//   json:/user/email   the value is JSON; what RFC 6901's pointer points to. An integer of 64 bits is an
//                      integer, any other number a double; texts, true, false and null are themselves
//   number:/price      the same, but only numbers and all of them doubles, so that 9.5 comes before 10
//   tuple:0            the value is a packed tuple; its item of that number, from 0
//   value              all of the value, as a blob
//
// An array, and a tuple in a tuple, stands for each of its elements. What is not of the form, lacks the item,
// or is an object or an array in the array, has no value: the record is not in the index. Nor are values
// that are over limits::kIndexValueBytesMax packed, JSON texts over kIndexDocumentBytesMax, and elements
// after the first kIndexValuesMax. Of a name that an object has twice the last one counts.
//
// Thread safety: a value.
#pragma once

#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace aspen::kv {

class Extractor {
 public:
  // Errors: INVALID_ARGUMENT naming what is known; LIMIT_EXCEEDED.
  static Result<Extractor> parse(BytesView text);

  // Each as a packed tuple of one item, ascending and none twice.
  std::vector<Bytes> extract(BytesView value) const;

 private:
  enum class Kind : uint8_t { json, number, tuple, whole };

  Kind kind_ = Kind::whole;
  std::vector<std::string> path_;  // of json and number: the pointer's tokens
  size_t item_ = 0;                // of tuple
};

}  // namespace aspen::kv
