# A room is a folder whose .cpp files make one static library; its arrows are its DEPS.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(COTENANT_SANITIZE "" CACHE STRING "address,undefined or thread")
# CHECK stays on: no NDEBUG anywhere. Sanitized builds use -O1: they are there to find faults.
if(COTENANT_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1")
else()
  set(CMAKE_CXX_FLAGS_RELEASE "-O2")
endif()
# g++ 12 reports -Wrestrict falsely on std::string operator+, and the other three on std::string in optimised code
# (GCC bugs 105651, 105329).
# -ffp-contract=off: the same bits from every compiler and processor (docs/design.md).
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers -Wno-restrict
                    -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -ffp-contract=off)
add_compile_definitions(_FORTIFY_SOURCE=2)
if(COTENANT_SANITIZE)
  add_compile_options(-fsanitize=${COTENANT_SANITIZE} -fno-sanitize-recover=all -g1 -U_FORTIFY_SOURCE)
  add_link_options(-fsanitize=${COTENANT_SANITIZE})
endif()

# What nearly every file includes: parsed once, in the lowest room, for all of them.
set(COTENANT_COMMON_HEADERS <algorithm> <array> <cmath> <cstdint> <functional> <map> <memory> <optional> <set> <span>
    <string> <string_view> <utility> <vector> <fmt/format.h> <fmt/ranges.h>)

# cotenant_room(PATH [DEPS room...] [LIBS library...])
function(cotenant_room path)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  string(REPLACE "/" "_" target ${path})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.cpp)
  set(links)
  foreach(dep ${ARG_DEPS})
    string(REPLACE "/" "_" dep ${dep})
    list(APPEND links ${dep})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    if(path STREQUAL sim/core)
      target_precompile_headers(${target} PRIVATE ${COTENANT_COMMON_HEADERS})
    else()
      target_precompile_headers(${target} REUSE_FROM sim_core)
    endif()
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} ${scope} ${links} fmt::fmt ${ARG_LIBS})
endfunction()
