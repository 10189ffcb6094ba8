// Public: class Hdf5Writer.
#include "reports/store/hdf5_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/store/hardening.h"
#include "reports/store/results_file.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr size_t kCoreIncrement = size_t{4} << 20U;
constexpr hsize_t kChunkRows = 65'536;
constexpr unsigned kDeflateLevel = 4;

Hdf5Id text_type(size_t size) {
  Hdf5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  if (type.ok() &&
      (H5Tset_size(type.get(), std::max<size_t>(size, 1)) < 0 || H5Tset_cset(type.get(), H5T_CSET_UTF8) < 0 ||
       H5Tset_strpad(type.get(), H5T_STR_NULLPAD) < 0)) {
    return {};
  }
  return type;
}

hsize_t product(const std::vector<hsize_t>& shape) {
  hsize_t count = 1;
  for (const hsize_t n : shape) count *= n;
  return count;
}

Hdf5Id without_times(hid_t property_class) {
  Hdf5Id list(H5Pcreate(property_class), H5Pclose);
  if (list.ok() && H5Pset_obj_track_times(list.get(), false) < 0) return {};
  return list;
}

Hdf5Id dataset_creation(const std::vector<hsize_t>& shape) {
  Hdf5Id list = without_times(H5P_DATASET_CREATE);
  if (!list.ok() || product(shape) == 0) return list;
  std::vector<hsize_t> chunk = shape;
  chunk[0] = std::min(chunk[0], kChunkRows);
  const bool good = H5Pset_chunk(list.get(), static_cast<int>(chunk.size()), chunk.data()) >= 0 &&
                    H5Pset_shuffle(list.get()) >= 0 && H5Pset_deflate(list.get(), kDeflateLevel) >= 0;
  return good ? std::move(list) : Hdf5Id();
}

// Whether fixed-length strings keep every value and stay within twice the text (plus 1 KiB).
bool fixed_length_fits(std::span<const std::string> values, size_t longest) {
  size_t total = 0;
  for (const std::string& v : values) {
    if (v.find('\0') != std::string::npos) return false;
    total += v.size();
  }
  return longest * values.size() <= 16 * values.size() + 2 * total + 1024;
}

}  // namespace

