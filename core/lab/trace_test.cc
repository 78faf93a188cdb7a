#include "core/lab/trace.h"

#include <gtest/gtest.h>

#include "core/lab/text.h"

namespace aspen::lab {
namespace {

Trace recorded() {
  Trace trace(Trace::Recording::on);
  trace.add(0, 1, "start", "");
  trace.add(1'000, 2, "deliver", "append 3 -> 2");
  trace.add(-5, 3, "note", Bytes("a\0\"\\\n\xff", 6));
  return trace;
}

TEST(Trace, HasTheSameHashOnEveryMachine) {
  // Python: hashlib.blake2b(fields, digest_size=16), the fields as varints and zigzag varints.
  EXPECT_EQ(to_hex(Trace().hash()), "cae66941d9efbd404e4d88758ea67670");
  Trace one;
  one.add(1, 2, "k", "d");
  EXPECT_EQ(to_hex(one.hash()), "3a3b31ab8cd74e39125e97e047c1f889");
}

TEST(Trace, HashesEveryFieldAndTheirOrder) {
  auto hash_of = [](std::vector<TraceEvent> events) {
    Trace trace;
    for (const TraceEvent& e : events) trace.add(e.time, e.node, e.kind, e.detail);
    return trace.hash();
  };
  TraceHash base = hash_of({{1, 2, "ab", "c"}, {1, 3, "x", "y"}});
  EXPECT_EQ(base, hash_of({{1, 2, "ab", "c"}, {1, 3, "x", "y"}}));
  EXPECT_NE(base, hash_of({{2, 2, "ab", "c"}, {1, 3, "x", "y"}}));
  EXPECT_NE(base, hash_of({{1, 1, "ab", "c"}, {1, 3, "x", "y"}}));
  EXPECT_NE(base, hash_of({{1, 2, "a", "bc"}, {1, 3, "x", "y"}}));
  EXPECT_NE(base, hash_of({{1, 3, "x", "y"}, {1, 2, "ab", "c"}}));
  EXPECT_NE(base, hash_of({{1, 2, "ab", "c"}}));
}

TEST(Trace, WhatHappensOftenCountsByItsNumbersAndPlace) {
  auto hash_of = [](Trace trace, TimeNs time, const char* kind, uint64_t number, bool first) {
    auto text = [] { return "text"; };
    if (first) trace.add_often(time, 1, kind, {number}, text);
    trace.add(2, 1, "note", "");
    if (!first) trace.add_often(time, 1, kind, {number}, text);
    return trace.hash();
  };
  Trace quiet;
  TraceHash base = hash_of(quiet, 1, "send", 5, true);
  EXPECT_EQ(base, hash_of(Trace(Trace::Recording::on), 1, "send", 5, true));
  EXPECT_NE(base, hash_of(quiet, 2, "send", 5, true));
  EXPECT_NE(base, hash_of(quiet, 1, "lose", 5, true));
  EXPECT_NE(base, hash_of(quiet, 1, "send", 6, true));
  EXPECT_NE(base, hash_of(quiet, 1, "send", 5, false));

  Trace loud(Trace::Recording::on);
  loud.add_often(1, 2, "send", {3}, [] { return "a > b"; });
  EXPECT_EQ(loud.text(), "1 2 \"send\" \"a > b\"\n");
  EXPECT_EQ(loud.count(), 1u);
}

TEST(Trace, HashesTheSameWithAndWithoutLines) {
  Trace quiet;
  Trace loud(Trace::Recording::on, 1);
  for (Trace* trace : {&quiet, &loud}) {
    trace->add(1, 1, "a", "");
    EXPECT_EQ(trace->hash(), trace->hash()) << "asking changes nothing";
    trace->add(2, 1, "b", "");
  }
  EXPECT_EQ(quiet.hash(), loud.hash());
  EXPECT_TRUE(quiet.lines().empty());
  EXPECT_FALSE(quiet.truncated());
  EXPECT_EQ(loud.lines().size(), 1u);
  EXPECT_TRUE(loud.truncated());
  EXPECT_EQ(loud.count(), 2u);
}

TEST(Trace, IsReadBackAsItWasWritten) {
  Trace trace = recorded();
  EXPECT_EQ(trace.lines()[2], R"(-5 3 "note" "a\x00\"\\\x0a\xff")");
  auto lines = parse_trace(trace.text());
  ASSERT_TRUE(lines) << lines.error().to_string();
  EXPECT_EQ(*lines, trace.lines());
  TraceEvent event = *parse_trace_event(trace.lines()[2]);
  EXPECT_EQ(event, (TraceEvent{-5, 3, "note", Bytes("a\0\"\\\n\xff", 6)}));
  EXPECT_EQ(format(event), trace.lines()[2]);
}

TEST(Trace, RefusesLinesThatAreNone) {
  for (const char* line : {"", "1", "1 2", "x 2 \"k\" \"d\"", "1 -2 \"k\" \"d\"", "1 2 k \"d\"",
                           "1 2 \"k\" \"d", "1 2 \"k\" \"\\xg0\"", "1 2 \"k\" \"\\x", "1 2 \"k\" \"d\" 3"}) {
    EXPECT_FALSE(parse_trace_event(line)) << line;
  }
  auto refused = parse_trace("1 2 \"k\" \"d\"\nnonsense\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "trace line 2: time is not a number: \"nonsense\"");
}

TEST(Trace, FindsWhereTwoRunsPart) {
  Trace a = recorded();
  EXPECT_EQ(first_divergence(a.lines(), a.lines()), std::nullopt);
  std::vector<std::string> b = a.lines();
  b[1] = R"(1000 2 "drop" "")";
  auto found = first_divergence(a.lines(), b);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->line, 1u);
  EXPECT_NE(found->text.find("both: 1: 0 1 \"start\" \"\""), std::string::npos) << found->text;
  EXPECT_NE(found->text.find("a: 2: 1000 2 \"deliver\""), std::string::npos);
  EXPECT_NE(found->text.find("b: 2: 1000 2 \"drop\""), std::string::npos);

  b = a.lines();
  b.pop_back();
  found = first_divergence(a.lines(), b);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->line, 2u);
  EXPECT_NE(found->text.find("b: (ends)"), std::string::npos) << found->text;
}

}  // namespace
}  // namespace aspen::lab
