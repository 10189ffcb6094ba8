# The commit that this build was configured at, for what a profile says of its origin. A new commit configures
# again, and only build_facts.cpp is compiled anew. Outside a git checkout nothing is said.
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS ${CMAKE_SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
                  OUTPUT_VARIABLE cotenant_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                  RESULT_VARIABLE cotenant_commit_unknown)
  if(cotenant_commit_unknown EQUAL 0)
    set_source_files_properties(${CMAKE_SOURCE_DIR}/kernels/calibrate/build_facts.cpp PROPERTIES
                                COMPILE_DEFINITIONS COTENANT_COMMIT="${cotenant_commit}")
  endif()
  if(EXISTS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
  endif()
endif()
