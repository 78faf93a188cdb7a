# What every folder of the engine needs: warnings, sanitizers, third-party libraries, and one function.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(RocksDB REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(quic REQUIRED IMPORTED_TARGET libngtcp2 libngtcp2_crypto_gnutls gnutls)

add_library(aspen_options INTERFACE)
target_include_directories(aspen_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(aspen_options INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Designated initializers name what differs from a struct's defaults.
  target_compile_options(aspen_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-designated-field-initializers>)
endif()
if(ASPEN_SANITIZE)
  target_compile_options(aspen_options INTERFACE
    -fsanitize=${ASPEN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(aspen_options INTERFACE -fsanitize=${ASPEN_SANITIZE})
endif()
target_link_options(aspen_options INTERFACE -fuse-ld=lld)

if(ASPEN_TESTS)
  enable_testing()
  include(GoogleTest)
  find_package(GTest REQUIRED)
endif()

# aspen_module(NAME LINKS...): the folder's *.cc as library aspen_NAME, its *_test.cc as NAME_test, each
# X_fuzz.cc as X_fuzz. `LINKS` are the modules below it and the third-party libraries it uses.
#
# Under the fuzz preset X_fuzz is a libFuzzer program (`make fuzz` runs it); otherwise it reads the committed
# inputs of corpus/X once. Either way that reading is a test, so that no finding comes back.
function(aspen_module name)
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc)
  file(GLOB benches CONFIGURE_DEPENDS *_bench.cc)
  file(GLOB fuzzers CONFIGURE_DEPENDS *_fuzz.cc)
  list(REMOVE_ITEM sources ${tests} ${benches} ${fuzzers})
  if(NOT sources)  # the folder is still being filled
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cc "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cc)
  endif()
  add_library(aspen_${name} STATIC ${sources})
  target_link_libraries(aspen_${name} PUBLIC aspen_options ${ARGN})
  if(ASPEN_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE aspen_${name} GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE ASPEN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
  if(ASPEN_TESTS)
    foreach(source ${fuzzers})
      get_filename_component(fuzzer ${source} NAME_WE)
      string(REGEX REPLACE "_fuzz$" "" decoder ${fuzzer})
      add_executable(${fuzzer} ${source})
      target_link_libraries(${fuzzer} PRIVATE aspen_${name})
      if(ASPEN_SANITIZE MATCHES "fuzzer")
        target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
      else()
        target_sources(${fuzzer} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/fuzz_replay.cc)
      endif()
      add_test(NAME ${fuzzer} COMMAND ${fuzzer} -runs=0 ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${decoder})
    endforeach()
  endif()
endfunction()