Hdf5Writer::Hdf5Writer(const std::string& path) : path_(path) {
  harden_hdf5();
  Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  require(access.ok() && H5Pset_fapl_core(access.get(), kCoreIncrement, true) >= 0 &&
              H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
              H5Pset_fclose_degree(access.get(), H5F_CLOSE_SEMI) >= 0,
          "prepare");
  const Hdf5Id creation = without_times(H5P_FILE_CREATE);
  require(creation.ok(), "prepare");
  file_ = Hdf5Id(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
  require(file_.ok(), "create");
}

void Hdf5Writer::require(bool good, const char* what) const {
  if (!good) throw StoreFailed(fmt::format("HDF5 cannot {} {}: is the disk full?", what, path_));
}

void Hdf5Writer::group(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (H5Lexists(file_.get(), prefix.c_str(), H5P_DEFAULT) <= 0) {
      const Hdf5Id creation = without_times(H5P_GROUP_CREATE);
      const Hdf5Id made(H5Gcreate2(file_.get(), prefix.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                        H5Gclose);
      require(made.ok(), "make a group in");
    }
    if (end == std::string::npos) return;
  }
}

void Hdf5Writer::attribute_raw(hid_t object, const char* name, hid_t type, const void* value) {
  const Hdf5Id space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Id attribute(H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  require(attribute.ok() && H5Awrite(attribute.get(), type, value) >= 0, "write an attribute of");
}

void Hdf5Writer::attribute_text(hid_t object, const char* name, const std::string& value) {
  const Hdf5Id type = text_type(value.size());
  require(type.ok(), "prepare");
  attribute_raw(object, name, type.get(), value.c_str());
}

void Hdf5Writer::attribute(const std::string& group, const std::string& name, const std::string& value) {
  // A NUL would end the text early, and the library keeps attributes below 64 KiB.
  if (value.find('\0') != std::string::npos || value.size() > 60'000) {
    column(group == "/" ? "/" + name : group + "/" + name, "", std::span(&value, 1));
    return;
  }
  content_.add(group + "@" + name, "", std::span(&value, 1));
  const Hdf5Id type = text_type(value.size());
  require(type.ok(), "prepare");
  attribute_value(group, name.c_str(), type.get(), value.c_str());
}

void Hdf5Writer::attribute_value(const std::string& group, const char* name, hid_t type, const void* value) {
  const Hdf5Id object(H5Gopen2(file_.get(), group.c_str(), H5P_DEFAULT), H5Gclose);
  require(object.ok(), "open a group of");
  attribute_raw(object.get(), name, type, value);
}

void Hdf5Writer::attribute(const std::string& group, const std::string& name, int64_t value) {
  content_.add(group + "@" + name, "", std::span<const int64_t>(&value, 1));
  attribute_value(group, name.c_str(), H5T_STD_I64LE, &value);
}

void Hdf5Writer::attribute(const std::string& group, const std::string& name, uint64_t value) {
  content_.add(group + "@" + name, "", std::span<const uint64_t>(&value, 1));
  attribute_value(group, name.c_str(), H5T_STD_U64LE, &value);
}

void Hdf5Writer::attribute(const std::string& group, const std::string& name, double value) {
  content_.add(group + "@" + name, "", std::span<const double>(&value, 1));
  attribute_value(group, name.c_str(), H5T_IEEE_F64LE, &value);
}

void Hdf5Writer::dataset(const std::string& path, const std::string& unit, hid_t type, const void* values,
                         const std::vector<hsize_t>& shape) {
  const Hdf5Id space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const Hdf5Id creation = dataset_creation(shape);
  require(space.ok() && creation.ok(), "prepare");
  const Hdf5Id set(
      H5Dcreate2(file_.get(), path.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
      H5Dclose);
  require(set.ok(), "create a dataset in");
  const bool empty = product(shape) == 0;
  require(empty || H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0,
          "write a dataset of");
  attribute_text(set.get(), "unit", unit);
}

void Hdf5Writer::column(const std::string& path, const std::string& unit, std::span<const int64_t> values,
                        const std::vector<hsize_t>& shape) {
  CHECK(product(shape) == values.size());
  content_.add(path, unit, values);
  dataset(path, unit, H5T_STD_I64LE, values.data(), shape);
}

void Hdf5Writer::column(const std::string& path, const std::string& unit, std::span<const double> values,
                        const std::vector<hsize_t>& shape) {
  CHECK(product(shape) == values.size());
  content_.add(path, unit, values);
  dataset(path, unit, H5T_IEEE_F64LE, values.data(), shape);
}

void Hdf5Writer::column(const std::string& path, const std::string& unit,
                        std::span<const std::string> values) {
  size_t longest = 1;
  for (const std::string& v : values) longest = std::max(longest, v.size());
  const bool fixed = fixed_length_fits(values, longest);
  content_.add(path, unit, values);
  std::string bytes;
  std::vector<int64_t> offsets(1, 0);
  for (const std::string& v : values) {
    bytes += v;
    if (fixed) bytes.resize(bytes.size() + longest - v.size(), '\0');
    offsets.push_back(static_cast<int64_t>(bytes.size()));
  }
  if (fixed) {
    const Hdf5Id type = text_type(longest);
    require(type.ok(), "prepare");
    dataset(path, unit, type.get(), bytes.data(), {values.size()});
    return;
  }
  dataset(path, unit, H5T_STD_I64LE, offsets.data(), {offsets.size()});
  dataset(path + ".bytes", "", H5T_STD_U8LE, bytes.data(), {bytes.size()});
}

void Hdf5Writer::finish() {
  {
    const Hdf5Id root(H5Gopen2(file_.get(), "/", H5P_DEFAULT), H5Gclose);
    require(root.ok(), "finish");
    attribute_text(root.get(), "content_sha256", content_.finish());
  }
  require(file_.close(), "close");
}

}  // namespace cotenant
