#!/usr/bin/env python3
"""Shows that scripts/tidy catches each violation: plants them one by one in a small tree that is clean.

usage: scripts/tidy_test.py [--compiler CXX]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = os.path.dirname(os.path.abspath(__file__))
COMPILER = "clang++-19"

CLEAN = {
    "core/base/bytes.h": "#pragma once\n\n#include <string>\n\nusing Bytes = std::string;\n",
    "core/rt/task.h": '#pragma once\n\n#include "core/base/bytes.h"\n\nBytes task_name();\n',
    "core/store/store.h": '#pragma once\n\n#include "core/base/bytes.h"\n',
    "core/raft/core.h": '#pragma once\n\n#include "core/base/bytes.h"\n#include "core/raft/types.h"\n',
    "core/raft/types.h": "#pragma once\n\nusing Term = unsigned long;\n",
    "core/raft/driver.h": '#pragma once\n\n#include "core/raft/core.h"\n#include "core/rt/task.h"\n',
    "core/lab/lab.h": '#pragma once\n\n#include "core/raft/driver.h"\n',
    "capi/include/aspen.h": "#pragma once\n\nint aspen_version(void);\n",
    "bindings/python/src/module.cc": "#include <aspen.h>\n\nint version() {\n  return aspen_version();\n}\n",
    "bindings/go/aspen.go": 'package aspen\n\n// #include "aspen.h"\nimport "C"\n\nfunc f() {\n\tC.aspen_version()\n}\n',
    "docs/architecture.md": "| folder | |\n|---|---|\n| `core/base`, `core/{rt,raft,store,lab}` | a |\n"
    "| `capi`, `bindings/{python,go}` | b |\n| `docs` | c |\n",
    "Makefile": "all:\n\techo\n",
}


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copy(os.path.join(SCRIPTS, "..", ".clang-format"), self.root)
        for path, text in CLEAN.items():
            self.plant(path, text)

    def plant(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def tidy(self, *options):
        command = [sys.executable, os.path.join(SCRIPTS, "tidy"), "--root", self.root, "--compiler", COMPILER]
        result = subprocess.run([*command, *options], capture_output=True, text=True)
        self.assertEqual(result.stderr, "")
        return result.returncode, result.stdout.splitlines()[:-1]

    def expect(self, check, *violations):
        status, lines = self.tidy("--only", check)
        self.assertEqual(lines, list(violations))
        self.assertEqual(status, 1 if violations else 0)

    def test_a_clean_tree_passes_every_check(self):
        self.assertEqual(self.tidy(), (0, []))

    def test_format(self):
        self.plant("core/base/odd.cc", "int  x=1 ;\n")
        self.expect("format", "core/base/odd.cc:1: not as clang-format-19 has it; run make format")

    def test_a_header_that_needs_another_first(self):
        self.plant("core/rt/timer.h", "#pragma once\n\nBytes timer_name();\n")
        _, lines = self.tidy("--only", "headers")
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], "core/rt/timer.h:1: does not compile alone: .*unknown type name 'Bytes'")

    def test_a_header_with_a_warning(self):
        self.plant("core/rt/timer.h", "#pragma once\n\ninline int f(int unused) { return 1; }\n")
        _, lines = self.tidy("--only", "headers")
        self.assertEqual(len(lines), 1)

    def test_a_header_that_the_build_compiles_first_is_left_to_it(self):
        self.plant("core/rt/timer.h", "#pragma once\n\nBytes timer_name();\n")
        self.plant("core/rt/timer.cc", '#include "core/rt/timer.h"\n')
        self.expect("headers")
        self.plant("core/rt/timer.cc", '#include "core/base/bytes.h"\n#include "core/rt/timer.h"\n')
        _, lines = self.tidy("--only", "headers")
        self.assertEqual(len(lines), 1)

    def test_an_include_that_points_up(self):
        self.plant("core/base/up.cc", '#include "core/rt/task.h"\n')
        self.expect(
            "dependencies",
            "core/base/up.cc:1: core/base includes core/rt/task.h; dependencies point down (table in scripts/tidy)",
        )

    def test_an_include_that_points_sideways(self):
        self.plant("core/rt/side.cc", '\n  #  include "core/store/store.h"\n')
        self.expect(
            "dependencies",
            "core/rt/side.cc:2: core/rt includes core/store/store.h; dependencies point down (table in scripts/tidy)",
        )

    def test_an_upward_include_relative_to_the_file(self):
        self.plant("core/base/up.cc", '#include "../rt/task.h"\n')
        self.assertEqual(len(self.tidy("--only", "dependencies")[1]), 1)

    def test_a_protocol_core_that_includes_the_kernel_or_its_driver(self):
        for target in ("core/rt/task.h", "core/raft/driver.h"):
            self.plant("core/raft/core_election.cc", f'#include "{target}"\n')
            self.expect(
                "dependencies",
                f"core/raft/core_election.cc:1: a protocol core includes {target}; "
                "it may include core/base and other cores only",
            )

    def test_an_include_of_the_lab(self):
        self.plant("capi/main.cc", '#include "core/lab/lab.h"\n')
        self.expect(
            "dependencies",
            "capi/main.cc:1: includes core/lab/lab.h; nothing the library is made of includes core/lab",
        )

    def test_a_binding_that_reaches_into_the_engine(self):
        self.plant("bindings/python/src/fast.cc", '#include "core/base/bytes.h"\n')
        self.plant("bindings/go/fast.go", 'package aspen\n\n// #include "core/base/bytes.h"\nimport "C"\n')
        status, lines = self.tidy("--only", "dependencies")
        self.assertEqual(
            [line.split(" includes ")[0] for line in lines],
            ["bindings/go/fast.go:3: bindings/go", "bindings/python/src/fast.cc:1: bindings/python"],
        )

    def test_an_include_of_nothing(self):
        self.plant("core/base/lost.cc", '#include "core/base/gone.h"\n')
        self.expect(
            "dependencies",
            "core/base/lost.cc:1: includes core/base/gone.h, which is not a file of the repository",
        )

    def test_code_in_a_folder_without_rules(self):
        self.plant("misc/code.cc", "int x;\n")
        self.expect("dependencies", "misc/code.cc:1: its folder is not in the table of scripts/tidy")

    def test_names_of_rare_paths(self):
        self.plant("core/rt/a.cc", 'bool a = ASPEN_BUGGIFY("rt-one");\n')
        self.plant("core/rt/a_test.cc", 'bool a = ASPEN_BUGGIFY("rt-one");\n')
        self.expect("sites")
        self.plant(
            "core/store/b.cc",
            'bool b = ASPEN_BUGGIFY("store-one") || ASPEN_BUGGIFY("store-one");\n'
            '// ASPEN_BUGGIFY("comment")\n'
            'bool c = ASPEN_BUGGIFY("rt-two");\n'
            "bool d = ASPEN_BUGGIFY(name);\n"
            'bool e = ASPEN_BUGGIFY("store-Three");\n',
        )
        self.expect(
            "sites",
            "core/store/b.cc:1: store-one also names the rare path at core/store/b.cc:1",
            'core/store/b.cc:3: a rare path is named "store-what-it-does", not "rt-two"',
            'core/store/b.cc:4: a rare path is named "store-what-it-does", not name',
            'core/store/b.cc:5: a rare path is named "store-what-it-does", not "store-Three"',
        )

    def test_a_long_file(self):
        self.plant("docs/long.md", "x\n" * 800)
        self.expect("sizes")
        self.plant("docs/long.md", "x\n" * 801)
        self.expect("sizes", "docs/long.md:801: 801 lines; at most 800 (or a reason in scripts/tidy)")

    def test_white_space(self):
        self.plant("docs/a.md", "fine\nnot fine \n")
        self.plant("docs/b.md", "\tfine\n")
        self.plant("docs/c.md", "fine")
        self.plant("docs/d.md", "fine\n\n")
        self.expect(
            "white_space",
            "docs/a.md:2: white space at the end of the line",
            "docs/b.md:1: a tab",
            "docs/c.md:1: no line end at the end of the file",
            "docs/d.md:2: empty lines at the end of the file",
        )

    def test_build_products_and_binary_files_are_not_looked_at(self):
        self.plant("build/x.cc", "int  x=1 ;")
        self.plant("bindings/node/node_modules/a/b.c", "\t")
        self.plant("docs/picture.png", "\0\t ")
        self.assertEqual(self.tidy("--only", "format,dependencies,sizes,white_space"), (0, []))

    def test_a_folder_the_architecture_does_not_name(self):
        self.plant("core/mesh/a.h", "#pragma once\n")
        self.plant("tools/a.cc", "int x;\n")
        self.expect(
            "architecture",
            "docs/architecture.md:1: the folder table does not name `core/mesh`",
            "docs/architecture.md:1: the folder table does not name `tools`",
        )

    def test_planted_bugs_and_their_table(self):
        self.plant("scripts/mutants.txt", "# comment\nrt-a | rt_test A | a\nrt-b | rt_test B | b\nrt-a | rt_test A | a\n")
        self.plant("docs/architecture.md", CLEAN["docs/architecture.md"] + "| `scripts` | d |\n")
        self.plant(
            "core/rt/a.cc",
            'int a() {\n  return ASPEN_MUTANT("rt-a");\n}\nint b() {\n  return ASPEN_MUTANT("rt-a");\n}\n'
            'int c() {\n  return ASPEN_MUTANT("rt-c");\n}\n',
        )
        self.expect(
            "mutants",
            "scripts/mutants.txt:4: rt-a is there twice",
            "core/rt/a.cc:8: rt-c is not in scripts/mutants.txt",
            "scripts/mutants.txt:3: rt-b is not planted anywhere",
        )
        self.plant("docs/mutants.md", "| `rt-b` | b |\n")
        self.plant("core/rt/a.cc", 'int a() {\n  return ASPEN_MUTANT("rt-a") + ASPEN_MUTANT("rt-b");\n}\n')
        self.plant("scripts/mutants.txt", "rt-a | rt_test A | a\nrt-b | rt_test B | b\n")
        self.expect(
            "mutants", "scripts/mutants.txt:1: rt-a is not in docs/mutants.md; run scripts/mutants --docs"
        )

    def test_no_architecture(self):
        os.remove(os.path.join(self.root, "docs/architecture.md"))
        self.expect("architecture", "docs/architecture.md:1: is missing; its table names every folder")


if __name__ == "__main__":
    if "--compiler" in sys.argv:
        COMPILER = sys.argv[sys.argv.index("--compiler") + 1]
    unittest.main(argv=sys.argv[:1])
