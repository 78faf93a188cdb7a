// The directory layer: paths of names, each of which stands for a short prefix that its keys begin with.
//
// A program that keeps many kinds of things would have to choose prefixes by hand, keep them apart, and pay
// for long ones in every key. A directory is made under a path such as ("app", "users") and has a prefix of a
// few bytes from then on, also when it is moved. The idea, and layers, are those of FoundationDB's directory
// layer; the rows are our own.
//
//   ASPEN_CO_TRY(Directory users, co_await open_directory(cx, router, {.path = {"app", "users"},
//                                                                      .how = DirectoryOpen::either}));
//   key = *kv::pack({42}, users.prefix);
//
// All rows are under the byte fe, and are packed tuples (kv/tuple.h):
//
//   fe, ("in", parent, name)   a directory: (number, layer). The root's number is 0; it has no row
//   fe, ("number", number)     taken: nothing
//   fe, (number)...            what is in the directory: its prefix is fe and the packed number
//
// Children are found by their parent's number, so moving a directory changes one row whatever is below it.
//
// A number must be new, and choosing it must not make everybody wait for everybody. It is the revision of an
// empty transaction, which the log gives to nobody else; that nothing lies under it is still looked at, for a
// store may have been restored into another log.
//
// Each of these is one optimistic transaction (SharedDraft) over the rows of all directories on its paths:
// two that create the same directory both get it, whoever was first; one that loses its parent meanwhile
// finds that out. It is tried again while others are faster, at most kAttempts times, then OVERLOADED. What a
// program writes into a directory that is removed at the same time is not looked after: it has the prefix
// already.
//
// Limits: limits of names, depth and layers below. Removing is one transaction: at most
// kDirectoriesRemovedMax directories, and limits::kRevisionKeysMax keys in them. Thread safety: none; the
// engine thread.
#pragma once

#include <string>
#include <vector>

#include "core/node/router.h"

namespace aspen::node {

inline constexpr size_t kDirectoryNameBytesMax = 255;
inline constexpr size_t kDirectoryDepthMax = 32;
inline constexpr size_t kDirectoryLayerBytesMax = 255;
inline constexpr size_t kDirectoriesRemovedMax = 1000;

// Names of UTF-8, none of them empty.
using DirectoryPath = std::vector<std::string>;

enum class DirectoryOpen : uint8_t { existing, create, either };

struct Directory {
  Bytes prefix;
  Bytes layer;
  bool created = false;
};

struct DirectoryRequest {
  DirectoryPath path;
  DirectoryOpen how = DirectoryOpen::either;
  Bytes layer = {};  // of a new one; one that exists must have it, if it is not empty
};

struct DirectoryListRequest {
  DirectoryPath path;
  std::string after = {};  // names behind this one
  uint32_t limit = 0;      // as of a range
};

struct DirectoryEntry {
  std::string name;
  Bytes prefix;
  Bytes layer;
};
struct DirectoryList {
  std::vector<DirectoryEntry> entries;  // by name
  bool more = false;                    // after the last one
  uint64_t revision = 0;
};

// What a user can do wrong: INVALID_ARGUMENT, LIMIT_EXCEEDED. The root, an empty path, can only be listed.
Result<> validate_directory_path(const DirectoryPath& path);
// A path as a packed tuple of texts.
Result<DirectoryPath> parse_directory_path(BytesView packed);

// Parents that are missing are created too, without a layer. Errors: NOT_FOUND, ALREADY_EXISTS;
// INVALID_ARGUMENT when the layer is another one.
rt::Task<Result<Directory>> open_directory(rt::Cx& cx, Router& router, DirectoryRequest request);
// Those that are directly in it. Errors: NOT_FOUND.
rt::Task<Result<DirectoryList>> list_directory(rt::Cx& cx, Router& router, DirectoryListRequest request);
// Everything in it goes with it and keeps its prefix. Errors: NOT_FOUND, also of the new parent;
// ALREADY_EXISTS; INVALID_ARGUMENT when the new place is inside the old one.
rt::Task<Result<Directory>> move_directory(rt::Cx& cx, Router& router, DirectoryPath from, DirectoryPath to);
// With all that is in it; says whether it was there. Errors: LIMIT_EXCEEDED.
rt::Task<Result<bool>> remove_directory(rt::Cx& cx, Router& router, DirectoryPath path);

}  // namespace aspen::node
