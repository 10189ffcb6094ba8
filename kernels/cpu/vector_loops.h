#pragma once
#include <cstdint>

namespace cotenant::cpu {

// Scores of a group of query heads against the keys of the KV head they share.
// score[g * score_stride + t] = scale * q[g] . k[t], for t < keys.
struct ScoreLoop {
  const float* q;  // group x head_dim, dense
  const float* k;  // keys x head_dim, dense
  float* score;
  int64_t group;
  int64_t keys;
  int64_t head_dim;
  int64_t score_stride;
  float scale;
};

// out[g] += sum over t of weight[g * weight_stride + t] v[t]: attention's weighted values, and both halves
// of a low-rank update.
struct ValueLoop {
  const float* weight;
  const float* v;  // keys x columns, dense
  float* out;      // group x columns, rows out_stride apart
  int64_t group;
  int64_t keys;
  int64_t columns;
  int64_t weight_stride;
  int64_t out_stride;
};

// y = x w^T for few rows: w is read once, from memory, and meets all rows on the way.
struct SkinnyLoop {
  const float* x;  // rows x inner
  const float* w;  // columns x inner
  float* y;        // rows x columns
  int64_t rows;
  int64_t inner;
  int64_t columns;
};

// The innermost loops, in two builds: AVX2 with FMA, and plain C++ for any x86-64. Both give the same values
// up to rounding. No pointer may alias another.
struct VectorLoops {
  const char* name;
  float (*dot)(const float* a, const float* b, int64_t n);
  void (*add_scaled)(float* y, const float* x, float factor, int64_t n);  // y += factor x
  void (*softmax)(float* x, int64_t n);                                   // in place; n > 0
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t n);
  void (*scores)(const ScoreLoop& loop);
  void (*add_values)(const ValueLoop& loop);
  void (*skinny)(const SkinnyLoop& loop);
};

extern const VectorLoops kPortableLoops;
// Only to be called where the processor has AVX2 and FMA.
extern const VectorLoops kAvx2Loops;

// The AVX2 loops where the processor has them. The choice is made once.
const VectorLoops& vector_loops();

}  // namespace cotenant::cpu
