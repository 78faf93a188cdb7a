// Known bugs, planted one at a time, to show that the tests and the lab would notice them.
//
//   if (index > commit_ && (ASPEN_MUTANT("raft-commit-old-term") || term_at(index) == term_)) ...
//
// In an ordinary build ASPEN_MUTANT is `false` and leaves no trace. Built with -DASPEN_MUTANTS=ON, one
// mutant is active at a time: the one the environment variable ASPEN_MUTANT names. scripts/mutants.txt lists
// all of them, each with the command that must fail when it is active; `make mutants` runs that table.
#pragma once

#ifdef ASPEN_MUTANTS
namespace aspen {
// Thread safety: any thread.
bool mutant_active(const char* name);
}  // namespace aspen
#define ASPEN_MUTANT(name) (::aspen::mutant_active(name))
#else
#define ASPEN_MUTANT(name) (false)
#endif
