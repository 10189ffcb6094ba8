// Public: class Hdf5Reader, bytes_of_hdf5_file.
#include "reports/store/hdf5_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "reports/store/guarded_child.h"
#include "reports/store/hardening.h"

namespace cotenant {
namespace {

constexpr size_t kFileBytesMax = size_t{4} << 30U;
constexpr size_t kDatasetBytesMax = size_t{1} << 30U;
constexpr size_t kChunkBytesMax = size_t{64} << 20U;
constexpr int kRankMax = 3;
constexpr size_t kUnpackedMost = 1'100;  // bytes for each byte stored; deflate's own limit is 1,032
constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";

// A fixed-length text type, UTF-8 or ASCII; returns its size, 0 = something else.
size_t text_size(hid_t type) {
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return 0;
  return H5Tget_size(type);
}

std::string without_padding(const char* bytes, size_t size) {
  size_t length = size;
  while (length > 0 && bytes[length - 1] == '\0') --length;
  return {bytes, length};
}

struct OpenFile {
  explicit OpenFile(int opened) : fd(opened) {}
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd;
};

// From the beginning of the file; false: there is less.
bool fill(int fd, std::string& bytes) {
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = ::pread(fd, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    filled += static_cast<size_t>(n);
  }
  return true;
}

// What a walk over a file's datasets finds.
struct Declared {
  size_t bytes = 0;
  std::string too_much;  // a dataset that declares more than it can hold
};

extern "C" herr_t add_dataset(hid_t root, const char* name, const H5O_info_t* info, void* into) {
  if (info->type != H5O_TYPE_DATASET) return 0;
  auto& declared = *static_cast<Declared*>(into);
  const Hdf5Id set(H5Dopen2(root, name, H5P_DEFAULT), H5Dclose);
  const Hdf5Id type(set.ok() ? H5Dget_type(set.get()) : -1, H5Tclose);
  const Hdf5Id space(set.ok() ? H5Dget_space(set.get()) : -1, H5Sclose);
  if (!type.ok() || !space.ok()) return 0;  // reading it says what is wrong
  const auto values = static_cast<size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.get()), 0));
  const size_t each = std::max<size_t>(H5Tget_size(type.get()), 1);
  const size_t most =
      kUnpackedMost * std::min<size_t>(H5Dget_storage_size(set.get()), kFileBytesMax) + 65'536;
  if (values > most / each) {
    declared.too_much = name;
    return 1;
  }
  declared.bytes += values * each;
  return 0;
}

}  // namespace

