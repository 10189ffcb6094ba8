# The GPU module libcotenant_cuda.so, where the CUDA Toolkit is. Everything else builds, runs and passes without.
set(COTENANT_CUDA_ARCHITECTURES "80-real;90a-real;90-virtual" CACHE STRING
    "GPU targets; 90a-real alone builds three times as fast")

include(CheckLanguage)
# The toolkit's own installer puts nvcc beside the PATH.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(COTENANT_NVCC nvcc HINTS /usr/local/cuda/bin)
  mark_as_advanced(COTENANT_NVCC)
  if(COTENANT_NVCC)
    set(ENV{CUDACXX} ${COTENANT_NVCC})
  endif()
endif()
set(CMAKE_CUDA_ARCHITECTURES ${COTENANT_CUDA_ARCHITECTURES})
check_language(CUDA)
# The sanitizers do not know what a GPU does to memory: a sanitized build leaves the module out.
if(NOT CMAKE_CUDA_COMPILER OR COTENANT_SANITIZE)
  message(STATUS "GPU module: left out")
  return()
endif()
enable_language(CUDA)
find_package(CUDAToolkit)
if(NOT TARGET CUDA::cublas OR NOT TARGET CUDA::cublasLt)
  message(STATUS "GPU module: left out, since cuBLAS is missing")
  return()
endif()
# CMake 3.25 knows no C++20 of nvcc.
set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")

file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/module/*.cpp
     ${CMAKE_SOURCE_DIR}/kernels/cuda/module/*.cu)
# The rooms' static libraries are not position independent: the two files that are needed are built again.
add_library(cotenant_cuda MODULE ${sources} ${CMAKE_SOURCE_DIR}/kernels/cuda/arguments.cpp
            ${CMAKE_SOURCE_DIR}/sim/core/check.cpp)
target_include_directories(cotenant_cuda PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(cotenant_cuda PRIVATE CUDA::cudart_static CUDA::cublas CUDA::cublasLt)
# nvcc hands the warnings and flags of all other code to the host compiler.
get_directory_property(options COMPILE_OPTIONS)
list(JOIN options "," host_options)
set_target_properties(cotenant_cuda PROPERTIES
  COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CXX>:${options}>;$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_options}>"
  CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static
  CXX_VISIBILITY_PRESET default
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
