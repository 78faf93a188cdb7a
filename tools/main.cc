#include "tools/program.h"

int main(int argc, char** argv) {
  aspen::tools::Program program;
  return program.run(argc, argv);
}