Hdf5Reader::Hdf5Reader(const std::string& file, const std::string& bytes) : name_(file) {
  harden_hdf5();
  const Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // The library only reads the image, but takes a pointer that is not const.
  const bool ready = access.ok() && H5Pset_fapl_core(access.get(), size_t{1} << 20U, false) >= 0 &&
                     H5Pset_fclose_degree(access.get(), H5F_CLOSE_SEMI) >= 0 &&
                     H5Pset_file_image(access.get(), const_cast<char*>(bytes.data()), bytes.size()) >= 0;
  if (ready) file_ = Hdf5Id(H5Fopen("image", H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (!file_.ok()) problem("", "this is not a readable HDF5 file");
}

void Hdf5Reader::problem(const std::string& where, const std::string& message) {
  Diagnostic d;
  d.file = name_;
  d.message = where.empty() ? message : where + ": " + message;
  problems_.push_back(std::move(d));
}

bool Hdf5Reader::hard_linked(const std::string& path) {
  if (!file_.ok()) return false;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    H5L_info_t info{};
    if (H5Lexists(file_.get(), prefix.c_str(), H5P_DEFAULT) <= 0) return false;
    if (H5Lget_info(file_.get(), prefix.c_str(), &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD) {
      problem(prefix, "is a link to somewhere else, which is not followed");
      return false;
    }
    if (end == std::string::npos) return true;
  }
}

size_t Hdf5Reader::value_bytes() {
  Declared declared;
  if (!file_.ok()) return 0;
  if (H5Ovisit(file_.get(), H5_INDEX_NAME, H5_ITER_NATIVE, add_dataset, &declared) < 0)
    problem("", "its datasets cannot be listed: the file is damaged");
  if (!declared.too_much.empty()) problem("/" + declared.too_much, "declares more values than it can hold");
  return declared.bytes;
}

bool Hdf5Reader::has(const std::string& path) {
  return file_.ok() && H5Lexists(file_.get(), path.c_str(), H5P_DEFAULT) > 0;
}

bool Hdf5Reader::filters_are_known(hid_t creation, const std::string& path) {
  const int count = H5Pget_nfilters(creation);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    const H5Z_filter_t id =
        H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    if (id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_SHUFFLE) continue;
    problem(path, fmt::format("uses filter {}; only deflate and shuffle are read", id));
    return false;
  }
  return count >= 0;
}

bool Hdf5Reader::storage_is_plain(hid_t dataset, const std::string& path) {
  const Hdf5Id creation(H5Dget_create_plist(dataset), H5Pclose);
  if (!creation.ok()) {
    problem(path, "cannot be read");
    return false;
  }
  if (H5Pget_external_count(creation.get()) != 0) {
    problem(path, "keeps its values in another file, which is not opened");
    return false;
  }
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) {
    problem(path, "is a virtual dataset, which is not read");
    return false;
  }
  if (layout == H5D_CHUNKED) {
    std::array<hsize_t, kRankMax> chunk{};
    const int rank = H5Pget_chunk(creation.get(), kRankMax, chunk.data());
    size_t values = 1;
    for (int i = 0; i < std::min(rank, kRankMax); ++i) {
      values =
          std::min<size_t>(chunk[static_cast<size_t>(i)], kChunkBytesMax) * std::min(values, kChunkBytesMax);
    }
    if (rank < 1 || rank > kRankMax || values > kChunkBytesMax) {
      problem(path, "has chunks that are too large");
      return false;
    }
  }
  return filters_are_known(creation.get(), path);
}

std::optional<size_t> Hdf5Reader::value_count(hid_t dataset, size_t value_bytes, const std::string& path) {
  const Hdf5Id space(H5Dget_space(dataset), H5Sclose);
  const int rank = space.ok() ? H5Sget_simple_extent_ndims(space.get()) : -1;
  std::array<hsize_t, kRankMax> extent{};
  if (rank < 1 || rank > kRankMax || H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr) != rank) {
    problem(path, fmt::format("must have 1 to {} dimensions", kRankMax));
    return std::nullopt;
  }
  size_t count = 1;
  for (int i = 0; i < rank; ++i) {
    const hsize_t n = extent[static_cast<size_t>(i)];
    if (n > kDatasetBytesMax || count * n > kDatasetBytesMax / value_bytes) {
      problem(path, "is larger than 1 GiB");
      return std::nullopt;
    }
    count *= n;
  }
  return count;
}

std::optional<std::string> Hdf5Reader::attribute_text(hid_t object, const char* name) {
  if (H5Aexists(object, name) <= 0) return std::nullopt;
  const Hdf5Id attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  const Hdf5Id type(attribute.ok() ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  const Hdf5Id space(attribute.ok() ? H5Aget_space(attribute.get()) : -1, H5Sclose);
  const size_t size = type.ok() ? text_size(type.get()) : 0;
  if (size == 0 || size > 65'536 || !space.ok() || H5Sget_simple_extent_npoints(space.get()) != 1)
    return std::nullopt;
  std::string bytes(size, '\0');
  if (H5Aread(attribute.get(), type.get(), bytes.data()) < 0) return std::nullopt;
  return without_padding(bytes.data(), size);
}

void Hdf5Reader::text(const std::string& group, const std::string& name, std::string& into) {
  const bool there = group == "/" ? file_.ok() : hard_linked(group);
  const Hdf5Id object(there ? H5Gopen2(file_.get(), group.c_str(), H5P_DEFAULT) : -1, H5Gclose);
  const std::string path = group == "/" ? "/" + name : group + "/" + name;
  if (object.ok() && H5Aexists(object.get(), name.c_str()) <= 0 && hard_linked(path)) {
    std::vector<std::string> one;
    column(path, "", one);
    if (one.size() == 1) into = one.front();
    return;
  }
  const std::optional<std::string> value =
      object.ok() ? attribute_text(object.get(), name.c_str()) : std::nullopt;
  if (!value) {
    problem(group + "@" + name, "must be an attribute that holds one fixed-length text");
    return;
  }
  into = *value;
  content_.add(group + "@" + name, "", std::span(&into, 1));
}

bool Hdf5Reader::attribute_number(const std::string& group, const std::string& name, hid_t type, void* into) {
  const bool there = group == "/" ? file_.ok() : hard_linked(group);
  const Hdf5Id object(there ? H5Gopen2(file_.get(), group.c_str(), H5P_DEFAULT) : -1, H5Gclose);
  const bool exists = object.ok() && H5Aexists(object.get(), name.c_str()) > 0;
  const Hdf5Id attribute(exists ? H5Aopen(object.get(), name.c_str(), H5P_DEFAULT) : -1, H5Aclose);
  const Hdf5Id found(attribute.ok() ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  const Hdf5Id space(attribute.ok() ? H5Aget_space(attribute.get()) : -1, H5Sclose);
  const bool good = found.ok() && H5Tequal(found.get(), type) > 0 && space.ok() &&
                    H5Sget_simple_extent_npoints(space.get()) == 1 &&
                    H5Aread(attribute.get(), type, into) >= 0;
  if (!good)
    problem(group + "@" + name, "must be an attribute that holds one 64-bit number of the right kind");
  return good;
}

void Hdf5Reader::number(const std::string& group, const std::string& name, int64_t& into) {
  if (!attribute_number(group, name, H5T_STD_I64LE, &into)) return;
  content_.add(group + "@" + name, "", std::span<const int64_t>(&into, 1));
}

void Hdf5Reader::number(const std::string& group, const std::string& name, uint64_t& into) {
  if (!attribute_number(group, name, H5T_STD_U64LE, &into)) return;
  content_.add(group + "@" + name, "", std::span<const uint64_t>(&into, 1));
}

void Hdf5Reader::number(const std::string& group, const std::string& name, double& into) {
  if (!attribute_number(group, name, H5T_IEEE_F64LE, &into)) return;
  content_.add(group + "@" + name, "", std::span<const double>(&into, 1));
}

Hdf5Id Hdf5Reader::open_dataset(const std::string& path, const std::string& unit) {
  if (!file_.ok()) return {};
  const size_t before = problems_.size();
  if (!hard_linked(path)) {
    if (problems_.size() == before) problem(path, "is missing");
    return {};
  }
  Hdf5Id set(H5Oopen(file_.get(), path.c_str(), H5P_DEFAULT), H5Oclose);
  if (!set.ok() || H5Iget_type(set.get()) != H5I_DATASET) {
    problem(path, "is not a readable dataset");
    return {};
  }
  if (!storage_is_plain(set.get(), path)) return {};
  const std::optional<std::string> found = attribute_text(set.get(), "unit");
  if (found.value_or("") != unit) {
    problem(path, fmt::format("must have the unit \"{}\", not \"{}\"", unit, found.value_or("")));
    return {};
  }
  return set;
}

template <class T>
void Hdf5Reader::numbers(const std::string& path, const std::string& unit, hid_t type, std::vector<T>& into) {
  into.clear();
  const Hdf5Id set = open_dataset(path, unit);
  if (!set.ok()) return;
  const Hdf5Id found(H5Dget_type(set.get()), H5Tclose);
  if (!found.ok() || H5Tequal(found.get(), type) <= 0) {
    problem(path, "has the wrong type of values");
    return;
  }
  const std::optional<size_t> count = value_count(set.get(), sizeof(T), path);
  if (!count) return;
  into.resize(*count);
  if (*count > 0 && H5Dread(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, into.data()) < 0) {
    into.clear();
    problem(path, "is damaged");
  }
}

void Hdf5Reader::column(const std::string& path, const std::string& unit, std::vector<int64_t>& into) {
  numbers(path, unit, H5T_STD_I64LE, into);
  content_.add(path, unit, std::span<const int64_t>(into));
}

void Hdf5Reader::column(const std::string& path, const std::string& unit, std::vector<double>& into) {
  numbers(path, unit, H5T_IEEE_F64LE, into);
  content_.add(path, unit, std::span<const double>(into));
}

void Hdf5Reader::column(const std::string& path, const std::string& unit, std::vector<std::string>& into) {
  into.clear();
  if (file_.ok() && hard_linked(path + ".bytes")) {
    std::vector<int64_t> offsets;
    numbers(path, unit, H5T_STD_I64LE, offsets);
    ragged_texts(path, std::move(offsets), into);
  } else {
    const Hdf5Id set = open_dataset(path, unit);
    if (set.ok()) fixed_texts(set.get(), path, into);
  }
  content_.add(path, unit, std::span<const std::string>(into));
}

void Hdf5Reader::fixed_texts(hid_t dataset, const std::string& path, std::vector<std::string>& into) {
  const Hdf5Id type(H5Dget_type(dataset), H5Tclose);
  const size_t size = type.ok() ? text_size(type.get()) : 0;
  if (size == 0) {
    problem(path, "must hold fixed-length texts");
    return;
  }
  const std::optional<size_t> count = value_count(dataset, size, path);
  if (!count || *count == 0) return;
  std::string bytes(*count * size, '\0');
  if (H5Dread(dataset, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    problem(path, "is damaged");
    return;
  }
  into.reserve(*count);
  for (size_t i = 0; i < *count; ++i) into.push_back(without_padding(bytes.data() + i * size, size));
}

void Hdf5Reader::ragged_texts(const std::string& path, std::vector<int64_t> offsets,
                              std::vector<std::string>& into) {
  std::vector<unsigned char> bytes;
  numbers(path + ".bytes", "", H5T_STD_U8LE, bytes);
  const bool rising = !offsets.empty() && offsets.front() == 0 &&
                      std::is_sorted(offsets.begin(), offsets.end()) &&
                      offsets.back() == static_cast<int64_t>(bytes.size());
  if (!rising) {
    problem(path, "offsets must rise from 0 to the number of bytes");
    return;
  }
  into.reserve(offsets.size() - 1);
  for (size_t i = 1; i < offsets.size(); ++i)
    into.emplace_back(bytes.begin() + offsets[i - 1], bytes.begin() + offsets[i]);
}

void Hdf5Reader::verify_digest(bool required) {
  const Hdf5Id root(file_.ok() ? H5Gopen2(file_.get(), "/", H5P_DEFAULT) : -1, H5Gclose);
  if (!root.ok()) return;
  const std::optional<std::string> stated = attribute_text(root.get(), "content_sha256");
  if (!stated && !required && H5Aexists(root.get(), "content_sha256") == 0) return;
  if (stated.value_or("") != content_.finish())
    problem("/@content_sha256", "does not fit the content: the file is damaged");
}

Result<std::string> bytes_of_hdf5_file(const std::string& path) {
  const auto bad = [&](const std::string& message) {
    Diagnostic d;
    d.file = path;
    d.message = message;
    return d;
  };
  const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return bad(fmt::format("cannot be opened: {}", std::generic_category().message(errno)));
  struct stat about {};
  if (::fstat(file.fd, &about) != 0 || !S_ISREG(about.st_mode)) return bad("is not a regular file");
  std::string signature(kSignature.size(), '\0');
  if (!fill(file.fd, signature) || signature != kSignature) return bad("this is not a readable HDF5 file");
  const size_t most = std::min(kFileBytesMax, machine_memory_bytes() / 4);
  const auto size = static_cast<size_t>(about.st_size);
  if (size > most) return bad(fmt::format("is larger than {} MiB", most >> 20U));
  std::string bytes(size, '\0');
  if (!fill(file.fd, bytes)) return bad("cannot be read to its end");
  return bytes;
}

}  // namespace cotenant
